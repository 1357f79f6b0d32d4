"""The records of all models with a card."""

from collections.abc import Mapping

from histobench_encoders.entry import IMAGENET_MEAN, IMAGENET_STD, TimmEntry
from histobench_encoders.models.foundation import FOUNDATION
from histobench_encoders.models.general import GENERAL
from histobench_encoders.models.pathology import PATHOLOGY

__all__ = ["ENTRIES", "IMAGENET_MEAN", "IMAGENET_STD", "TimmEntry"]

ENTRIES: Mapping[str, TimmEntry] = {**GENERAL, **FOUNDATION, **PATHOLOGY}
"""Name of the card → record."""
