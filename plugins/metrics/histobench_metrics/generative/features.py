"""The features that a metric of generated patches reads."""

from histobench import DataError, ImageFeatures, ScoreContext

__all__ = ["features_of"]


def features_of(context: ScoreContext, /) -> ImageFeatures:
    """Return the features of the context, or raise `DataError` if there are none."""
    if context.features is None:
        raise DataError("it needs features of generated patches, and was given none")
    return context.features
