"""A running mean of the weights in training (``diffusion.md``, section 4)."""

from collections.abc import Iterable

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

__all__ = ["RunningMean"]


class RunningMean(nn.Module):
    """The library's running mean, with its tensors as buffers, so that the checkpoints of a fit include them.

    It never replaces the weights in training before the end; published: every checkpoint left the mean in their place.

    Parameters
    ----------
    parameters
        Its initial values.
    decay
        The largest decay: that of step n is min(n / (n + 9), decay), and 0 at the first.
    """

    steps: Tensor

    def __init__(self, parameters: Iterable[Tensor], decay: float) -> None:
        super().__init__()
        self._library = EMAModel([], decay=decay)
        for number, parameter in enumerate(parameters):
            self.register_buffer(f"mean{number}", parameter.detach().clone())
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def follow(self, parameters: Iterable[nn.Parameter]) -> None:
        """Update the mean with the weights after a step of the optimiser."""
        library = self._point()
        library.optimization_step = int(self.steps)
        library.step(parameters)
        self.steps.fill_(library.optimization_step)

    def copy_to(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the weights by the mean, after training."""
        self._point().copy_to(parameters)

    def _point(self) -> EMAModel:
        """Point the library to the buffers, which may have moved to another device."""
        self._library.shadow_params = [mean for name, mean in self.named_buffers() if name != "steps"]
        return self._library
