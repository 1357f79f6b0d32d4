"""Moved: import these names from `histobench.training.adapters`."""

import warnings

from histobench.training.adapters import PUBLISHED_LORA, LoraOptions, tuned_encoder

__all__ = ["PUBLISHED_LORA", "LoraOptions", "tuned_encoder"]

warnings.warn(
    "histobench.adapters has moved: import its names from histobench.training.adapters.", FutureWarning, stacklevel=2
)
