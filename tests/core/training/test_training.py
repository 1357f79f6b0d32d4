"""The one loop: schedules as published, selection, resume to the last bit, and one source of randomness."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench.contracts.protocols import FitContext
from histobench.errors import DataError
from histobench.training import (
    Fitted,
    Recipe,
    checkpoints,
    fit_module,
    load_weights,
    mean_pearson,
    root_mean_square,
    save_weights,
    seeded,
    shuffled,
)

RECIPE = Recipe(epochs=6, lr=0.05, schedule="onecycle")


class KilledError(Exception):
    """Stands for a kill."""


def _module(seed: int = 0) -> nn.Module:
    """A frozen layer, a norm with buffers, dropout: all that a checkpoint must or must not carry."""
    with seeded(seed):
        frozen = nn.Linear(4, 8).requires_grad_(False)
        return nn.Sequential(frozen, nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))


def _data() -> tuple[Tensor, Tensor]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(24, 4)).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy((x[:, :2] * 2 + 1).astype(np.float32))


def _batches(epoch: int, *, seed: int = 0, batch: int = 8) -> Iterator[tuple[Tensor, Tensor]]:
    x, y = _data()
    for rows in shuffled(len(x), batch, seed=seed, epoch=epoch, drop_last=True):
        yield x[rows], y[rows]


def _step(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
    return {"loss": root_mean_square(module(batch[0]), batch[1])}


def _score(module: nn.Module) -> float:
    x, y = _data()
    with torch.no_grad():
        return mean_pearson(module(x), y)


def _fit(module: nn.Module, context: FitContext, recipe: Recipe = RECIPE, trained: list[int] | None = None) -> Fitted:
    """Fit, and note which epochs were trained."""

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        if trained is not None:
            trained.append(epoch)
        return _batches(epoch)

    return fit_module(module, _step, batches, recipe=recipe, context=context, validate=_score)


def _lr_of(recipe: Recipe) -> list[float]:
    fitted = fit_module(nn.Linear(4, 2), _step, _batches, recipe=recipe, context=FitContext(seed=0))
    return [numbers["lr"] for numbers in fitted.history]


# the loop


def test_the_loop_learns() -> None:
    module = _module()
    before = _score(module.eval())
    fitted = _fit(module, FitContext(seed=0), replace(RECIPE, epochs=40))
    assert fitted.best_score > max(before, 0.8)
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]


def test_frozen_parameters_do_not_move() -> None:
    module = _module()
    before = module[0].weight.clone()
    _fit(module, FitContext(seed=0))
    assert torch.equal(module[0].weight, before)


def test_the_module_is_left_in_evaluation_mode() -> None:
    module = _module()
    _fit(module, FitContext(seed=0))
    assert not module.training


def test_every_epoch_is_reported() -> None:
    seen: dict[int, Mapping[str, float]] = {}
    fitted = _fit(_module(), FitContext(seed=0, report=seen.__setitem__))
    assert list(seen) == list(range(6))
    assert [seen[epoch] for epoch in range(6)] == fitted.history
    assert set(seen[0]) == {"loss", "lr", "val_score"}


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.1, 0.3, 0.3, 0.2], 1), ([math.nan, 0.2, math.nan, 0.1], 1), ([-0.5, -0.4, -0.9, -0.4], 1)],
    ids=["first-highest", "nan-never-wins", "negative"],
)
def test_the_first_best_epoch_is_kept(scores: list[float], best: int) -> None:
    kept: list[Tensor] = []
    told = iter(scores)

    def validate(module: nn.Module) -> float:
        kept.append(module[3].weight.clone())
        return next(told)

    module = _module()
    recipe = Recipe(epochs=4, lr=0.1)
    fitted = fit_module(module, _step, _batches, recipe=recipe, context=FitContext(seed=0), validate=validate)
    assert fitted.best_epoch == best
    assert torch.equal(module[3].weight, kept[best])


@pytest.mark.parametrize("validate", [None, lambda _module: math.nan], ids=["none", "always-nan"])
def test_without_a_score_the_last_epoch_is_kept(validate: object) -> None:
    one, other = _module(), _module()
    recipe = Recipe(epochs=4, lr=0.1)
    fitted = fit_module(one, _step, _batches, recipe=recipe, context=FitContext(seed=0), validate=validate)  # type: ignore[arg-type]
    fit_module(other, _step, _batches, recipe=recipe, context=FitContext(seed=0))
    assert fitted.best_epoch == 3
    assert torch.equal(one[3].weight, other[3].weight)


def test_patience_ends_training() -> None:
    told = iter([0.1, 0.9, 0.2, 0.3, 0.4])
    recipe = Recipe(epochs=10, lr=0.01, patience=2)
    fitted = fit_module(
        _module(), _step, _batches, recipe=recipe, context=FitContext(seed=0), validate=lambda _module: next(told)
    )
    assert (len(fitted.history), fitted.best_epoch) == (4, 1)


def test_accumulated_batches_make_the_step_of_one_large_batch() -> None:
    x, y = _data()

    def step(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
        return {"loss": torch.mean((module(batch[0]) - batch[1]) ** 2)}

    weights = []
    for size, accumulate in ((24, 1), (8, 3), (12, 2)):
        with seeded(0):
            module = nn.Linear(4, 2)
        recipe = Recipe(epochs=3, lr=0.1, optimiser="sgd", accumulate=accumulate)
        parts = [(x[i : i + size], y[i : i + size]) for i in range(0, 24, size)]
        fit_module(module, step, lambda _epoch, parts=parts: parts, recipe=recipe, context=FitContext(seed=0))
        weights.append(module.weight.detach())
    torch.testing.assert_close(weights[1], weights[0])
    torch.testing.assert_close(weights[2], weights[0])


def test_left_over_batches_still_make_a_step() -> None:
    module = nn.Linear(4, 2)
    before = module.weight.detach().clone()
    recipe = Recipe(epochs=1, lr=0.1, accumulate=100)
    fit_module(module, _step, _batches, recipe=recipe, context=FitContext(seed=0))
    assert not torch.equal(module.weight, before)


def test_an_epoch_without_batches_is_refused() -> None:
    with pytest.raises(DataError, match="there is no batch to train on: fewer training spots than one batch holds"):
        fit_module(nn.Linear(4, 2), _step, lambda _epoch: [], recipe=RECIPE, context=FitContext(seed=0))


def test_divergence_is_told() -> None:
    def step(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
        return {"loss": module(batch[0]).mean() * torch.inf}

    with pytest.raises(DataError, match=r"training diverged: the mean loss of an epoch is -?(inf|nan); lower"):
        fit_module(nn.Linear(4, 2), step, _batches, recipe=RECIPE, context=FitContext(seed=0))


# resume


def _state(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.state_dict())


@pytest.mark.parametrize("killed_after", [0, 2, 5])
def test_a_killed_fit_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)

    def kill(epoch: int, _numbers: Mapping[str, float]) -> None:
        if epoch == killed_after:
            raise KilledError

    whole = _module()
    expected = _fit(whole, FitContext(seed=3))
    with pytest.raises(KilledError):
        _fit(_module(), FitContext(seed=3, resume=tmp_path, report=kill))
    trained: list[int] = []
    resumed = _module()
    assert _fit(resumed, FitContext(seed=3, resume=tmp_path), trained=trained) == expected
    assert trained == list(range(killed_after, 6))
    assert all(torch.equal(a, b) for a, b in zip(_state(whole).values(), _state(resumed).values(), strict=True))


def test_a_finished_fit_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)
    expected = _fit(_module(), FitContext(seed=3, resume=tmp_path))
    trained: list[int] = []
    again = _fit(_module(), FitContext(seed=3, resume=tmp_path), trained=trained)
    assert (trained, again) == ([], expected)


def test_a_resumed_fit_reports_the_epochs_before_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)
    fitted = _fit(_module(), FitContext(seed=3, resume=tmp_path))
    seen: dict[int, Mapping[str, float]] = {}
    _fit(_module(), FitContext(seed=3, resume=tmp_path, report=seen.__setitem__))
    assert list(seen.values()) == fitted.history


def test_checkpoints_leave_frozen_weights_out(tmp_path: Path) -> None:
    _fit(_module(), FitContext(seed=3, resume=tmp_path))
    kept = torch.load(tmp_path / "epoch.ckpt", weights_only=True)
    assert set(kept["module"]) == {name for name in _state(_module()) if not name.startswith("0.")}


def test_checkpoints_are_not_written_more_often_than_asked(tmp_path: Path) -> None:
    _fit(_module(), FitContext(seed=3, resume=tmp_path))
    assert len(torch.load(tmp_path / "epoch.ckpt", weights_only=True)["history"]) == 1


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _fit(_module(), FitContext(seed=3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [b"", b"PK\x03\x04 half of it", b"half of it"], ids=["empty", "truncated", "text"])
def test_a_damaged_checkpoint_costs_only_time(tmp_path: Path, left: bytes) -> None:
    expected = _module()
    _fit(expected, FitContext(seed=3))
    (tmp_path / "epoch.ckpt").write_bytes(left)
    module = _module()
    _fit(module, FitContext(seed=3, resume=tmp_path))
    assert torch.equal(module[3].weight, expected[3].weight)


def test_resuming_removes_what_a_killed_process_left(tmp_path: Path, leftover: Callable[[Path], Path]) -> None:
    _fit(_module(), FitContext(seed=3, resume=tmp_path))
    left = leftover(tmp_path / "epoch.ckpt")
    _fit(_module(), FitContext(seed=3, resume=tmp_path))
    assert not left.exists()


def test_the_checkpoint_of_another_module_is_refused(tmp_path: Path) -> None:
    _fit(_module(), FitContext(seed=3, resume=tmp_path))
    with pytest.raises(DataError, match=r"epoch\.ckpt: tensors missing: weight, bias; unexpected: 1\."):
        _fit(nn.Linear(4, 2), FitContext(seed=3, resume=tmp_path))


def test_the_same_seed_trains_alike_and_another_does_not() -> None:
    weights = []
    for seed in (3, 3, 4):
        module = _module()
        _fit(module, FitContext(seed=seed))
        weights.append(module[3].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_nobody_elses_generator_is_touched() -> None:
    before = torch.random.get_rng_state()
    _fit(_module(), FitContext(seed=3))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_come_back_and_frozen_ones_are_not_saved(tmp_path: Path) -> None:
    module, other = _module(), _module()
    _fit(module, FitContext(seed=3))
    save_weights(module, tmp_path / "deep" / "weights.safetensors")
    load_weights(other, tmp_path / "deep" / "weights.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(_state(module).values(), _state(other).values(), strict=True))
    assert (tmp_path / "deep" / "weights.safetensors").stat().st_size < 2000
