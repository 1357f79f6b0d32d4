"""Moved: import these names from `histobench.weights.facts`."""

import warnings

from histobench.weights.facts import FACTS_KEY, PretrainedFacts, read_facts

__all__ = ["FACTS_KEY", "PretrainedFacts", "read_facts"]

warnings.warn(f"{__name__} has moved: use histobench.weights.", DeprecationWarning, stacklevel=2)
