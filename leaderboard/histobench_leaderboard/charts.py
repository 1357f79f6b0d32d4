"""Learning curves as points for inline SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from histobench_leaderboard.text import number

__all__ = ["HEIGHT", "WIDTH", "Chart", "Line", "charts"]

WIDTH, HEIGHT = 320, 140
"""Size of a chart in SVG units."""


def _is_hidden(name: str) -> bool:
    """Leave out series that do not fit the axis of losses: learning rates and times."""
    return name.rpartition("_")[2] in ("lr", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series: pieces of ``x,y x,y …`` between undefined values."""

    name: str
    pieces: tuple[str, ...]
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Series that share their axes."""

    title: str
    lines: tuple[Line, ...]
    low: str
    high: str
    last_epoch: int
    best: float | None


def charts(epochs: Sequence[Mapping[str, float | None]], best_epoch: int | None) -> list[Chart]:
    """Make one chart of losses and one of validation scores; none for fewer than two epochs.

    Parameters
    ----------
    best_epoch
        The epoch whose weights were kept; marked.
    """
    if len(epochs) < 2:
        return []
    names = [name for name in dict.fromkeys(n for epoch in epochs for n in epoch) if not _is_hidden(name)]
    scores = [name for name in names if "score" in name]
    groups = {"losses": [name for name in names if name not in scores], "validation": scores}
    return [_chart(title, group, epochs=epochs, best_epoch=best_epoch) for title, group in groups.items() if group]


def _chart(
    title: str, names: Sequence[str], *, epochs: Sequence[Mapping[str, float | None]], best_epoch: int | None
) -> Chart:
    series = {name: [_value(epoch.get(name)) for epoch in epochs] for name in names}
    finite = [value for values in series.values() for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    step = WIDTH / (len(epochs) - 1)
    lines = tuple(
        Line(name=name, pieces=tuple(_pieces(values, low=low, span=span, step=step)), last=number(_last(values), 4))
        for name, values in series.items()
    )
    best = None if best_epoch is None else round(best_epoch * step, 1)
    return Chart(
        title=title,
        lines=lines,
        low=number(low),
        high=number(high),
        last_epoch=len(epochs) - 1,
        best=best,
    )


def _last(values: Sequence[float]) -> float:
    """Return the last value: a stage of training may end before the others."""
    return next((value for value in reversed(values) if math.isfinite(value)), math.nan)


def _value(value: float | None) -> float:
    return math.nan if value is None else value


def _pieces(values: Sequence[float], *, low: float, span: float, step: float) -> list[str]:
    pieces: list[list[str]] = [[]]
    for epoch, value in enumerate(values):
        if math.isfinite(value):
            pieces[-1].append(f"{epoch * step:.1f},{HEIGHT - HEIGHT * (value - low) / span:.1f}")
        elif pieces[-1]:
            pieces.append([])
    return [" ".join(piece) for piece in pieces if piece]
