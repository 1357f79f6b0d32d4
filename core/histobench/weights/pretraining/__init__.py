"""Self-supervised training of an encoder on own slides, for `histobench pretrain`.

`corpus` collects the patches, `views` augments them, `objectives` defines the losses, `loop` trains, and `making`
writes a file of weights that lists the slides it was trained on.
"""

from histobench.weights.pretraining.corpus import Choice
from histobench.weights.pretraining.loop import Budget
from histobench.weights.pretraining.making import Asked, make_weights
from histobench.weights.pretraining.options import OPTIONS, settle_options

__all__ = ["OPTIONS", "Asked", "Budget", "Choice", "make_weights", "settle_options"]
