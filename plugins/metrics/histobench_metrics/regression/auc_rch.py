"""Area under the reverse cumulative histogram of Spearman correlations, as hist2RNA reports."""

import numpy as np

from histobench import Float
from histobench_metrics.regression.spearman import spearman
from histobench_metrics.tables import over_spots, over_targets

__all__ = ["auc_rch"]

_BINS = 1000


def auc_rch(predicted: Float, observed: Float, /) -> Float:
    """Return the area under the reverse cumulative histogram of Spearman correlations, of genes and of spots.

    Parameters
    ----------
    predicted, observed : (n, t) float32
        Spots take the place of the publication's patients.

    Returns
    -------
    (2,) float64 in [0, 1]
        Over the genes' correlations and over the spots'; one half where these are 0 on average. NaN where none is
        defined.
    """
    spots = over_spots(spearman, predicted, observed)
    return np.array([_area(over_targets(spearman, predicted, observed)), _area(spots)])


def _area(correlations: Float) -> float:
    defined = correlations[~np.isnan(correlations)]
    if not defined.size:
        return float("nan")
    # rounded, so that equal correlations fall into one bin in whatever order they were summed
    counts = np.histogram(defined.round(12), bins=_BINS, range=(-1.0, 1.0))[0]
    at_least = counts[::-1].cumsum()[::-1] / defined.size
    return float(at_least.sum() / _BINS)  # bins are 2 / 1000 wide, and the area is halved
