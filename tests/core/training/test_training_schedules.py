"""How the learning rate moves over the epochs, against the published tables, and how a step is taken."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from histobench.contracts.protocols import FitContext
from histobench.training import Recipe, checkpoints, fit_module
from histobench.training.recipes import make_optimiser, make_schedule


def _lr_of(recipe: Recipe) -> list[float]:
    module = nn.Linear(1, 1)
    fitted = fit_module(
        module,
        lambda module, batch: {"loss": module(batch).mean()},
        lambda _epoch: [torch.ones(1, 1)],
        recipe=recipe,
        context=FitContext(seed=0),
    )
    return [numbers["lr"] for numbers in fitted.history]


@pytest.mark.reference
def test_one_cycle_follows_the_published_table() -> None:
    """abundance_protocol.md, section 6: lr 0.002, 100 epochs."""
    recipe = Recipe(epochs=100, lr=2e-3, schedule="onecycle")
    module = nn.Linear(2, 1)
    optimiser = make_optimiser(module, recipe)
    schedule = make_schedule(optimiser, recipe)
    seen = {}
    for epoch in range(100):
        seen[epoch] = (optimiser.param_groups[0]["lr"], optimiser.param_groups[0]["betas"][0])
        optimiser.step()
        if epoch < 99:
            schedule.step()
    table = {
        0: (2.0000e-4, 0.95), 1: (2.1227e-4, 0.94932), 5: (4.9045e-4, 0.93386), 10: (1.17432e-3, 0.89587),
        19: (2.0e-3, 0.85), 20: (1.99924e-3, 0.85004), 40: (1.68201e-3, 0.86606), 60: (9.71133e-4, 0.90196),
        80: (2.83021e-4, 0.93672), 99: (2.0e-5, 0.95),
    }  # fmt: skip
    for epoch, (lr, beta) in table.items():
        assert seen[epoch] == pytest.approx((lr, beta), rel=1e-4), epoch


@pytest.mark.reference
def test_cosine_follows_the_published_table() -> None:
    """abundance_protocol.md, section 6: Hist2Cell, lr 1e-4."""
    table = [1e-4, 9.9446e-5, 9.7798e-5, 9.5095e-5, 9.1406e-5, 8.6820e-5, 8.1450e-5, 7.5430e-5, 6.8906e-5, 6.2040e-5]
    assert _lr_of(Recipe(epochs=10, lr=1e-4, schedule="cosine")) == pytest.approx(table, rel=1e-4)


def test_step_schedule_loses_a_tenth_after_fifty_epochs() -> None:
    lrs = _lr_of(Recipe(epochs=51, lr=1e-3, schedule="step"))
    assert (lrs[49], lrs[50]) == pytest.approx((1e-3, 9e-4))


def test_constant_schedule_stays() -> None:
    assert set(_lr_of(Recipe(epochs=7, lr=1e-3))) == {1e-3}


def test_step_schedule_halves_every_ten_epochs_where_asked() -> None:
    lrs = _lr_of(Recipe(epochs=21, lr=1e-5, schedule="step", decay=0.5, decay_epochs=10))
    assert (lrs[9], lrs[10], lrs[20]) == pytest.approx((1e-5, 5e-6, 2.5e-6))


def _lr_under(
    scores: Sequence[float], recipe: Recipe, resume: Path | None = None, stop: int | None = None
) -> list[float]:
    """Fit under given validation scores; with ``stop``, be killed after that epoch and go on."""
    lrs: dict[int, float] = {}

    def fit(until: int | None) -> None:
        told = iter(scores[len(lrs) :])

        def report(epoch: int, numbers: dict[str, float]) -> None:
            lrs[epoch] = numbers["lr"]
            if epoch == until:
                raise KeyboardInterrupt

        fit_module(
            nn.Linear(1, 1),
            lambda module, batch: {"loss": module(batch).mean()},
            lambda _epoch: [torch.ones(1, 1)],
            recipe=recipe,
            context=FitContext(seed=0, resume=resume, report=report),  # type: ignore[arg-type]
            validate=lambda _module: next(told),
        )

    if stop is not None:
        with pytest.raises(KeyboardInterrupt):
            fit(stop)
        lrs.pop(stop)  # its checkpoint was not written
    fit(None)
    return [lrs[epoch] for epoch in sorted(lrs)]


PLATEAU = Recipe(epochs=9, lr=1.0, schedule="plateau", decay=0.5, decay_epochs=2)


def test_plateau_halves_after_more_epochs_without_a_better_score_than_it_waits() -> None:
    scores = [-5.0, -4.0, -4.0, -4.5, -4.00005, -3.0, -3.0, -3.0, -3.0]
    assert _lr_under(scores, PLATEAU) == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


def test_plateau_goes_on_waiting_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)
    scores = [-5.0, -4.0, -4.0, -4.5, -4.0, -3.0, -3.0, -3.0, -3.0]
    assert _lr_under(scores, PLATEAU, tmp_path, stop=3) == _lr_under(scores, PLATEAU)


def test_plateau_without_validation_watches_the_training_loss() -> None:
    assert set(_lr_of(Recipe(epochs=6, lr=1e-3, schedule="plateau", decay=0.5, decay_epochs=1))) == {1e-3}  # it falls


@pytest.mark.parametrize("epochs", [4, 5, 9])
def test_short_one_cycle_rises_to_its_peak_and_ends_at_a_hundredth(epochs: int) -> None:
    lrs = _lr_of(Recipe(epochs=epochs, lr=1e-2, schedule="onecycle"))
    assert (lrs[0], max(lrs), lrs[-1]) == pytest.approx((1e-3, 1e-2, 1e-4))


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_one_cycle_too_short_to_turn_is_constant(epochs: int) -> None:
    assert _lr_of(Recipe(epochs=epochs, lr=1e-2, schedule="onecycle")) == [1e-2] * epochs


def test_sgd_has_momentum() -> None:
    optimiser = make_optimiser(nn.Linear(2, 1), Recipe(epochs=1, lr=0.1, optimiser="sgd", weight_decay=1e-4))
    group = optimiser.param_groups[0]
    assert (type(optimiser), group["momentum"], group["weight_decay"]) == (torch.optim.SGD, 0.9, 1e-4)


def test_weight_decay_is_added_to_the_gradient() -> None:
    """L2 as published: with a zero gradient Adam's step is lr · sign(weight), which AdamW's would not be."""
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 3.0)
    optimiser = make_optimiser(module, Recipe(epochs=1, lr=0.01, weight_decay=1e-4))
    module.weight.grad = torch.zeros_like(module.weight)
    optimiser.step()
    assert module.weight.item() == pytest.approx(2.99, abs=1e-5)


def test_adamw_takes_weight_decay_from_the_weight_itself() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 3.0)
    optimiser = make_optimiser(module, Recipe(epochs=1, lr=0.1, optimiser="adamw", weight_decay=0.01))
    module.weight.grad = torch.zeros_like(module.weight)
    optimiser.step()
    assert module.weight.item() == pytest.approx(3.0 * (1 - 0.1 * 0.01))


@pytest.mark.parametrize(("clip", "length"), [(None, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_a_long_gradient_is_clipped_to_its_norm(clip: float | None, length: float) -> None:
    module = nn.Linear(2, 1, bias=False)
    before = module.weight.detach().clone()
    fit_module(
        module,
        lambda module, batch: {"loss": module(batch).sum()},
        lambda _epoch: [torch.tensor([[3.0, 4.0]])],
        recipe=Recipe(epochs=1, lr=1.0, optimiser="sgd", clip=clip),
        context=FitContext(seed=0),
    )
    assert (module.weight.detach() - before).norm().item() == pytest.approx(length, rel=1e-5)
