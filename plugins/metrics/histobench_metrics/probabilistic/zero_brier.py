"""How well the predicted probability that a gene is seen fits: ``zero-brier`` and ``zero-auroc``."""

import numpy as np

from histobench import Float, ScoreContext
from histobench_metrics.presence.auroc import area_under_roc
from histobench_metrics.probabilistic.log_likelihood import log_of_zero, log_parameters, parameter
from histobench_metrics.tables import Rows, mean_over_spots, paired

__all__ = ["zero_auroc", "zero_brier"]


def zero_brier(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the mean squared error of the predicted probability that a gene is seen at a spot: (t,) float64 in [0, 1].

    Takes (n, t) counts; NaN without spots. Brier (1950), *Mon. Weather Rev.* 78:1–3.
    """
    counts = paired(predicted, observed)[1]
    return mean_over_spots((_chance_of_any(context) - (counts > 0)) ** 2)


def zero_auroc(predicted: Float, observed: Float, /, *, context: ScoreContext) -> Float:
    """Return the area under the ROC of the predicted probability that a gene is seen at a spot: (t,) float64 in [0, 1].

    Takes (n, t) counts; NaN for a gene that is seen everywhere or nowhere.
    """
    return area_under_roc(_chance_of_any(context), paired(predicted, observed)[1] > 0)


def _chance_of_any(context: ScoreContext) -> Rows:
    zero = np.clip(parameter(context, "zero"), 0.0, 1.0)
    chance: Rows = -np.expm1(log_of_zero(*log_parameters(context))) * (1.0 - zero)
    return chance
