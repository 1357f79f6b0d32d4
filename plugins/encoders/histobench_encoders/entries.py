"""Every record of a model that has a card of its own."""

from collections.abc import Mapping

from histobench_encoders.entry import IMAGENET_MEAN, IMAGENET_STD, TimmEntry
from histobench_encoders.models.foundation import FOUNDATION
from histobench_encoders.models.general import GENERAL
from histobench_encoders.models.pathology import PATHOLOGY

__all__ = ["ENTRIES", "IMAGENET_MEAN", "IMAGENET_STD", "TimmEntry"]

ENTRIES: Mapping[str, TimmEntry] = {**GENERAL, **FOUNDATION, **PATHOLOGY}
"""By the card's name."""
