"""Every card tells the truth about its encoder, and costs nothing to read."""

import subprocess
import sys
from pathlib import Path

import pytest

from histobench import ConfigError, EncoderCard, PatchGeometry, WeightsError
from histobench.contracts.registry import Registry
from histobench.testing import check_encoder
from histobench_encoders import register_encoders
from histobench_encoders.catalogue import CARDS
from histobench_encoders.entries import ENTRIES

HEAVY = ("torch", "timm", "skimage", "huggingface_hub", "pandas", "requests")
BY_NAME = {card.name: card for card in CARDS}
ANY_SIDE = ["resnet18.random", "densenet121.random", "colour-stats"]


def registry() -> Registry:
    """The built-in encoders and nothing else."""
    made = Registry()
    made.encoders.cards.update(BY_NAME)
    return made


def listed(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.strip()


def test_listing_loads_nothing_heavy() -> None:
    loaded = f"[name for name in {HEAVY} if name in sys.modules]"
    code = f"import sys, histobench_encoders as e; list(e.register_encoders()); print({loaded})"
    assert listed(code) == "[]"


def test_the_hook_returns_the_cards() -> None:
    assert register_encoders() == CARDS


@pytest.mark.parametrize("stem", ["resnet18", "resnet50", "densenet121"])
def test_pretrained_comes_before_random(stem: str) -> None:
    assert [card.name for card in registry().encoders.variants(stem)] == [f"{stem}.imagenet", f"{stem}.random"]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_names_its_terms(card: EncoderCard) -> None:
    assert card.licence
    assert card.citation
    assert card.url.startswith("https://")


@pytest.mark.parametrize("name", ANY_SIDE)
def test_a_network_without_tokens_keeps_the_contract_at_any_side(name: str) -> None:
    check_encoder(BY_NAME[name], geometry=PatchGeometry(patch_px=36))


def test_networks_without_blocks_take_no_adapters() -> None:
    without = {card.name for card in CARDS if card.trainable and card.expand is None and not card.lora}
    assert without == {name for name in ENTRIES if name.startswith(("resnet", "densenet"))}


@pytest.mark.parametrize(
    ("name", "geometry"),
    [
        ("virchow2", PatchGeometry(patch_px=224, mpp=0.5)),
        ("ctranspath", PatchGeometry(patch_px=224, mpp=1.0)),
        ("conch-v1", PatchGeometry(patch_px=448, mpp=0.5)),
        ("gpfm", PatchGeometry(patch_px=224, mpp=4 / 7)),
        ("plip", PatchGeometry(patch_px=224)),
    ],
)
def test_an_encoder_wants_its_own_magnification(name: str, geometry: PatchGeometry) -> None:
    """encoders.md, section 4."""
    assert BY_NAME[name].geometry == geometry


@pytest.mark.parametrize(
    ("name", "example"), [("timm:<name>", "timm:resnet34"), ("hf-hub:<model>", "hf-hub:timm/vit_base_patch16_224.dino")]
)
def test_a_family_cannot_be_built(name: str, example: str) -> None:
    with pytest.raises(ConfigError, match=f"is a family of encoders; name one model, such as '{example}'"):
        BY_NAME[name].build(None)


@pytest.mark.parametrize(
    ("name", "dim"),
    [("virchow2[cls]", 1280), ("virchow2[mean]", 1280), ("plip[projected]", 512), ("uni[cls+mean]", 2048)],
)
def test_a_variant_takes_another_pooling_and_the_same_weights(name: str, dim: int) -> None:
    stem = BY_NAME[name.partition("[")[0]]
    card = registry().encoders.get(name)
    assert (card.name, card.dim, card.weights) == (name, dim, stem.weights)
    assert card.geometry == stem.geometry


def test_the_hest_variant_takes_the_benchmarks_patches() -> None:
    assert registry().encoders.get("conch-v1[hest]").geometry == PatchGeometry(patch_px=224, mpp=0.5)


def test_variants_can_be_joined() -> None:
    card = registry().encoders.get("virchow2[cls][hest]")
    assert (card.name, card.dim) == ("virchow2[cls][hest]", 1280)


def test_an_unknown_variant_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'uni' has no variant 'max'; it has uni\[cls\], .*uni\[hest\]"):
        registry().encoders.get("uni[max]")


def test_a_variant_has_an_identity_of_its_own() -> None:
    names = ["vit-tiny", "vit-tiny[mean]", "vit-tiny[cls+mean]", "vit-tiny[hest]"]
    assert len({registry().encoders.get(name).build(None).identity for name in names}) == len(names)


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.weights])
def test_missing_weights_are_told_with_the_way_to_get_them(name: str) -> None:
    weights = ENTRIES[name].weights
    assert weights is not None
    how = {True: "They are gated: ask for access at", False: "They are free at"}[weights.gated]
    with pytest.raises(WeightsError, match=f"encoder '{name}' .*{how if weights.hub_id else 'They are published at'}"):
        BY_NAME[name].build(None)


def test_variants_find_the_weights_of_their_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / "virchow2").mkdir()
    (tmp_path / "virchow2" / "model.safetensors").write_bytes(b"")
    find = registry().encoders.get("virchow2[cls][hest]").find_weights
    assert find is not None
    assert find() == tmp_path / "virchow2" / "model.safetensors"
