"""The features that a metric of generated patches was promised."""

from histobench import DataError, ImageFeatures, ScoreContext

__all__ = ["given"]


def given(context: ScoreContext, /) -> ImageFeatures:
    """Take the features out of the context.

    Raises
    ------
    DataError
        If there are none.
    """
    if context.features is None:
        raise DataError("it needs features of generated patches, and was given none")
    return context.features
