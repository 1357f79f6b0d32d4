"""The base class of all cards, and the card of a metric."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from histobench.contracts.protocols import ContextMetric, Metric
from histobench.data.kinds import Kind, Need

__all__ = ["Card", "MetricCard", "Provenance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The distribution that a card came from; the registry fills it in."""

    plugin: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What every plugin declares.

    Attributes
    ----------
    name
        Lower-case, as its authors spell it; unique among its kind.
    title
        One line for readers.
    revision
        To be changed when scores can change; part of every job's identity.
    provenance
        Filled in by the registry, never by the plugin.
    """

    name: str
    title: str
    url: str = ""
    licence: str = ""
    citation: str = ""
    revision: str = "1"
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricCard(Card):
    """A metric.

    Attributes
    ----------
    build
        Returns the function; one that has ``needs`` is called with ``context`` (`ScoreContext`).
    kinds
        Kinds of target it can score.
    needs
        What it asks for in addition to prediction and observation; where that is not available, it is not computed.
    view
        What one score compares: a target over all spots, a spot over all targets, or a whole slide.
    columns
        Names of its scores if there is not one per target, or a function that makes them from the targets' names.
    meanings
        Column → what it means, for readers.
    headline
        The column that is the score; without one, the mean of all columns is.
    pools
        Whether the spots of all test slides are also scored together, never, or only together.
    undefined
        When its score is NaN, in words.
    gamed_by
        What reaches a good score without knowing the spots, in words; such a metric describes and never ranks.
    expensive
        True if it is computed on request only.
    lowest, highest
        Its bounds; infinite if there is none.
    reached
        Whether a perfect prediction reaches the better bound.
    unit
        ``target`` if the score is in the target's unit, ``target squared``, ``nats``; empty if it has none.
    ranks
        True for the metric that ranks methods on its kinds of target.
    clips_predictions
        True if predictions below zero count as zero.
    """

    build: Callable[[], Metric | ContextMetric]
    kinds: tuple[Kind, ...]
    higher_is_better: bool
    needs: tuple[Need, ...] = ()
    view: Literal["target", "spot", "slide"] = "target"
    columns: tuple[str, ...] | Callable[[tuple[str, ...]], tuple[str, ...]] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    headline: str = ""
    pools: Literal["also", "never", "only"] = "also"
    undefined: str = ""
    gamed_by: str = ""
    expensive: bool = False
    lowest: float = float("-inf")
    highest: float = float("inf")
    reached: bool = True
    unit: str = ""
    ranks: bool = False
    clips_predictions: bool = False
