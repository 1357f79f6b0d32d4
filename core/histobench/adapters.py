"""Moved: import these names from `histobench.training.adapters`."""

import warnings

from histobench.training.adapters import PUBLISHED_LORA, LoraOptions, tuned_encoder

__all__ = ["PUBLISHED_LORA", "LoraOptions", "tuned_encoder"]

warnings.warn(f"{__name__} has moved: use histobench.training.adapters.", DeprecationWarning, stacklevel=2)
