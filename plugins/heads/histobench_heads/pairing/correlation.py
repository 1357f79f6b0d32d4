"""Regularised canonical correlation of two tables, in closed form."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from histobench import Float

__all__ = ["Correlation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Pairs of directions along which two tables of the same rows correlate.

    Attributes
    ----------
    first, second
        (p, r) and (q, r) float64: a centred row times these is its position in the shared space. The length of a
        direction is its correlation, so that weakly correlated pairs count little.
    correlations
        (r,) float64, the largest first; the penalty lowers them.
    """

    first: Float
    second: Float
    correlations: Float

    @classmethod
    def of(cls, first: Float, second: Float, *, pairs: int, penalty: float) -> Self:
        """Correlate centred (n, p) and (n, q) tables, whose columns are uncorrelated within each.

        Singular vectors of the covariance between the two tables. Each table is whitened with its variance plus
        ``penalty`` times its mean variance (Vinod 1976).
        """
        scales = [_scale(table, penalty) for table in (first, second)]
        between = (first * scales[0]).T @ (second * scales[1]) / len(first)
        left, correlations, right = np.linalg.svd(between, full_matrices=False)
        kept = correlations[:pairs]
        return cls(
            first=scales[0][:, None] * left[:, :pairs] * kept,
            second=scales[1][:, None] * right[:pairs].T * kept,
            correlations=kept,
        )


def _scale(table: Float, penalty: float) -> Float:
    """Return the factor that whitens each column of an (n, p) table: (p,); all 0 if nothing varies."""
    variance = (table**2).mean(axis=0)
    raised = variance + penalty * variance.mean()
    scale: Float = np.divide(1.0, np.sqrt(raised), out=np.zeros_like(raised), where=raised > 0)
    return scale
