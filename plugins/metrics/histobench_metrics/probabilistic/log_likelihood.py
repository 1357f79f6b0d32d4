"""How likely the observed counts are under the distribution that a method predicts.

The negative binomial has mean μ and variance μ + μ²/θ; zero inflation π adds zeros (expression protocol, section 7.1).
"""

import numpy as np
from scipy.special import gammaln

from histobench import Float, ScoreContext
from histobench_metrics.tables import Rows, mean_over_spots, paired

__all__ = ["log_of_zero", "log_parameters", "nb_log_likelihood", "parameter", "zinb_log_likelihood"]

_EPSILON = 1e-10
"""Keeps the logarithms of mean, dispersion and probabilities finite, as the published form does."""


def zinb_log_likelihood(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the log-likelihood of each target's counts under the predicted zero-inflated negative binomial.

    Parameters
    ----------
    predicted
        (n, t), not read: the distribution is in the context.
    observed : (n, t) float32
        Counts.
    context
        With the parameters ``mean`` (of the negative binomial part), ``dispersion`` and ``zero``.

    Returns
    -------
    (t,) float64, at most 0, in nats per spot
        NaN where an observation is not a count, or without spots.

    References
    ----------
    Lambert (1992), *Technometrics* 34:1–14; Risso et al. (2018), *Nat. Commun.* 9:284.
    """
    counts = paired(predicted, observed)[1]
    parts = log_parameters(context)
    zero = np.clip(parameter(context, "zero"), 0.0, 1.0 - _EPSILON)
    with np.errstate(divide="ignore"):  # without inflation its logarithm is minus infinity, and adds nothing
        inflated = np.logaddexp(np.log(zero), np.log1p(-zero) + log_of_zero(*parts))
    return _mean(np.where(counts == 0, inflated, np.log1p(-zero) + _log_nb(counts, *parts)), counts)


def nb_log_likelihood(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the log-likelihood under the predicted negative binomial, without inflation: (t,) float64 in nats.

    Takes (n, t) counts, and the parameters ``mean`` and ``dispersion``. NaN as for `zinb_log_likelihood`.
    """
    counts = paired(predicted, observed)[1]
    return _mean(_log_nb(counts, *log_parameters(context)), counts)


def parameter(context: ScoreContext, name: str) -> Rows:
    """Return a parameter of the predicted distribution, a row a target."""
    return np.ascontiguousarray(context.parameters[name].T, dtype=np.float64)


def log_parameters(context: ScoreContext) -> tuple[Rows, Rows]:
    """Return the logarithms of mean and dispersion, a row a target."""
    mean, dispersion = (np.log(np.maximum(parameter(context, name), _EPSILON)) for name in ("mean", "dispersion"))
    return mean, dispersion


def log_of_zero(log_mean: Rows, log_dispersion: Rows) -> Rows:
    """Return the log-probability of a zero under the negative binomial."""
    logarithm: Rows = -np.exp(log_dispersion) * np.logaddexp(0.0, log_mean - log_dispersion)
    return logarithm


def _log_nb(counts: Rows, log_mean: Rows, log_dispersion: Rows) -> Rows:
    theta = np.exp(log_dispersion)
    seen = np.maximum(counts, 0.0)
    arrangements = gammaln(seen + theta) - gammaln(theta) - gammaln(seen + 1.0)
    shares = log_of_zero(log_mean, log_dispersion) - seen * np.logaddexp(0.0, log_dispersion - log_mean)
    logarithm: Rows = arrangements + shares
    return logarithm


def _mean(logarithms: Rows, counts: Rows) -> Rows:
    whole = ((counts >= 0) & (counts == np.rint(counts))).all(axis=1)
    return np.where(whole, mean_over_spots(logarithms), np.nan)
