"""Areas under the curves of each class against the rest: ``class-auroc`` and ``class-auprc``."""

from histobench import Float
from histobench_metrics.labels.confusion import labelled
from histobench_metrics.presence.auprc import area_under_precision_recall
from histobench_metrics.presence.auroc import area_under_roc

__all__ = ["class_auprc", "class_auroc"]


def class_auroc(predicted: Float, observed: Float, /) -> Float:
    """Return the chance that a spot of a class has a higher prediction for it than a spot of another; ties count half.

    Parameters
    ----------
    predicted : (n, t) float32
        Probabilities, or any number per class that grows with it.
    observed : (n, t) float32
        One-hot.

    Returns
    -------
    (t,) float64 in [0, 1]
        Each class against the rest; one half by chance. NaN for a class without spots, or where all spots are of it.
    """
    left, right = labelled(predicted, observed)
    return area_under_roc(left, right != 0)


def class_auprc(predicted: Float, observed: Float, /) -> Float:
    """Return the average precision of finding each class's spots: (t,) float64 in [0, 1] of (n, t) tables.

    By chance, the class's share of the spots. NaN for a class without spots, or where all spots are of it.
    """
    left, right = labelled(predicted, observed)
    return area_under_precision_recall(left, right != 0)
