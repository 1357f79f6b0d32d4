"""Recall of each class; the mean over classes is the balanced accuracy."""

from histobench import Float
from histobench_metrics.labels.confusion import counts_by_class
from histobench_metrics.tables import ratio

__all__ = ["recall"]


def recall(predicted: Float, observed: Float, /) -> Float:
    """Return the share of each class's spots that are given that class; the mean over classes is balanced accuracy.

    Balanced accuracy ranks methods on labels. Always answering the most frequent class reaches only one over the
    number of classes, however frequent that class is.

    Parameters
    ----------
    predicted : (n, t) float32
        One number per class; the largest decides.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (t,) float64 in [0, 1]
        NaN for a class without spots.

    References
    ----------
    Brodersen et al. (2010), *ICPR*, 3121–3124, for balanced accuracy.
    """
    hits, _, truths = counts_by_class(predicted, observed)
    return ratio(hits, truths)
