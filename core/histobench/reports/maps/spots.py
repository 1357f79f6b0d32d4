"""A picture of a prediction: one target over the slides it was tested on, observed beside predicted."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from histobench.data import Float, SlideResult
from histobench.errors import DataError, did_you_mean
from histobench.reports.maps.writing import write_png

__all__ = ["MAX_SLIDES", "draw_spot_map", "most_variable_target", "spot_map"]

MAX_SLIDES = 6
"""Slides drawn on one map, so that its height and the memory it takes do not grow with a study."""

_WIDTH_INCHES, _DPI = 9.0, 100  # 900 px: text of 10 pt stays legible when the picture fills a phone


def spot_map(
    results: Sequence[SlideResult], path: Path, *, title: str = "", target: str | None = None, unit: str = ""
) -> str:
    """Draw observed and predicted values of one target, a row a slide, and write a PNG.

    Each of the two has its own colour scale, over all slides drawn: predictions vary less than observations, and one
    scale would hide where they put what little they vary. Both scales are printed.

    Parameters
    ----------
    results
        The test slides; the first `MAX_SLIDES` are drawn.
    path
        The PNG to write; the same results give the same bytes.
    target
        By name; otherwise the one of largest observed variance.
    unit
        Written at the colour bars.

    Returns
    -------
    The target that was drawn.

    Raises
    ------
    DataError
        If there are no results.
    UnknownNameError
        If no target has that name.
    """
    figure, name = draw_spot_map(results, title=title, target=target, unit=unit)
    write_png(figure, path)
    return name


def draw_spot_map(
    results: Sequence[SlideResult], *, title: str = "", target: str | None = None, unit: str = ""
) -> tuple[Figure, str]:
    """Draw what `spot_map` writes; gives the figure and the target that was drawn."""
    if not results:
        raise DataError("there is no map to draw: no slide was predicted.")
    names = results[0].observed.names
    name = most_variable_target(results) if target is None else target
    if name not in names:
        raise did_you_mean("target", name, names)
    column, drawn = names.index(name), results[:MAX_SLIDES]
    figure = Figure(figsize=(_WIDTH_INCHES, 0.7 + 3.6 * len(drawn)), dpi=_DPI, layout="constrained")
    axes = figure.subplots(len(drawn), 2, squeeze=False)
    for side, word in enumerate(("observed", "predicted")):
        values = [r.observed.values[:, column] if side == 0 else r.predicted.values[:, column] for r in drawn]
        shown = [
            _draw(ax, result.xy_um, values=part, limits=_limits(values), title=f"{result.slide_id}: {word}")
            for ax, result, part in zip(axes[:, side], drawn, values, strict=True)
        ]
        bar = figure.colorbar(shown[-1], ax=list(axes[:, side]), location="bottom", shrink=0.8, aspect=30, pad=0.04)
        bar.set_label(_plain(f"{word} {name}" + (f" ({unit})" if unit else "")))
    left_out = len(results) - len(drawn)
    figure.suptitle(_plain((title or name) + (f" (and {left_out} more slides)" if left_out else "")), fontsize=11)
    return figure, name


def most_variable_target(results: Sequence[SlideResult]) -> str:
    """Name the target whose observed values vary most over all slides' spots."""
    observed = np.concatenate([result.observed.values for result in results]).astype(np.float64)
    return results[0].observed.names[int(observed.var(axis=0).argmax())]


def _draw(ax: Axes, xy_um: Float, *, values: Float, limits: tuple[float, float], title: str) -> PathCollection:
    low, high = limits
    shown = ax.scatter(
        xy_um[:, 0],
        xy_um[:, 1],
        c=values,
        vmin=low,
        vmax=high,
        s=_spot_area(len(values)),
        cmap="viridis",
        linewidths=0,
        rasterized=True,
    )
    ax.set_aspect("equal", adjustable="box")
    ax.margins(0.08)
    ax.invert_yaxis()  # image coordinates: y points down
    ax.set_axis_off()
    ax.set_title(_plain(title), fontsize=10)
    return shown


def _spot_area(n_spots: int) -> float:
    # points²: 600 spots of 40, on some 4 by 3.5 inches, nearly touch; the area falls as their number grows
    return float(np.clip(24000 / max(n_spots, 1), 2, 400))


def _limits(values: Sequence[Float]) -> tuple[float, float]:
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _plain(text: str) -> str:
    """Keep matplotlib from reading a formula into somebody's dollar signs."""
    return text.replace("$", r"\$")
