"""Weights: where they are, how foreign files are read and converted, which encoder fills a slot, pretraining.

The names that plugins use are imported when they are first used: finding a file loads no torch.
"""

from typing import TYPE_CHECKING

from histobench.exports import exports

if TYPE_CHECKING:
    from histobench.contracts.published import Converted, ConvertRequest, Reproduction, View, length, renamed
    from histobench.weights.facts import FACTS_KEY, PretrainedFacts, read_facts
    from histobench.weights.foreign import read_foreign
    from histobench.weights.locate import find_file, find_weights, locate_weights, weights_hash, weights_root
else:
    __getattr__ = exports(
        __name__,
        {
            "histobench.contracts.published": "ConvertRequest Converted Reproduction View length renamed",
            "histobench.weights.facts": "FACTS_KEY PretrainedFacts read_facts",
            "histobench.weights.foreign": "read_foreign",
            "histobench.weights.locate": "find_file find_weights locate_weights weights_hash weights_root",
        },
    )

__all__ = [
    "FACTS_KEY", "ConvertRequest", "Converted", "PretrainedFacts", "Reproduction", "View", "find_file", "find_weights",
    "length", "locate_weights", "read_facts", "read_foreign", "renamed", "weights_hash", "weights_root",
]  # fmt: skip
