"""Whether generated patches hold as many nuclei as the real ones of the same spots.

Deliberate difference from the specification's classical counter (generative metrics, section 1, (ii)): the threshold
is not each patch's own, which would find nuclei in empty stroma, but Otsu's over all real patches, and holds for the
generated ones too.
"""

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from histobench import Float, Int, ScoreContext, UInt8
from histobench_metrics.generative.columns import NUCLEI
from histobench_metrics.generative.features import given
from histobench_metrics.regression.correlation import pearson
from histobench_metrics.tables import BLOCK, Rows, check_shapes

__all__ = ["count_nuclei", "haematoxylin", "nuclei_difference"]

SIGMA = 1.0
"""Of the Gaussian that smooths the stain, in pixels of the patch."""

_LEAST, _LEAST_AT = 12, 128
"""Pixels of the smallest nucleus, in a patch of 128 pixels; a coarser patch shows it smaller."""

_SMALLEST = 3
_IN_PLANE = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))]).astype(np.bool_)


def nuclei_difference(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Count nuclei in generated and real patches, and compare spot by spot.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Not read: the patches are.
    context
        With generated and real patches.

    Returns
    -------
    (3,) float64
        See `NUCLEI`: mean squared difference, mean difference (generated less real) and Pearson's correlation of the
        two counts. NaN without spots; the correlation where one side always counts the same.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    DataError
        Without features.

    References
    ----------
    Ruifrok & Johnston (2001), *Anal. Quant. Cytol. Histol.* 23:291–299; Otsu (1979), *IEEE Trans. Syst. Man Cybern.*
    9:62–66.
    """
    check_shapes(predicted, observed)
    features = given(context)
    if not features.real.size:
        return np.full(len(NUCLEI), np.nan)
    stain = haematoxylin(features.patches)
    threshold = float(threshold_otsu(stain))
    said, seen = count_nuclei(haematoxylin(features.images), threshold), count_nuclei(stain, threshold)
    difference = (said - seen).astype(np.float64)
    correlation = pearson(said[:, None].astype(np.float64), seen[:, None].astype(np.float64))[0]
    return np.array([(difference**2).mean(), difference.mean(), correlation])


def haematoxylin(patches: UInt8, /) -> Rows:
    """Take the smoothed haematoxylin out of (n, h, w, 3) patches: (n, h, w) float64."""
    step = max(1, BLOCK // max(3 * int(np.prod(patches.shape[1:3])), 1))
    parts = [rgb2hed(patches[start : start + step])[..., 0] for start in range(0, len(patches), step)]
    smooth: Rows = ndimage.gaussian_filter(np.concatenate(parts), sigma=(0.0, SIGMA, SIGMA))
    return smooth


def count_nuclei(stain: Rows, threshold: float, /) -> Int:
    """Count the nuclei in each of (n, h, w) stains: (n,) int64.

    What is darker than the threshold is cut by a watershed between the places farthest from its border.
    """
    n, height, width = stain.shape
    least = max(_SMALLEST, round(_LEAST * height * width / _LEAST_AT**2))
    dark = stain > threshold
    # all patches at once: the first axis joins nothing
    depth = ndimage.distance_transform_edt(dark, sampling=(height + width, 1, 1))
    peaks = dark & (depth == ndimage.maximum_filter(depth, size=(1, 5, 5)))
    markers = ndimage.label(peaks, structure=_IN_PLANE)[0]
    nuclei = watershed(-depth, markers, mask=dark, connectivity=_IN_PLANE)
    areas = np.bincount(nuclei.ravel(), minlength=markers.max() + 1)
    patches = np.zeros(len(areas), dtype=np.int64)
    patches[markers.ravel()] = np.repeat(np.arange(n), height * width)
    large = areas >= least
    large[0] = False  # what is no nucleus
    return np.bincount(patches[large], minlength=n)
