"""Self-supervised training of an encoder on one's own slides: what `histobench pretrain` does.

`corpus` gathers the patches, `views` varies them, `objectives` says what is minimised, `loop` minimises it, and
`making` turns all that into a file of weights that says whose slides it has seen.
"""

from histobench.weights.pretraining.corpus import Choice
from histobench.weights.pretraining.loop import Budget
from histobench.weights.pretraining.making import Asked, make_weights
from histobench.weights.pretraining.options import OPTIONS, settle_options

__all__ = ["OPTIONS", "Asked", "Budget", "Choice", "make_weights", "settle_options"]
