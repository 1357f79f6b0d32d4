"""The card that every plugin makes, and the metrics' own; the others stand in `histobench.contracts.cards`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from histobench.contracts.protocols import ContextMetric, Metric
from histobench.data.kinds import Kind, Need

__all__ = ["Card", "MetricCard", "Provenance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The distribution a card came from; the loader fills it in."""

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
        One line for people.
    revision
        Raised when a change can move a score; part of every job's identity.
    provenance
        Filled in by the loader; never by the plugin.
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
        What it asks for beside prediction and observation; where that is not to be had, it is passed over.
    view
        What one comparison is made of: a target over its spots, a spot over its targets, or a slide as a whole.
    columns
        Names of its scores, where these are not one per target; or a function that makes them from the targets'
        names.
    meanings
        Column → what it says, for people.
    headline
        The column that speaks for all; without one, their mean does.
    pools
        Whether the spots of all test slides are scored together too: beside each slide's, never, or only so.
    undefined
        Where its score is NaN, in words.
    gamed_by
        What reaches a good score without knowing the spots, in words; such a metric describes, and never ranks.
    expensive
        True for one that is computed only where it is asked for.
    lowest, highest
        Its bounds; infinite where there is none.
    reached
        Whether a perfect prediction reaches the better of its bounds.
    unit
        ``target`` if the score is in the target's unit, ``target squared``, ``nats``; empty where it has none.
    ranks
        True for the metric that methods are ranked by on the kinds it scores.
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
