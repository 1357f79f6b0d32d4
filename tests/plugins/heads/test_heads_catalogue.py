"""What the cards of the methods promise to planning."""

import subprocess
import sys
from dataclasses import fields

import pytest

from histobench import MethodCard
from histobench.contracts.registry import Registry
from histobench.study.config import RunConfig, method_options
from histobench_heads.catalogue import METHODS

BY_NAME = {card.name: card for card in METHODS}
every_card = pytest.mark.parametrize("card", METHODS, ids=lambda card: card.name)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


def test_the_catalogue_loads_nothing_heavy() -> None:
    heavy = ("torch", "sklearn", "scipy", "pandas", "lightning_fabric")
    code = f"import histobench_heads, sys; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@every_card
def test_every_named_encoder_is_installed(card: MethodCard, registry: Registry) -> None:
    slot = card.encoder
    named = [] if slot is None else [name for name in (slot.default, slot.scratch) if name]
    assert [n for n in named if n not in registry.encoders.cards and not registry.encoders.variants(n)] == []


@every_card
def test_every_stand_in_needs_no_weights(card: MethodCard, registry: Registry) -> None:
    scratch = card.encoder.scratch if card.encoder else None
    assert scratch is None or registry.encoders.get(scratch).weights is None


def test_the_stand_in_of_ridge_is_not_the_colour_control() -> None:
    ridge, colour = BY_NAME["ridge"].encoder, BY_NAME["colour"].encoder
    assert ridge is not None
    assert colour is not None
    assert colour.fixed
    assert ridge.scratch != colour.default


def _controls(kind: str) -> list[str]:
    return sorted(card.name for card in METHODS if card.control and kind in card.targets)


@pytest.mark.parametrize("kind", ["cell_abundance", "gene_expression", "label"])
def test_what_is_read_off_an_image_has_every_control(kind: str) -> None:
    assert _controls(kind) == ["colour", "mean", "nearest-patch", "oracle", "position", "shuffled"]


def test_enhancement_has_controls_of_its_own() -> None:
    assert _controls("enhance") == ["colour", "mean", "neighbour-mean", "pca-reconstruction", "raw-counts"]
    assert "enhance" in BY_NAME["ridge"].targets  # the image alone


def test_only_the_oracle_is_shown_the_truth() -> None:
    assert [card.name for card in METHODS if card.needs_oracle] == ["oracle"]


@pytest.mark.parametrize("name", ["linear-probe", "mlp", "fmmlp", "cuca", "cuca-mlp"])
def test_quick_keeps_the_architecture(name: str) -> None:
    """A preset for trying out trains less on less, and is otherwise the published method."""
    card = BY_NAME[name]
    mode = card.encoder.scratch_mode if card.encoder else None
    quick, published = (
        method_options(card, RunConfig(preset=preset), dataset="her2st", kind="cell_abundance", mode=mode)
        for preset in ("quick", "published")
    )
    differ = {f.name for f in fields(card.options) if getattr(quick, f.name) != getattr(published, f.name)}
    assert differ <= {"epochs", "batch", "patch_px"}
