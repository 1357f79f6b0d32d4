"""Moved: import these names from `histobench.data.graphs`."""

import warnings

from histobench.data.graphs import adjacency, expand, lattice_edges, nearest_edges

__all__ = ["adjacency", "expand", "lattice_edges", "nearest_edges"]

warnings.warn("histobench.graphs has moved: import its names from histobench.data.graphs.", FutureWarning, stacklevel=2)
