"""Spatial statistics of spots: weights by distance, and co-localisation of targets.

References
----------
Moran (1950), *Biometrika* 37:17–23; Li et al. (2023), *Nat. Commun.* 14:3995 (SpatialDM); abundance protocol, section
9.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse, special
from scipy.spatial import cKDTree

from histobench.data import Float

__all__ = ["CUTOFF", "Colocalisation", "bivariate_r", "colocalise", "gaussian_weights", "published_weights"]

Rows = npt.NDArray[np.float64]

CUTOFF = 0.2
"""Weights below this count as zero (abundance protocol, section 9)."""

_NEIGHBOURS = 160


def gaussian_weights(xy: Float, /, *, length: float, itself: float) -> sparse.csr_matrix:
    """Return weights exp(-d² / 2 length²) between spots; weights below 0.2 (beyond 1.79 lengths) are zero.

    Parameters
    ----------
    xy
        (n, 2), in the unit of ``length``.
    itself
        Weight of a spot with itself.

    Returns
    -------
    sparse (n, n), symmetric
    """
    n = len(xy)
    near = cKDTree(xy).query_pairs(length * np.sqrt(-2 * np.log(CUTOFF)), output_type="ndarray")
    squares = ((xy[near[:, 0]].astype(np.float64) - xy[near[:, 1]]) ** 2).sum(axis=1)
    weights = np.exp(-squares / (2 * length**2))
    table = sparse.csr_matrix((weights, (near[:, 0], near[:, 1])), shape=(n, n))
    return (table + table.T + itself * sparse.eye(n)).tocsr()


def published_weights(xy: Float, /, *, length: float) -> sparse.csr_matrix:
    """Return the weights between spots of the published analysis of co-localisation, which follows SpatialDM.

    Parameters
    ----------
    xy
        (n, 2) full-resolution pixels.
    length
        500 pixels in the publication.

    Returns
    -------
    sparse (n, n)
        Weights of the 160 nearest spots, including the spot itself with weight 1. Other spots at distance zero, and
        weights below 0.2, are zero. All weights sum to n. Not symmetric if the limit of 160 applies.
    """
    n = len(xy)
    k = min(_NEIGHBOURS, n)
    distances, columns = (part.reshape(n, k) for part in cKDTree(xy).query(xy, k=k))
    weights = np.where(distances > 0, np.exp(-(distances**2) / (2 * length**2)), 0.0)
    weights[weights < CUTOFF] = 0.0
    rows = np.repeat(np.arange(n), k)
    table = sparse.csr_matrix((weights.ravel(), (rows, columns.ravel())), shape=(n, n))
    table = (table - sparse.diags(table.diagonal()) + sparse.eye(n)).tocsr()
    return table * (n / table.sum())


def bivariate_r(values: Rows, weights: sparse.csr_matrix, /) -> Rows:
    """Return the bivariate Moran's R of every pair of targets.

    Parameters
    ----------
    values
        (t, n), without constant rows.
    weights
        Sparse (n, n).

    Returns
    -------
    (t, t) float64
        [a, b] = Σ_i b_i Σ_j w_ij a_j / Σ w, both standardised with the population deviation.
    """
    largest = np.abs(values).max(axis=1, keepdims=True)
    scaled = values / np.where(largest > 0, largest, 1.0)
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    standard = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True))
    smoothed = standard @ weights.T
    relations: Rows = smoothed @ standard.T / weights.sum()
    return relations


@dataclass(frozen=True, slots=True, kw_only=True)
class Colocalisation:
    """The co-localisation of targets on one slide.

    Attributes
    ----------
    r
        (t, t) bivariate Moran's R.
    deviation
        Standard deviation of R for independent targets.
    p
        (t, t) one-sided p-value for attraction, as published.
    """

    r: Rows
    deviation: float
    p: Rows


def colocalise(values: Rows, weights: sparse.csr_matrix, /) -> Colocalisation:
    """Test every pair of targets (t, n), without constant rows, for co-localisation."""
    n = values.shape[1]
    total = weights.sum()
    crossed = weights.multiply(weights.T).sum()
    margins = np.asarray(weights.sum(axis=1)).ravel() @ np.asarray(weights.sum(axis=0)).ravel()
    variance = (n**2 * crossed - 2 * n * margins + total**2) / (n**2 * (n - 1) ** 2)
    deviation = float(np.sqrt(variance))
    r = bivariate_r(values, weights)
    return Colocalisation(r=r, deviation=deviation, p=special.ndtr(-r / deviation))
