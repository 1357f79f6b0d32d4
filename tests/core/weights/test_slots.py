"""Which encoder fills a method's slot, in which mode, and what happens without its weights."""

from pathlib import Path

import pytest

from histobench.contracts.cards import EncoderCard, EncoderSlot, Weights
from histobench.contracts.registry import Registry
from histobench.errors import UnknownNameError, WeightsError
from histobench.weights.slots import asked_encoder, published_encoder

PUBLISHED = EncoderSlot(default="big", default_mode="lora", modes=("frozen", "lora", "full"), scratch="small")


def nowhere() -> Path:
    raise WeightsError("the weights of 'big' are not here.")


def built(geometry: object) -> None:
    raise AssertionError("planning must not build an encoder")


def registry(*, found: bool) -> Registry:
    here = {"find_weights": (lambda: Path(__file__)) if found else nowhere, "weights": Weights(hub_id="lab/big")}
    cards = [
        EncoderCard(name="big", title="b", build=built, trainable=True, lora=True, **here),
        EncoderCard(name="net.pretrained", title="n", build=built, trainable=True, **here),
        EncoderCard(name="net.random", title="n", build=built, trainable=True),
        EncoderCard(name="small", title="s", build=built, trainable=True, lora=True),
        EncoderCard(name="colours", title="c", build=built),
    ]
    filled = Registry()
    filled.encoders.cards.update({card.name: card for card in cards})
    return filled


def test_published_encoder_is_taken_where_its_weights_are() -> None:
    choice = published_encoder(registry(found=True), PUBLISHED)
    assert (choice.card.name, choice.mode, choice.stands_in_for) == ("big", "lora", None)


def test_scratch_encoder_stands_in_by_name() -> None:
    choice = published_encoder(registry(found=False), PUBLISHED)
    assert (choice.card.name, choice.mode, choice.stands_in_for) == ("small", "full", "big")


def test_slot_without_scratch_encoder_says_what_is_missing() -> None:
    slot = EncoderSlot(default="big", default_mode="frozen", modes=("frozen",))
    with pytest.raises(WeightsError, match="not here"):
        published_encoder(registry(found=False), slot)


def test_encoder_asked_by_name_is_never_replaced() -> None:
    with pytest.raises(WeightsError, match="not here"):
        asked_encoder(registry(found=False), PUBLISHED, "big")


@pytest.mark.parametrize(("found", "name"), [(True, "net.pretrained"), (False, "net.random")])
def test_bare_name_is_its_first_variant_whose_weights_are_here(found: bool, name: str) -> None:
    choice = asked_encoder(registry(found=found), PUBLISHED, "net@full")
    assert not isinstance(choice, str)
    assert choice.card.name == name
    assert choice.stands_in_for == (None if found else "net.pretrained")


@pytest.mark.parametrize(
    ("asked", "mode"),
    [("big", "lora"), ("big@frozen", "frozen"), ("small", "full"), ("net", "frozen"), ("colours", "frozen")],
)
def test_mode_follows_what_the_encoder_is(asked: str, mode: str) -> None:
    choice = asked_encoder(registry(found=True), PUBLISHED, asked)
    assert not isinstance(choice, str)
    assert choice.mode == mode


@pytest.mark.parametrize(
    ("asked", "reason"),
    [("colours@full", "'colours' has nothing to train"), ("net.random@lora", "adapters do not apply to 'net.random'")],
)
def test_pair_that_does_not_fit_has_a_reason(asked: str, reason: str) -> None:
    choice = asked_encoder(registry(found=True), PUBLISHED, asked)
    assert isinstance(choice, str)
    assert reason in choice


def test_unknown_mode_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match=r"no mode of an encoder named 'lara'. Did you mean 'lora'\?"):
        asked_encoder(registry(found=True), PUBLISHED, "big@lara")
