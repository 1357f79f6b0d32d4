"""Moved: import these names from `histobench.data.graphs`."""

import warnings

from histobench.data.graphs import adjacency, expand, lattice_edges, nearest_edges

__all__ = ["adjacency", "expand", "lattice_edges", "nearest_edges"]

warnings.warn(f"{__name__} has moved: use histobench.data.graphs.", DeprecationWarning, stacklevel=2)
