"""F1 of each class, and weighted by the classes' spots."""

import numpy as np

from histobench import Float
from histobench_metrics.labels.confusion import counts_by_class
from histobench_metrics.tables import ratio

__all__ = ["f1", "f1_weighted"]


def f1(predicted: Float, observed: Float, /) -> Float:
    """Return the harmonic mean of each class's precision and recall; the mean over classes is the macro F1.

    Parameters
    ----------
    predicted : (n, t) float32
        One number per class; the largest decides.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (t,) float64 in [0, 1]
        NaN for a class that is neither present nor predicted; 0 for one that is predicted but not present.
    """
    hits, answers, truths = counts_by_class(predicted, observed)
    return ratio(2 * hits, answers + truths)


def f1_weighted(predicted: Float, observed: Float, /) -> Float:
    """Average the F1 of the classes, weighted by their numbers of spots: (1,) float64 in [0, 1] of (n, t) tables.

    NaN without labelled spots.
    """
    hits, answers, truths = counts_by_class(predicted, observed)
    scores = np.nan_to_num(ratio(2 * hits, answers + truths))
    return np.array([(scores * truths).sum() / truths.sum() if truths.sum() else np.nan])
