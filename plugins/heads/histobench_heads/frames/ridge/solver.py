"""Ridge regression of all targets at all penalties from one decomposition.

For centred X = U S Vᵀ the weights at penalty a are V (S² + a)⁻¹ Vᵀ Xᵀ Y. Only V and S² are needed; they are computed
from the smaller of X and XᵀX.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from histobench import Float

__all__ = ["Design", "Spectrum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Scaling of embeddings to mean 0 and variance 1 on the training spots.

    Attributes
    ----------
    mean, deviation
        (d,) float64; a constant column has deviation 1, so that it stays 0.
    """

    mean: Float
    deviation: Float

    @classmethod
    def of(cls, embeddings: Float) -> Self:
        """Measure (n, d) embeddings."""
        mean = embeddings.mean(axis=0, dtype=np.float64)
        deviation = embeddings.std(axis=0, dtype=np.float64)
        # a column that varies by rounding errors only is constant: dividing by its deviation would amplify noise
        constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
        return cls(mean=mean, deviation=np.where(constant, 1.0, deviation))

    def __call__(self, embeddings: Float) -> Float:
        """Standardise (n, d) embeddings: float64."""
        standardised: Float = (embeddings.astype(np.float64) - self.mean) / self.deviation
        return standardised


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """The decomposition of one set of training spots.

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
        """Decompose (n, d) standardised embeddings, with (n, t) centred targets."""
        n, d = design.shape
        if n > d:
            powers, vectors = np.linalg.eigh(design.T @ design)
            basis, powers = vectors.T, np.clip(powers, 0.0, None)
        else:
            _, singular, basis = np.linalg.svd(design, full_matrices=False)
            powers = singular**2
        return cls(basis=basis, powers=powers, projected=basis @ (design.T @ targets))

    def shrunk(self, penalty: float) -> Float:
        """Return the solution at one penalty in the basis: (r, t)."""
        return self.projected / (self.powers + penalty)[:, None]

    def weights(self, penalty: float) -> Float:
        """Return the weights of the columns at one penalty: (d, t)."""
        weights: Float = self.basis.T @ self.shrunk(penalty)
        return weights
