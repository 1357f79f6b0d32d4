"""A running mean of the weights that training keeps beside them (``diffusion.md``, section 4)."""

from collections.abc import Iterable

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

__all__ = ["RunningMean"]


class RunningMean(nn.Module):
    """The library's running mean, its tensors kept as buffers, so that the checkpoints of a fit hold them.

    The weights in training are never replaced by it, neither when a checkpoint is written nor at any other time
    before the end: published, every checkpoint left the mean in their place.

    Parameters
    ----------
    parameters
        Where it starts.
    decay
        The largest: that of step n is min(n / (n + 9), decay), and 0 at the first.
    """

    steps: Tensor

    def __init__(self, parameters: Iterable[Tensor], decay: float) -> None:
        super().__init__()
        self._library = EMAModel([], decay=decay)
        for number, parameter in enumerate(parameters):
            self.register_buffer(f"mean{number}", parameter.detach().clone())
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def follow(self, parameters: Iterable[nn.Parameter]) -> None:
        """Take in the weights after a step of the optimiser."""
        library = self._point()
        library.optimization_step = int(self.steps)
        library.step(parameters)
        self.steps.fill_(library.optimization_step)

    def copy_to(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the mean in the place of the weights; once training is over."""
        self._point().copy_to(parameters)

    def _point(self) -> EMAModel:
        """Let the library work on the buffers, wherever they are by now."""
        self._library.shadow_params = [mean for name, mean in self.named_buffers() if name != "steps"]
        return self._library
