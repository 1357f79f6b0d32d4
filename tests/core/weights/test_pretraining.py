"""Pretraining is reproducible, goes on after a kill, keeps patients out, and its file says whose slides it has seen."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from histobench.contracts.cards import DatasetCard, EncoderCard, TargetFact
from histobench.contracts.protocols import FitContext, PatchGeometry
from histobench.errors import ConfigError, DataError, WeightsError
from histobench.testing import ToyDataset
from histobench.testing.encoder import ToyEncoder
from histobench.weights.facts import read_facts
from histobench.weights.pretraining import Asked, Budget, Choice, loop, make_weights, settle_options
from histobench.weights.pretraining.loop import Passed, train_objective
from histobench.weights.pretraining.objectives import Objective

SMALL = {"dino": {"prototypes": 16, "hidden": 8, "bottleneck": 4}, "simclr": {"hidden": 8, "width": 4}}


class KeptEncoder(ToyEncoder):
    """The toy encoder, which gives its weights away."""

    def weights_of(self, module: nn.Module) -> Mapping[str, Tensor]:
        return module.state_dict()


def encoder_card(encoder: type[ToyEncoder] = KeptEncoder) -> EncoderCard:
    return EncoderCard(
        name="net", title="n", build=lambda geometry: encoder(patch_px=16), geometry=PatchGeometry(patch_px=16)
    )


DATASET = DatasetCard(
    name="toy",
    title="t",
    build=lambda root: ToyDataset(),
    targets=(TargetFact(name="gene_expression", kind="gene_expression", title="g", unit="u"),),
)


def asked(method: str = "simclr", **changed: object) -> Asked:
    options = settle_options(method, {"lr": 1e-2, **SMALL[method]})
    budget = Budget(epochs=2, batch=30)
    made = Asked(encoder=encoder_card(), datasets=(DATASET,), options=options, budget=budget)
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", SMALL)
def test_the_same_pretraining_gives_the_same_weights(method: str, tmp_path: Path) -> None:
    for name in ("one", "other"):
        make_weights(asked(method), tmp_path / f"{name}.safetensors")
    one, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", SMALL)
def test_training_moves_the_weights_that_are_kept(method: str, tmp_path: Path) -> None:
    make_weights(asked(method), tmp_path / "trained.safetensors")
    make_weights(asked(method, budget=Budget(epochs=0, batch=30)), tmp_path / "random.safetensors")
    trained, random = (load_file(tmp_path / f"{name}.safetensors") for name in ("trained", "random"))
    assert trained.keys() == random.keys()
    assert not all(torch.equal(trained[name], random[name]) for name in trained)


def test_simclr_learns_to_tell_patches_apart(tmp_path: Path) -> None:
    losses = make_weights(asked(budget=Budget(epochs=12, batch=60)), tmp_path / "w.safetensors").losses
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1


def test_an_excluded_patient_is_neither_read_nor_named(tmp_path: Path) -> None:
    choice = Choice(exclude_patients=("toy:1", "3"))
    facts = make_weights(asked(choice=choice), tmp_path / "w.safetensors")
    assert facts.patients == ("toy:2", "toy:4")
    assert facts.slides == {"toy": {"toy2": "toy:2", "toy4": "toy:4"}}
    assert facts.n_patches == 120
    assert facts.seen == ("toy",)
    assert read_facts(tmp_path / "w.safetensors") == facts


def test_only_the_images_of_chosen_slides_are_opened(tmp_path: Path) -> None:
    opened: list[str] = []

    class Watched(ToyDataset):
        def image(self, slide):  # type: ignore[no-untyped-def]
            opened.append(slide.id)
            return super().image(slide)

    watched = replace(DATASET, build=lambda root: Watched())
    make_weights(asked(datasets=(watched,), choice=Choice(slides=("toy2",))), tmp_path / "w.safetensors")
    assert set(opened) == {"toy2"}


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (Choice(exclude_patients=("toy:9",)), "no patient named 'toy:9'"),
        (Choice(slides=("toy9",)), "no slide named 'toy9'"),
        (Choice(slides=("toy1",), exclude_patients=("toy:1",)), "no slide is left to pretrain on"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(choice: Choice, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make_weights(asked(choice=choice), tmp_path / "w.safetensors")


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    told: list[str] = []
    out = tmp_path / "w.safetensors"
    first = make_weights(asked(), out)
    stamp = out.stat().st_mtime_ns
    assert make_weights(asked(), out, tell=told.append) == first
    assert out.stat().st_mtime_ns == stamp
    assert told == [f"{out} is the result of this pretraining already."]
    assert list(tmp_path.iterdir()) == [out]


def test_another_pretraining_is_not_written_over(tmp_path: Path) -> None:
    make_weights(asked(), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"holds another pretraining \(simclr of 'net'\); name another file"):
        make_weights(asked(seed=1), tmp_path / "w.safetensors")


def test_a_file_made_otherwise_is_no_pretrained_encoder(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="does not describe its pretraining"):
        read_facts(tmp_path / "w.safetensors")


def test_an_encoder_that_keeps_its_weights_to_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'net' cannot be pretrained: it cannot export trained weights"):
        make_weights(asked(encoder=encoder_card(ToyEncoder)), tmp_path / "w.safetensors")


class Falling(Objective):
    """One number that is drawn to a random one; stops its process at a step, if told."""

    def __init__(self, stop_at: int = -1) -> None:
        super().__init__(nn.Linear(1, 1))
        self.stop_at, self.taken = stop_at, 0

    def forward(self, patches: Tensor, share: float) -> Tensor:
        if self.taken == self.stop_at:
            raise KeyboardInterrupt
        self.taken += 1
        return (self.encoder(torch.rand(4, 1)) - patches.float().mean() / 255).square().mean()


def trained(objective: Objective, folder: Path | None = None, budget: Budget | None = None) -> Passed:
    patches = np.random.default_rng(0).integers(0, 256, (20, 2, 2, 3), dtype=np.uint8)
    return train_objective(
        objective,
        patches,
        options=settle_options("simclr", {"lr": 0.1}),
        budget=budget or Budget(epochs=3, batch=5),
        asked="this",
        context=FitContext(seed=0, resume=folder),
    )


def falling(stop_at: int = -1) -> Falling:
    torch.manual_seed(0)
    return Falling(stop_at)


@pytest.mark.parametrize("stop_at", [1, 6, 11])
def test_a_training_that_was_stopped_takes_the_same_steps(
    stop_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    whole = falling()
    trained(whole)
    with pytest.raises(KeyboardInterrupt):
        trained(falling(stop_at), tmp_path)
    resumed = falling()
    assert trained(resumed, tmp_path).steps == 12
    assert resumed.taken == 12 - stop_at
    assert torch.equal(resumed.encoder.weight, whole.encoder.weight)  # type: ignore[union-attr]


def test_the_minutes_end_a_training() -> None:
    assert trained(falling(), budget=Budget(epochs=100_000, batch=5, minutes=0.01)).steps < 100_000


def test_one_patch_is_too_few() -> None:
    with pytest.raises(DataError, match="needs at least two patches, got 1"):
        train_objective(
            falling(),
            np.zeros((1, 2, 2, 3), dtype=np.uint8),
            options=settle_options("simclr", {}),
            budget=Budget(epochs=1, batch=2),
            asked="this",
            context=FitContext(seed=0),
        )


@pytest.mark.parametrize(
    ("method", "values", "sentence"),
    [
        ("dion", {}, "no method of pretraining named 'dion'. Did you mean 'dino'"),
        ("mae", {"hiden_share": 0.5}, "no option of 'mae' named 'hiden_share'. Did you mean 'hidden_share'"),
        ("mae", {"hidden_share": "most"}, "options of 'mae': 'hidden_share'"),
    ],
)
def test_options_are_checked(method: str, values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        settle_options(method, values)


def test_mae_wants_a_vision_transformer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this encoder is not a vision transformer; use --method dino or simclr"):
        make_weights(replace(asked(), options=settle_options("mae", {})), tmp_path / "w.safetensors")
