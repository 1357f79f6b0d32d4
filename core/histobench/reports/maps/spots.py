"""Map of one target over the test slides, observed next to predicted."""

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
"""Most slides on one map, so that its height and memory do not grow with the study."""

_WIDTH_INCHES, _DPI = 9.0, 100  # 900 px: text of 10 pt stays legible when the picture fills a phone


def spot_map(
    results: Sequence[SlideResult], path: Path, *, title: str = "", target: str | None = None, unit: str = ""
) -> str:
    """Draw observed and predicted values of one target, a row per slide, and write a PNG.

    Observed and predicted values have separate colour scales, each over all slides: predictions vary less than
    observations, and one scale would hide their pattern. Both scales are shown.

    Parameters
    ----------
    results
        The test slides; the first `MAX_SLIDES` are drawn.
    path
        The PNG to write; the same results give the same bytes.
    target
        Its name; by default the target with the largest observed variance.
    unit
        Shown at the colour bars.

    Returns
    -------
    The name of the target.

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
    """Draw the figure that `spot_map` writes; return it and the name of the target."""
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
    """Return the target whose observed values vary most over the spots of all slides."""
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
    # points²: 600 spots of area 40 on about 4 by 3.5 inches nearly touch; the area falls as their number grows
    return float(np.clip(24000 / max(n_spots, 1), 2, 400))


def _limits(values: Sequence[Float]) -> tuple[float, float]:
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _plain(text: str) -> str:
    """Escape dollar signs, which matplotlib would read as a formula."""
    return text.replace("$", r"\$")
