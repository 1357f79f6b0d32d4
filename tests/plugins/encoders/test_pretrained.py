"""What `histobench pretrain` makes is an encoder like any other, and says whose slides it has seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from histobench import PatchGeometry, UInt8, WeightsError
from histobench.contracts.cards import DatasetCard, TargetFact
from histobench.contracts.registry import Registry
from histobench.testing import ToyDataset
from histobench.training import SYMMETRIES, mirror_and_turn
from histobench.weights.pretraining import Asked, Budget, Choice, make_weights, settle_options
from histobench_encoders.catalogue import CARDS
from histobench_encoders.entry import TimmEntry
from histobench_encoders.timm_encoder import TimmEncoder

TOY = DatasetCard(
    name="toy",
    title="t",
    build=lambda root: ToyDataset(),
    targets=(TargetFact(name="gene_expression", kind="gene_expression", title="g", unit="u"),),
)
SMALL = TimmEntry(arch="test_vit", pooling="cls", token_px=16, blocks="blocks.{}", depth=6)


def registry() -> Registry:
    made = Registry()
    made.encoders.cards.update({card.name: card for card in CARDS})
    return made


def patches(n: int = 3, side: int = 32) -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a ViT-Ti after one step of MAE on two patients of the toy dataset."""
    asked = Asked(
        encoder=registry().encoders.get("vit-tiny"),
        datasets=(TOY,),
        options=settle_options("mae", {"lr": 0.01, "warm_up": 0}),
        budget=Budget(epochs=1, batch=120),
        choice=Choice(exclude_patients=("toy:1", "toy:3")),
        patch_px=32,
    )
    out = tmp_path_factory.mktemp("pretrained") / "model.safetensors"
    make_weights(asked, out)
    return out


@pytest.fixture
def named(made: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS_FILES", f"own={made}")
    return registry()


def test_a_pretrained_encoder_is_built_from_its_file_alone(named: Registry, made: Path) -> None:
    card = named.encoders.get("pretrained:own")
    assert card.geometry == PatchGeometry(patch_px=32)
    assert card.find_weights is not None
    assert card.find_weights() == made
    assert card.build(None).embed(patches()).shape == (3, 192)


def test_its_embeddings_are_not_those_of_random_weights(named: Registry) -> None:
    random = named.encoders.get("vit-tiny").build(PatchGeometry(patch_px=32))
    assert not np.allclose(named.encoders.get("pretrained:own").build(None).embed(patches()), random.embed(patches()))


@pytest.mark.parametrize("name", ["pretrained:own", "pretrained:own[mean]", "pretrained:own[tta]"])
def test_it_says_whose_slides_it_has_seen(name: str, named: Registry) -> None:
    card = named.encoders.get(name)
    assert card.pretrained_patients == ("toy:2", "toy:4")
    assert card.pretrained_on == ("toy",)


def test_it_is_found_in_the_folder_of_weights(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.safetensors").write_bytes(made.read_bytes())
    assert registry().encoders.get("pretrained:mine").title == "vit-tiny pretrained by mae on 2 slides of toy"


def test_one_that_was_never_made_is_named_with_the_way_to_make_it() -> None:
    with pytest.raises(WeightsError, match="no pretrained encoder 'nobodys': make one with `histobench pretrain"):
        registry().encoders.get("pretrained:nobodys")


def test_pretraining_can_go_on_from_what_is_pretrained(named: Registry, tmp_path: Path) -> None:
    asked = Asked(
        encoder=named.encoders.get("pretrained:own"),
        datasets=(TOY,),
        options=settle_options("simclr", {}),
        budget=Budget(epochs=0, batch=8),
        choice=Choice(slides=("toy1",)),
    )
    facts = make_weights(asked, tmp_path / "on.safetensors")
    assert facts.patients == ("toy:1", "toy:2", "toy:4")
    assert facts.encoder == "vit-tiny"


def test_the_mean_over_symmetries_is_what_eight_calls_give() -> None:
    plain = TimmEncoder("small", SMALL, geometry=PatchGeometry(patch_px=32))
    averaged = TimmEncoder("small", replace(SMALL, symmetries=True), geometry=PatchGeometry(patch_px=32))
    turned = [mirror_and_turn(torch.from_numpy(patches()), symmetry).numpy() for symmetry in SYMMETRIES]
    expected = np.mean([plain.embed(seen) for seen in turned], axis=0)
    np.testing.assert_allclose(averaged.embed(patches()), expected, atol=1e-5)


def test_the_mean_over_symmetries_enters_the_identity() -> None:
    plain, averaged = (registry().encoders.get(name).build(None) for name in ("vit-tiny", "vit-tiny[tta]"))
    assert plain.identity != averaged.identity


def test_symmetries_are_averaged_in_test_only() -> None:
    module = TimmEncoder("small", replace(SMALL, symmetries=True), geometry=PatchGeometry(patch_px=32)).module()
    given = torch.from_numpy(patches())
    turned = mirror_and_turn(given, SYMMETRIES[3])
    with torch.no_grad():
        torch.testing.assert_close(module.eval()(given), module(turned), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(module.train()(given), module(turned), atol=1e-3)
