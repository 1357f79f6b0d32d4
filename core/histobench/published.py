"""Moved: import these names from `histobench.weights`."""

import warnings

from histobench.contracts.published import Converted, ConvertRequest, Reproduction, View, length, renamed

__all__ = ["ConvertRequest", "Converted", "Reproduction", "View", "length", "renamed"]

warnings.warn(f"{__name__} has moved: use histobench.weights.", DeprecationWarning, stacklevel=2)
