"""Moved: import these names from `histobench.data.spatial`."""

import warnings

from histobench.data.spatial import CUTOFF, Colocalisation, bivariate_r, colocalise, gaussian_weights, published_weights

__all__ = ["CUTOFF", "Colocalisation", "bivariate_r", "colocalise", "gaussian_weights", "published_weights"]

warnings.warn(f"{__name__} has moved: use histobench.data.spatial.", DeprecationWarning, stacklevel=2)
