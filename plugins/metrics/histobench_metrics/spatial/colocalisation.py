"""Whether the prediction keeps the spatial relations between targets.

For every pair of targets the bivariate Moran's R measures how much of one is near the other. The R of all pairs on the
predicted maps are compared with those on the observed maps (abundance protocol, section 9).
"""

import numpy as np
from scipy import sparse

from histobench import Float, ScoreContext
from histobench.data.spatial import bivariate_r, gaussian_weights, published_weights
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.regression.spearman import spearman
from histobench_metrics.spatial.columns import AGREEMENT
from histobench_metrics.spatial.moran_difference import LENGTH_UM
from histobench_metrics.tables import Rows, check_shapes, is_constant, paired

__all__ = ["colocalisation", "published_colocalisation"]

PUBLISHED_LENGTH_PX = 500.0
"""Length of the Gaussian in the publication, in pixels of the given image."""

_MOST_TARGETS = 2000
_FEWEST_SPOTS = 4


def colocalisation(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Compare which targets are near which, in microns and without the targets that are constant on either side.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        The spots of one slide.
    context
        With their places.

    Returns
    -------
    (3,) float64 in [-1, 1]
        See `AGREEMENT`. NaN with fewer than three targets that vary, four spots, or more than 2,000 targets, whose
        pairs would not fit into memory.

    References
    ----------
    Li et al. (2023), *Nat. Commun.* 14:3995 (SpatialDM); weights exp(-d² / 2 l²), l = 150 µm, none below 0.2, and 1 for
    a spot itself, scaled to sum n.
    """
    n, _ = check_shapes(predicted, observed)
    vary = ~(is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed)))
    if n < _FEWEST_SPOTS or not 3 <= vary.sum() <= _MOST_TARGETS:
        return np.full(len(AGREEMENT), np.nan)
    weights = gaussian_weights(context.xy_um, length=LENGTH_UM, itself=1.0)
    left, right = paired(predicted[:, vary], observed[:, vary])
    return _agreement(left, right, weights * (n / weights.sum()))


def published_colocalisation(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Compare which targets are near which as CUCA and Hist2Cell do, in pixels: (3,) float64 of (n, t) tables.

    One constant target makes the whole slide undefined, as published. Places are true pixels, not the lattice that some
    baselines use. NaN also with fewer than three targets, four spots, or more than 2,000 targets.
    """
    n, t = check_shapes(predicted, observed)
    constant = is_constant(np.asarray(predicted)) | is_constant(np.asarray(observed))
    if n < _FEWEST_SPOTS or constant.any() or not 3 <= t <= _MOST_TARGETS or not context.mpp:
        return np.full(len(AGREEMENT), np.nan)
    weights = published_weights(context.xy_um / context.mpp, length=PUBLISHED_LENGTH_PX)
    return _agreement(*paired(predicted, observed), weights)


def _agreement(predicted: Rows, observed: Rows, weights: sparse.csr_matrix) -> Rows:
    pairs = np.triu_indices(len(predicted), k=1)
    ours, theirs = (bivariate_r(side, weights)[pairs][:, None] for side in (predicted, observed))
    lengths = np.sqrt((ours**2).sum() * (theirs**2).sum())
    cosine = float((ours * theirs).sum() / lengths) if lengths > 0 else float("nan")
    return np.array([pearson(ours, theirs)[0], spearman(ours, theirs)[0], (1 + cosine) / 2])
