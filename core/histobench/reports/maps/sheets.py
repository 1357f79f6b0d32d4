"""Contact sheets: patches side by side, for visual inspection."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

from histobench.data import Float, Int, SlideResult, UInt8
from histobench.errors import DataError

__all__ = ["Row", "contact_sheet", "expression_clusters", "generated_sheet"]

_PER_SIDE, _MOST_CLUSTERS = 5, 5
_MOST_ROWS, _MOST_COLUMNS = 24, 16
_INCHES = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a sheet: (k, h, w, 3) uint8 patches and their label."""

    label: str
    images: UInt8


def contact_sheet(rows: Sequence[Row], *, title: str = "", gap_after: int = 0) -> Figure:
    """Draw at most 24 rows of 16 patches; the title reports how many rows are left out.

    Parameters
    ----------
    gap_after
        Column before which a gap is left, between two sorts of patches; 0 for none.
    """
    if not rows:
        raise DataError("there are no patches to draw on a contact sheet.")
    shown = [Row(label=row.label, images=row.images[:_MOST_COLUMNS]) for row in rows[:_MOST_ROWS]]
    columns = max(len(row.images) for row in shown)
    figure = Figure(figsize=(1.6 + _INCHES * columns, 0.7 + _INCHES * len(shown)), dpi=100)
    left, top = 1.5 / figure.get_figwidth(), 1 - 0.5 / figure.get_figheight()
    figure.subplots_adjust(left=left, right=0.995, top=top, bottom=0.01, wspace=0.05, hspace=0.05)
    widths = [1.15 if gap_after and place == gap_after else 1.0 for place in range(columns)]
    grid = figure.add_gridspec(len(shown), columns, width_ratios=widths)
    for line, row in enumerate(shown):
        for place, image in enumerate(row.images):
            axes = figure.add_subplot(grid[line, place])
            axes.imshow(image, interpolation="nearest", aspect="equal")
            axes.set_anchor("E" if gap_after and place == gap_after else "C")
            axes.set(xticks=[], yticks=[])
            if place == 0:
                axes.set_ylabel(row.label.replace("$", r"\$"), rotation=0, ha="right", va="center", fontsize=8)
    left_out = len(rows) - len(shown)
    figure.suptitle((title + (f" ({left_out} more rows)" if left_out else "")).replace("$", r"\$"), fontsize=9)
    return figure


def generated_sheet(results: Sequence[SlideResult], *, title: str = "") -> Figure:
    """Draw real patches at the left and, at the right, those generated for the same spots' expression.

    A row is a cluster of the spots' expression (k-means of all test slides together), the spots nearest to its centre
    first.

    Raises
    ------
    DataError
        If nothing was generated.
    """
    drawn = [(result.features, result.observed.values) for result in results if result.features is not None]
    if not drawn:
        raise DataError("there are no generated patches to draw.")
    images = np.concatenate([features.images for features, _ in drawn])
    patches = np.concatenate([features.patches for features, _ in drawn])
    rows = []
    for number, spots in enumerate(expression_clusters(np.concatenate([values for _, values in drawn]))):
        some = spots[:_PER_SIDE]
        both = np.concatenate([patches[some], images[some]])
        rows.append(Row(label=f"cluster {number + 1}\n{len(spots)} spots", images=both))
    side = min(_PER_SIDE, len(images))
    return contact_sheet(rows, title=f"{title}: real (left), generated (right)".lstrip(": "), gap_after=side)


def expression_clusters(expression: Float) -> list[Int]:
    """Cluster (n, t) expression: the spots of each cluster by distance to its centre, the largest cluster first."""
    k = min(_MOST_CLUSTERS, len(np.unique(expression, axis=0)))
    scaled = StandardScaler().fit_transform(expression.astype(np.float64))
    found = KMeans(k, n_init=4, random_state=0).fit(scaled)
    distance = np.linalg.norm(scaled - found.cluster_centers_[found.labels_], axis=1)
    spots = [np.flatnonzero(found.labels_ == cluster) for cluster in range(k)]
    return sorted((one[np.argsort(distance[one], kind="stable")] for one in spots), key=lambda one: -len(one))
