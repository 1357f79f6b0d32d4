"""Checks of a method, on the toy dataset and in seconds."""

from dataclasses import MISSING, fields, is_dataclass

from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json, options_to_json
from histobench.contracts.protocols import Mode
from histobench.errors import HistobenchError
from histobench.testing.facts import check_facts, expect
from histobench.testing.trial import Trial, check_behaviour

__all__ = ["check_method", "check_trial", "trials"]


def trials(card: MethodCard, /) -> list[Trial]:
    """Return a method's trials: its first kind of target in every mode, the other kinds in the cheapest mode."""
    modes: list[Mode | None] = list(card.encoder.modes) if card.encoder else [None]
    cheapest = min(modes, key=lambda mode: mode not in (None, "frozen"))
    first = [Trial(card=card, kind=card.targets[0], mode=mode) for mode in modes]
    return first + [Trial(card=card, kind=kind, mode=cheapest) for kind in card.targets[1:]]


def check_method(card: MethodCard, /) -> None:
    """Prove that a method keeps the contract: its card, its options, and every one of its trials.

    With pytest, use one test per trial::

        @pytest.mark.parametrize("trial", trials(MY_CARD), ids=str)
        def test_contract(trial):
            check_trial(trial)

    Raises
    ------
    ContractError
        Naming the method and the first broken promise.
    """
    _check_card(card)
    for trial in trials(card):
        check_behaviour(trial)


def check_trial(trial: Trial, /) -> None:
    """Prove that a method keeps the contract in one trial.

    It trains on two toy patients, predicts a third, repeats this with the same seed, is saved and loaded; the
    encoder is always the toy encoder.

    Raises
    ------
    ContractError
        Naming the method and the first broken promise.
    """
    _check_card(trial.card)
    check_behaviour(trial)


def _check_card(card: MethodCard) -> None:
    check_facts(card, "method")
    expect(bool(card.targets), f"method {card.name!r}: its card serves no kind of target.")
    _check_options(card)
    _check_slot(card)


def _check_options(card: MethodCard) -> None:
    it = f"method {card.name!r}"
    options = card.options
    expect(
        is_dataclass(options) and bool(options.__dataclass_params__.frozen),  # type: ignore[attr-defined]
        f"{it}: options must be a frozen dataclass, got {options.__name__!r}.",
    )
    bare = [f.name for f in fields(options) if f.default is MISSING and f.default_factory is MISSING]
    expect(not bare, f"{it}: its option {bare and bare[0]!r} has no default; defaults are the published ones.")
    for values in (*card.presets.values(), *card.kind_options.values(), *card.dataset_options.values()):
        try:
            options_from_json(card, values)
        except HistobenchError as error:
            expect(False, f"{it}: its card sets unknown options: {error}")
    plain = options_to_json(card, options())
    expect(options_from_json(card, plain) == options(), f"{it}: its options do not survive JSON.")


def _check_slot(card: MethodCard) -> None:
    it = f"method {card.name!r}"
    slot = card.encoder
    if slot is None:
        return
    expect(slot.default_mode in slot.modes, f"{it}: its published mode {slot.default_mode!r} is not among its modes.")
    scratch_fits = slot.scratch is None or slot.scratch_mode in slot.modes
    expect(scratch_fits, f"{it}: its scratch mode {slot.scratch_mode!r} is not among its modes.")
