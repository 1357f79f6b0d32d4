"""Shared by all checks of the contract kit: how to report a broken promise, and what no plugin may touch."""

import contextlib
import io
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from histobench.contracts.cards import Card
from histobench.contracts.lazy import Lazy
from histobench.data import LabelledSamples, Samples
from histobench.errors import ContractError

__all__ = ["check_facts", "columns", "expect", "untouched"]

_NAME = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*(?:\[[a-z0-9-]+\]|:.+)?")


def expect(fact: bool, sentence: str, /) -> None:
    """Raise ``ContractError`` with the sentence unless the fact holds."""
    if not fact:
        raise ContractError(sentence)


def check_facts(card: Card, kind: str, /) -> None:
    """Prove what every card promises: a kebab-case name, a title, a licence, a revision, an address, lazy parts.

    Raises
    ------
    ContractError
        Naming the card and the fact.
    """
    it = f"{kind} {card.name!r}"
    expect(_NAME.fullmatch(card.name) is not None, f"{it}: a name is lower-case kebab, such as 'uni2-h'.")
    for fact in ("title", "licence", "revision"):
        expect(bool(getattr(card, fact).strip()), f"{it}: its card has no {fact}.")
    expect("\n" not in card.title, f"{it}: its title is longer than one line.")
    expect(not card.url or card.url.startswith(("https://", "http://")), f"{it}: {card.url!r} is not a web address.")
    expect(replace(card) == card, f"{it}: two copies of its card differ.")
    for lazy in (found for part in fields(card) for found in _lazies(getattr(card, part.name))):
        try:
            lazy.resolve()
        except ImportError as error:
            raise ContractError(f"{it}: {lazy.target!r} cannot be imported: {error}") from error


def _lazies(value: object) -> Iterator[Lazy]:
    """Yield what a value of a card imports when it is used."""
    if isinstance(value, Lazy):
        yield value
    elif isinstance(value, partial):
        yield from _lazies((value.func, *value.args, *value.keywords.values()))
    elif isinstance(value, Mapping):
        yield from _lazies(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _lazies(inner)


@contextlib.contextmanager
def untouched(what: str, /, *arrays: npt.NDArray[np.generic]) -> Iterator[None]:
    """Refuse that anything inside changes the arrays, draws from a global generator, or prints.

    Raises
    ------
    ContractError
        Naming the work that broke the rule.
    """
    before = [array.copy() for array in arrays]
    generators = _generators()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        yield
    for array, copy in zip(arrays, before, strict=True):
        expect(np.array_equal(array, copy, equal_nan=copy.dtype.kind == "f"), f"{what} changes what it is given.")
    for name, state in _generators().items():
        expect(state == generators[name], f"{what} draws from or seeds {name}'s global generator.")
    expect(not printed.getvalue(), f"{what} prints {printed.getvalue()[:40]!r}; a method reports numbers instead.")


def columns(samples: Samples, /) -> list[npt.NDArray[np.generic]]:
    """Return the arrays of some samples, each with one row per spot."""
    found: list[npt.NDArray[np.generic]] = [samples.slide_ids, samples.spot_ids, samples.xy_um, samples.array]
    parts = [samples.embeddings, samples.patches]
    found += [part for part in parts if isinstance(part, np.ndarray)]
    if samples.counts is not None:
        found.append(samples.counts.values)
    if isinstance(samples, LabelledSamples):
        found += [table.values for table in (samples.targets, *samples.beside.values())]
    return found


def _generators() -> dict[str, bytes]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 -- plugins must not touch this generator
    return {
        "python": repr(random.getstate()).encode(),
        "numpy": repr(legacy["state"]["pos"]).encode() + legacy["state"]["key"].tobytes(),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }
