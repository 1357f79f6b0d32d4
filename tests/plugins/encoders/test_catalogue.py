"""Every card tells the truth about its encoder, and costs nothing to read."""

import subprocess
import sys

import pytest
import torch

from histobench import ConfigError, EncoderCard, PatchGeometry
from histobench.registry import Registry
from histobench.testing import check_encoder
from histobench_encoders import register_encoders
from histobench_encoders.catalogue import CARDS
from histobench_encoders.entries import ENTRIES
from histobench_encoders.timm_encoder import TimmEncoder

HEAVY = ("torch", "timm", "skimage", "huggingface_hub", "pandas", "requests")
BY_NAME = {card.name: card for card in CARDS}
ANY_SIDE = ["resnet18.random", "densenet121.random", "colour-stats"]


def listed(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return run.stdout.strip()


def test_listing_loads_nothing_heavy() -> None:
    loaded = f"[name for name in {HEAVY} if name in sys.modules]"
    code = f"import sys, histobench_encoders as e; list(e.register_encoders()); print({loaded})"
    assert listed(code) == "[]"


def test_finding_weights_loads_no_torch() -> None:
    assert listed("import sys, histobench_encoders.weights; print('torch' in sys.modules)") == "False"


def test_the_hook_returns_the_cards() -> None:
    assert register_encoders() == CARDS


@pytest.mark.parametrize("stem", ["resnet18", "resnet50", "densenet121"])
def test_pretrained_comes_before_random(stem: str) -> None:
    registry = Registry()
    registry.encoders.cards.update(BY_NAME)
    assert [card.name for card in registry.encoders.variants(stem)] == [f"{stem}.imagenet", f"{stem}.random"]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_names_its_terms(card: EncoderCard) -> None:
    assert card.licence
    assert card.citation
    assert card.url.startswith("https://")


@pytest.mark.parametrize("name", ANY_SIDE)
def test_a_network_without_tokens_keeps_the_contract_at_any_side(name: str) -> None:
    check_encoder(BY_NAME[name], geometry=PatchGeometry(patch_px=36))


@pytest.mark.reference
@pytest.mark.parametrize("name", ENTRIES)
def test_a_network_has_the_published_size_and_width(name: str) -> None:
    """Parameters and widths: encoders.md, section 2."""
    card, entry = BY_NAME[name], ENTRIES[name]
    with torch.device("meta"), torch.no_grad():
        network = TimmEncoder(name, entry, geometry=card.geometry).module()
        embedding = network.eval()(torch.zeros(2, 224, 224, 3, dtype=torch.uint8))
    assert sum(parameter.numel() for parameter in network.parameters()) == card.params
    assert embedding.shape == (2, card.dim)


def test_only_vits_take_adapters() -> None:
    assert {card.name for card in CARDS if card.lora} == {"vit-tiny", "vit-small", "uni", "virchow2"}


def test_virchow2_wants_its_own_magnification() -> None:
    assert BY_NAME["virchow2"].geometry == PatchGeometry(patch_px=224, mpp=0.5)


def test_a_family_cannot_be_built() -> None:
    with pytest.raises(ConfigError, match="stands for a family; name one model, such as 'timm:resnet34'"):
        BY_NAME["timm:<name>"].build(None)
