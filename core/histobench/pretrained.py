"""Moved: import these names from `histobench.weights.facts`."""

import warnings

from histobench.weights.facts import FACTS_KEY, PretrainedFacts, read_facts

__all__ = ["FACTS_KEY", "PretrainedFacts", "read_facts"]

warnings.warn(
    "histobench.pretrained has moved: import its names from histobench.weights.facts.", FutureWarning, stacklevel=2
)
