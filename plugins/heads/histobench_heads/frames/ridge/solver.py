"""Ridge regression of all targets at all penalties from one decomposition.

With X centred, X = U S Vᵀ, the weights at penalty a are V (S² + a)⁻¹ Vᵀ Xᵀ Y; only V and S² are needed, and they
come from whichever of X and XᵀX is smaller.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from histobench import Float

__all__ = ["Design", "Spectrum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How embeddings become columns of mean 0 and variance 1, as seen in training.

    Attributes
    ----------
    mean, deviation
        (d,) float64; a constant column has deviation 1 and so stays 0.
    """

    mean: Float
    deviation: Float

    @classmethod
    def of(cls, embeddings: Float) -> Self:
        """Measure (n, d) embeddings."""
        mean = embeddings.mean(axis=0, dtype=np.float64)
        deviation = embeddings.std(axis=0, dtype=np.float64)
        # below rounding error a column is constant, and dividing by its deviation would make signal of noise
        constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
        return cls(mean=mean, deviation=np.where(constant, 1.0, deviation))

    def __call__(self, embeddings: Float) -> Float:
        """Standardise (n, d) embeddings: float64."""
        standardised: Float = (embeddings.astype(np.float64) - self.mean) / self.deviation
        return standardised


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """One set of training spots, decomposed.

    Attributes
    ----------
    basis
        (r, d) Vᵀ.
    powers
        (r,) S².
    projected
        (r, t) Vᵀ Xᵀ Y, Y centred.
    """

    basis: Float
    powers: Float
    projected: Float

    @classmethod
    def of(cls, design: Float, targets: Float) -> Self:
        """Decompose (n, d) standardised embeddings beside (n, t) centred targets."""
        n, d = design.shape
        if n > d:
            powers, vectors = np.linalg.eigh(design.T @ design)
            basis, powers = vectors.T, np.clip(powers, 0.0, None)
        else:
            _, singular, basis = np.linalg.svd(design, full_matrices=False)
            powers = singular**2
        return cls(basis=basis, powers=powers, projected=basis @ (design.T @ targets))

    def shrunk(self, penalty: float) -> Float:
        """Solve along the basis at one penalty: (r, t)."""
        return self.projected / (self.powers + penalty)[:, None]

    def weights(self, penalty: float) -> Float:
        """Solve for the columns at one penalty: (d, t)."""
        weights: Float = self.basis.T @ self.shrunk(penalty)
        return weights
