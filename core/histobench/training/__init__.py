"""The one training loop, on Lightning Fabric, short enough to read, and its parts for methods with a loop of their own.

A method brings a module, its batches and ``step(module, batch)``, which returns named losses; the loop owns devices,
precision, accumulation, schedules, selection on validation slides, early stopping, checkpoints and resume.

Randomness has one source, ``context.seed``: every epoch reseeds torch from (seed, epoch) inside a fork of its
generator. So a fit that is resumed after a kill takes the same steps as an uninterrupted one, and no other generator
changes.
"""

from typing import TYPE_CHECKING

from histobench.exports import exports

if TYPE_CHECKING:
    from histobench.training.augmentation import (
        SYMMETRIES,
        ColourJitter,
        Symmetry,
        jitter_colours,
        mean_over_symmetries,
        mirror_and_turn,
        turn_at_random,
    )
    from histobench.training.checkpoints import Fitted, load_checkpoint, save_checkpoint
    from histobench.training.loop import Batch, Step, fit_module
    from histobench.training.measures import mean_pearson, root_mean_square
    from histobench.training.randomness import generator, seeded, shuffled
    from histobench.training.recipes import Recipe
    from histobench.training.weights import compare_states, load_weights, save_weights
else:
    __getattr__ = exports(
        __name__,
        {
            "histobench.training.augmentation": (
                "SYMMETRIES ColourJitter Symmetry jitter_colours mean_over_symmetries mirror_and_turn turn_at_random"
            ),
            "histobench.training.checkpoints": "Fitted load_checkpoint save_checkpoint",
            "histobench.training.loop": "Batch Step fit_module",
            "histobench.training.measures": "mean_pearson root_mean_square",
            "histobench.training.randomness": "generator seeded shuffled",
            "histobench.training.recipes": "Recipe",
            "histobench.training.weights": "compare_states load_weights save_weights",
        },
    )

__all__ = [
    "SYMMETRIES", "Batch", "ColourJitter", "Fitted", "Recipe", "Step", "Symmetry", "compare_states",
    "fit_module", "generator",
    "jitter_colours", "load_checkpoint", "load_weights", "mean_over_symmetries", "mean_pearson", "mirror_and_turn",
    "root_mean_square", "save_checkpoint", "save_weights", "seeded", "shuffled", "turn_at_random",
]  # fmt: skip
