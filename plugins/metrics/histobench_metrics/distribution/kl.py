"""Kullback–Leibler divergence of two distributions of one target over the spots of a slide."""

import numpy as np

from histobench import Float
from histobench_metrics.distribution.jensen_shannon import distributions

__all__ = ["kullback_leibler"]


def kullback_leibler(predicted: Float, observed: Float, /) -> Float:
    """Return the divergence of the observed from the predicted distribution over spots, in nats.

    Parameters
    ----------
    predicted : (n, t) float32
        Clipped at zero.
    observed : (n, t) float32, at least 0

    Returns
    -------
    (t,) float64, at least 0
        Σ q ln(q / p), with q the observed column and p the predicted one, both + 1e-8 and normalised to sum 1. A spot
        with the target that was predicted empty thus costs much, but not infinitely much. NaN where
        `jensen_shannon_distance` is NaN.

    References
    ----------
    Kullback & Leibler (1951), *Ann. Math. Stat.* 22:79–86.
    """
    p, q, defined = distributions(predicted, observed)
    return np.where(defined, np.maximum((q * np.log(q / p)).sum(axis=1), 0.0), np.nan)
