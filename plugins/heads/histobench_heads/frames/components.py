"""Principal components of embeddings, for methods that work better on few numbers than on thousands."""

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np

from histobench import DataError, Float

__all__ = ["Components"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Directions of largest variance of the training embeddings; not whitened.

    Attributes
    ----------
    mean
        (d,) float64.
    axes
        (k, d) float64, orthonormal, the largest variance first; the largest entry of each is positive.
    """

    mean: Float
    axes: Float

    @classmethod
    def of(cls, embeddings: Float, wanted: int) -> Self:
        """Find the first ``wanted`` components of (n, d) embeddings, or as many as there are.

        They are computed exactly, not by random projections. A warning reports fewer components because of few spots.

        Raises
        ------
        DataError
            If there are fewer than two spots.
        """
        n, d = embeddings.shape
        if n < 2:
            raise DataError(f"principal components need at least 2 training spots, got {n}.")
        if n < min(wanted, d):
            warnings.warn(f"{n} training spots have {n} principal components, not {wanted}.", stacklevel=2)
        mean = embeddings.mean(axis=0, dtype=np.float64)
        axes = _axes(embeddings.astype(np.float64) - mean)[: min(wanted, n, d)]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1, keepdims=True), axis=1)
        return cls(mean=mean, axes=axes * np.where(largest < 0, -1.0, 1.0))

    def __call__(self, embeddings: Float) -> Float:
        """Project (n, d) embeddings: (n, k) float64."""
        projected: Float = (embeddings.astype(np.float64) - self.mean) @ self.axes.T
        return projected


def _axes(centred: Float) -> Float:
    """Decompose whichever of X and XᵀX is smaller: (min(n, d), d), the largest variance first."""
    n, d = centred.shape
    # eigh has the smallest eigenvalue first
    decomposed = (
        np.linalg.eigh(centred.T @ centred)[1].T[::-1] if n > d else np.linalg.svd(centred, full_matrices=False)[2]
    )
    axes: Float = decomposed
    return axes
