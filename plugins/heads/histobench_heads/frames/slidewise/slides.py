"""The input of a module that reads whole slides: patches, positions and neighbours of the spots of one slide."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from histobench import DataError, Int, Samples
from histobench.data.graphs import nearest_edges
from histobench_heads.frames.slidewise.options import GraphOptions, Inputs, SlideOptions

__all__ = ["SlideBatch", "neighbour_edges", "read_slide", "scaled", "table_positions"]

# Mean and deviation of ImageNet's channels (abundance_protocol.md, section 2), for values in [0, 1].
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)

_GRID_REACH = 2.0  # hist2st.md, Graph construction: Grid


class SlideBatch(NamedTuple):
    """One slide.

    Attributes
    ----------
    patches
        (n, p, p, 3) uint8 RGB.
    positions
        (n, 2) int64, column and row on the capture lattice, each less than the method's ``n_pos``.
    edges
        (2, e) int64: source, the neighbour, and target, the spot that sees it, sorted by target; empty for a method
        without a graph.
    targets
        (n, t) float32; t is 0 in prediction.
    beside
        (n, …) float32 by name, the auxiliary targets; empty in prediction.
    """

    patches: Tensor
    positions: Tensor
    edges: Tensor
    targets: Tensor
    beside: dict[str, Tensor]


def read_slide(samples: Samples, rows: Int, options: SlideOptions, *, edges: Int) -> SlideBatch:
    """Read one slide's spots, without targets.

    Raises
    ------
    DataError
        If the samples have no patches, or patches of another size, or the slide does not fit the position tables.
    """
    patches = np.ascontiguousarray(samples.need_patches("this method")[rows])
    if patches.shape[1:] != (options.patch_px, options.patch_px, 3):
        raise DataError(
            f"patches must be {options.patch_px} x {options.patch_px} pixels in RGB, as set by the option 'patch_px', "
            f"got {patches.shape[1:]}."
        )
    positions = table_positions(samples.array[rows], options.n_pos, slide=str(samples.slide_ids[rows[0]]))
    return SlideBatch(
        patches=torch.from_numpy(patches),
        positions=torch.from_numpy(positions),
        edges=torch.from_numpy(edges),
        targets=torch.zeros(len(rows), 0),
        beside={},
    )


def table_positions(array: Int, n_pos: int, /, *, slide: str) -> Int:
    """Turn lattice positions into rows of the position tables.

    They are used unchanged, as published, so that a position means the same on every slide. An axis that begins below
    zero or ends beyond the table is shifted to begin at zero.

    Parameters
    ----------
    array
        (n, 2) integer position on the capture lattice, column first.

    Returns
    -------
    (n, 2) int64, in [0, n_pos)

    Raises
    ------
    DataError
        If the slide is wider or higher than the tables.
    """
    low, high = array.min(axis=0), array.max(axis=0)
    span = int((high - low).max()) + 1
    if span > n_pos:
        raise DataError(
            f"slide {slide!r} spans {span} lattice positions and the position tables hold {n_pos}: "
            f"set the option 'n_pos' to at least {span}."
        )
    moved: Int = (array - np.where((low < 0) | (high >= n_pos), low, 0)).astype(np.int64)
    return moved


def neighbour_edges(array: Int, options: GraphOptions, /) -> Int:
    """Link each spot of one slide to its nearest spots, and drop those that are too far.

    Parameters
    ----------
    array
        (n, 2) integer position on the capture lattice.

    Returns
    -------
    (2, e) int64
        Source and target, sorted by target, nearest first; a spot may have no neighbours left.
    """
    edges = nearest_edges(array, np.zeros(len(array), dtype=np.str_), k=options.neighbours)
    if options.prune == "none" or not edges.size:
        return edges
    distance = np.sqrt(((array[edges[0]] - array[edges[1]]) ** 2).sum(axis=1))
    if options.prune == "grid":
        return edges[:, distance <= _GRID_REACH]
    by_spot = distance.reshape(len(array), -1)  # every spot has the same number of neighbours
    limit = by_spot.mean(axis=1) + by_spot.std(axis=1)
    return edges[:, (by_spot <= limit[:, None]).ravel()]


def scaled(patches: Tensor, inputs: Inputs, /) -> Tensor:
    """Turn (n, h, w, 3) uint8 into (n, 3, h, w) float32, in the scale of the option ``inputs``."""
    values = patches.permute(0, 3, 1, 2).float()
    if inputs == "original":
        return values
    mean = values.new_tensor(_MEAN).view(3, 1, 1)
    deviation = values.new_tensor(_DEVIATION).view(3, 1, 1)
    return (values / 255 - mean) / deviation
