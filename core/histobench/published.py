"""Moved: import these names from `histobench.weights`."""

import warnings

from histobench.contracts.published import Converted, ConvertRequest, Reproduction, View, length, renamed

__all__ = ["Converted", "ConvertRequest", "Reproduction", "View", "length", "renamed"]

warnings.warn("histobench.published has moved: import its names from histobench.weights.", FutureWarning, stacklevel=2)
