"""How likely the observed counts are under the distribution that a method predicts.

The negative binomial has mean μ and variance μ + μ²/θ; zero inflation π adds zeros (expression protocol, section 7.1).
"""

import numpy as np
from scipy.special import gammaln

from histobench import Float, ScoreContext
from histobench_metrics.presence.presence import area_under_roc
from histobench_metrics.tables import Rows, paired

__all__ = ["nb_log_likelihood", "zero_auroc", "zero_brier", "zinb_log_likelihood"]

_EPSILON = 1e-10
"""Keeps the logarithms of mean, dispersion and probabilities finite, as the published form does."""


def zinb_log_likelihood(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the log-likelihood of each target's counts under the predicted zero-inflated negative binomial.

    Parameters
    ----------
    predicted
        (n, t), not looked at: the distribution is in the context.
    observed : (n, t) float32
        Counts.
    context
        With the parameters ``mean`` (of the negative binomial part), ``dispersion`` and ``zero``.

    Returns
    -------
    (t,) float64, at most 0, in nats per spot
        NaN where an observation is no count, or without spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.

    References
    ----------
    Lambert (1992), *Technometrics* 34:1–14; Risso et al. (2018), *Nat. Commun.* 9:284.
    """
    counts = paired(predicted, observed)[1]
    parts = _parameters(context)
    zero = np.clip(_turned(context.parameters["zero"]), 0.0, 1.0 - _EPSILON)
    with np.errstate(divide="ignore"):  # without inflation its logarithm is minus infinity, and adds nothing
        inflated = np.logaddexp(np.log(zero), np.log1p(-zero) + _log_of_zero(*parts))
    return _mean(np.where(counts == 0, inflated, np.log1p(-zero) + _log_nb(counts, *parts)), counts)


def nb_log_likelihood(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Average the log-likelihood of each target's counts under the predicted negative binomial, without inflation.

    Parameters
    ----------
    predicted
        (n, t), not looked at.
    observed : (n, t) float32
        Counts.
    context
        With the parameters ``mean`` and ``dispersion``.

    Returns
    -------
    (t,) float64, at most 0, in nats per spot
        NaN where an observation is no count, or without spots.

    Raises
    ------
    ShapeError
        If the two are not tables of one shape.
    """
    counts = paired(predicted, observed)[1]
    return _mean(_log_nb(counts, *_parameters(context)), counts)


def zero_brier(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the mean squared error of the predicted probability that a gene is seen at a spot: (t,) float64 in [0, 1].

    Of (n, t) tables; NaN without spots. Brier (1950), *Mon. Weather Rev.* 78:1–3.
    """
    counts = paired(predicted, observed)[1]
    error = (_chance_of_any(context) - (counts > 0)) ** 2
    return error.mean(axis=1) if counts.shape[1] else np.full(len(counts), np.nan)


def zero_auroc(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Take the area under the ROC of the predicted probability that a gene is seen at a spot: (t,) float64 in [0, 1].

    Of (n, t) tables; NaN for a gene that is seen everywhere or nowhere.
    """
    return area_under_roc(_chance_of_any(context), paired(predicted, observed)[1] > 0)


def _parameters(context: ScoreContext) -> tuple[Rows, Rows]:
    """Give logarithms of mean and dispersion, a row a target."""
    mean, dispersion = (_turned(context.parameters[name]) for name in ("mean", "dispersion"))
    return np.log(np.maximum(mean, _EPSILON)), np.log(np.maximum(dispersion, _EPSILON))


def _chance_of_any(context: ScoreContext) -> Rows:
    zero = np.clip(_turned(context.parameters["zero"]), 0.0, 1.0)
    chance: Rows = -np.expm1(_log_of_zero(*_parameters(context))) * (1.0 - zero)
    return chance


def _log_of_zero(log_mean: Rows, log_dispersion: Rows) -> Rows:
    logarithm: Rows = -np.exp(log_dispersion) * np.logaddexp(0.0, log_mean - log_dispersion)
    return logarithm


def _log_nb(counts: Rows, log_mean: Rows, log_dispersion: Rows) -> Rows:
    theta = np.exp(log_dispersion)
    seen = np.maximum(counts, 0.0)
    arrangements = gammaln(seen + theta) - gammaln(theta) - gammaln(seen + 1.0)
    shares = _log_of_zero(log_mean, log_dispersion) - seen * np.logaddexp(0.0, log_dispersion - log_mean)
    logarithm: Rows = arrangements + shares
    return logarithm


def _mean(logarithms: Rows, counts: Rows) -> Rows:
    if not counts.shape[1]:
        return np.full(len(counts), np.nan)
    whole = ((counts >= 0) & (counts == np.rint(counts))).all(axis=1)
    return np.where(whole, logarithms.mean(axis=1), np.nan)


def _turned(values: Float) -> Rows:
    return np.ascontiguousarray(values.T, dtype=np.float64)
