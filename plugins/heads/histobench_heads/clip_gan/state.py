"""All that a run of adversarial training must remember between two ticks, and how it is kept on disk.

The checkpoint holds the networks, both optimisers, the sampler's order, the counters and the numbers reported so far.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from histobench import FitContext, Int
from histobench.training import generator as random_generator
from histobench.training import load_checkpoint, save_checkpoint
from histobench_heads.clip_gan.discriminator import Discriminator
from histobench_heads.clip_gan.generator import Generator
from histobench_heads.clip_gan.options import ClipGanOptions

__all__ = ["GanState", "trained_part"]

_CHECKPOINT = "gan.ckpt"
_BETAS = (0.0, 0.99)  # clip_gan, section 6
_SHUFFLE, _SWAPS = 20_001, 20_002  # streams of randomness, separate from those of the ticks


@dataclass(slots=True, kw_only=True)
class GanState:
    """Networks, optimisers, sampler and counters.

    Attributes
    ----------
    average
        The moving average of the generator, which draws after training.
    order
        (n,) training spots in the order in which they are shown.
    shown
        Real images shown so far.
    history
        Reported numbers of every tick.
    """

    generator: Generator
    discriminator: Discriminator
    average: Generator
    generator_adam: Optimizer
    discriminator_adam: Optimizer
    order: Tensor
    shown: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def begin(
        cls, generator: Generator, discriminator: Discriminator, n: int, *, options: ClipGanOptions, seed: int
    ) -> Self:
        """Begin training on n spots; the trained parameters of the generator must be chosen before."""
        return cls(
            generator=generator,
            discriminator=discriminator,
            average=deepcopy(generator).eval().requires_grad_(False),
            generator_adam=Adam(trained_part(generator), lr=options.generator_lr, betas=_BETAS),
            discriminator_adam=Adam(trained_part(discriminator), lr=options.d_lr, betas=_BETAS),
            order=torch.from_numpy(random_generator(seed, _SHUFFLE).permutation(n)),
        )

    def next_rows(self, batch: int, *, seed: int) -> Int:
        """Return the rows of the next batch.

        Each row is then swapped with a random one of those in the preceding half of the order. There are no epochs, and
        a row does not come twice in short succession.
        """
        n = len(self.order)
        draws = random_generator(seed, _SWAPS, self.shown).integers(0, max(n // 2, 1), batch)
        rows = []
        for step, back in enumerate(draws.tolist()):
            place = (self.shown + step) % n
            other = (place - back) % n
            rows.append(int(self.order[place]))
            self.order[[place, other]] = self.order[[other, place]]
        return torch.tensor(rows).numpy()

    def save(self, context: FitContext) -> None:
        """Write a checkpoint if there is a folder for it and the last one is old enough."""
        save_checkpoint(context.resume, _CHECKPOINT, self._state)

    def load(self, context: FitContext) -> None:
        """Resume from the checkpoint, if there is one that can be read and is of these networks."""
        state = load_checkpoint(context.resume, _CHECKPOINT)
        if state is None or set(state) != set(self._state()):
            return
        if any(_shapes(state[part]) != _shapes(module.state_dict()) for part, module in self._modules()):
            return
        for part, module in self._modules():
            module.load_state_dict(state[part])
        for part, adam in self._optimisers():
            adam.load_state_dict(state[part])
        self.order, self.shown, self.history = state["order"], state["shown"], state["history"]

    def _state(self) -> dict[str, object]:
        return {
            **{part: module.state_dict() for part, module in self._modules()},
            **{part: adam.state_dict() for part, adam in self._optimisers()},
            "order": self.order,
            "shown": self.shown,
            "history": self.history,
        }

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("generator", self.generator), ("discriminator", self.discriminator), ("average", self.average)

    def _optimisers(self) -> tuple[tuple[str, Optimizer], ...]:
        return ("generator_adam", self.generator_adam), ("discriminator_adam", self.discriminator_adam)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def trained_part(module: nn.Module) -> list[nn.Parameter]:
    """List the parameters that are trained."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
