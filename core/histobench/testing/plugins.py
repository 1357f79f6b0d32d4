"""Checks of all plugins of a distribution."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from histobench.contracts.cards import Card
from histobench.contracts.registry import Catalogue, Registry
from histobench.errors import ContractError, DataError, WeightsError, did_you_mean
from histobench.testing.datasets import check_dataset
from histobench.testing.encoders import check_encoder
from histobench.testing.methods import check_method
from histobench.testing.metrics import check_metric

__all__ = ["Checked", "check_plugin"]

CardT = TypeVar("CardT", bound=Card)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A checked card; ``skipped`` is the reason if it could not be checked."""

    kind: str
    name: str
    skipped: str = ""


def check_plugin(distribution: str, /, *, root: Path | None = None) -> list[Checked]:
    """Prove that the plugins of an installed distribution load and that all of their cards keep the contract.

    Parameters
    ----------
    distribution
        Its name in ``pip list``.
    root
        Folder with the files of its datasets.

    Returns
    -------
    list of Checked
        Every card; cards without weights or files on this machine are marked as skipped.

    Raises
    ------
    ContractError
        Naming the first broken promise.
    UnknownNameError
        If no such distribution has plugins.
    """
    registry = Registry.load()
    for broken in registry.broken:
        if broken.distribution == distribution:
            raise ContractError(f"plugin {broken.name!r} does not load: {broken.cause}")
    known = {plugin.distribution for plugin in registry.plugins}
    if distribution not in known:
        raise did_you_mean("distribution with plugins", distribution, known)

    def check(catalogue: Catalogue[CardT], prove: Callable[[CardT], str]) -> list[Checked]:
        mine = [c for c in catalogue if c.provenance is not None and c.provenance.distribution == distribution]
        return [Checked(kind=catalogue.kind, name=card.name, skipped=prove(card)) for card in mine]

    return [
        *check(registry.encoders, lambda card: _unless_absent(WeightsError, check_encoder, card)),
        *check(registry.methods, lambda card: _unless_absent((), check_method, card)),
        *check(registry.datasets, lambda card: _unless_absent(DataError, partial(check_dataset, root=root), card)),
        *check(registry.metrics, lambda card: _unless_absent((), check_metric, card)),
    ]


def _unless_absent(absent: type[Exception] | tuple[()], prove: Callable[[CardT], None], card: CardT) -> str:
    """Check a card; return why it could not be checked, or nothing."""
    try:
        prove(card)
    except absent as error:
        return str(error)
    return ""
