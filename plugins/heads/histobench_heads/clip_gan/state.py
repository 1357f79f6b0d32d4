"""All that a run of adversarial training must remember between two ticks, and how it is kept on disk.

One safetensors file holds networks, both optimisers, the sampler's order and, in its header, the counters and numbers
reported so far: no pickle, and replaced in one step, so that a kill at any time leaves the last whole one.
"""

import json
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from histobench import FitContext, Int
from histobench.files import remove_leftovers, replacing
from histobench.training import generator as random_generator
from histobench_heads.clip_gan.discriminator import Discriminator
from histobench_heads.clip_gan.generator import Generator
from histobench_heads.clip_gan.options import ClipGanOptions

__all__ = ["CHECKPOINT_SECONDS", "GanState", "trained_part"]

CHECKPOINT_SECONDS = 5.0
"""Least time between two checkpoints; how often they are written never changes a number."""

_CHECKPOINT = "gan.safetensors"
_BETAS = (0.0, 0.99)  # clip_gan, section 6
_SHUFFLE, _SWAPS = 20_001, 20_002  # streams of randomness beside the ticks'


@dataclass(slots=True, kw_only=True)
class GanState:
    """Networks, optimisers, sampler and counters.

    Attributes
    ----------
    average
        The generator's moving average, which draws in the end.
    order
        (n,) training spots in the order in which they are shown next.
    shown
        Real images shown so far.
    history
        Numbers of every tick.
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
        """Begin a run on n training spots; the generator's parameters to train are chosen already."""
        return cls(
            generator=generator,
            discriminator=discriminator,
            average=deepcopy(generator).eval().requires_grad_(False),
            generator_adam=Adam(trained_part(generator), lr=options.generator_lr, betas=_BETAS),
            discriminator_adam=Adam(trained_part(discriminator), lr=options.d_lr, betas=_BETAS),
            order=torch.from_numpy(random_generator(seed, _SHUFFLE).permutation(n)),
        )

    def next_rows(self, batch: int, *, seed: int) -> Int:
        """Take the rows of the next batch.

        Each row that was taken changes place with one of the half of the data set that was taken before it, so that
        there are no epochs, and a row does not come twice in a short while.
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
        if context.resume is None:
            return
        path = context.resume / _CHECKPOINT
        if path.exists() and time.time() - path.stat().st_mtime < CHECKPOINT_SECONDS:
            return
        context.resume.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self._tensors()}
        with replacing(path) as partial:
            save_file(tensors, partial, {"shown": str(self.shown), "history": json.dumps(self.history)})

    def load(self, context: FitContext) -> None:
        """Go on from the checkpoint, if there is one that can be read and is of these networks."""
        path = None if context.resume is None else context.resume / _CHECKPOINT
        if path is None or not path.exists():
            return
        remove_leftovers(path.parent)
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
                facts = file.metadata() or {}
        except (OSError, SafetensorError):
            return  # a checkpoint only saves time: without it the same steps are taken again
        modules = {f"{part}.{name}": t.shape for part, m in self._modules() for name, t in m.state_dict().items()}
        if any(name not in tensors or tensors[name].shape != shape for name, shape in modules.items()):
            return
        for part, module in self._modules():
            module.load_state_dict(_within(tensors, part))
        for part, adam in self._optimisers():
            _restore(adam, _within(tensors, part))
        self.order = tensors["order"]
        self.shown, self.history = int(facts["shown"]), json.loads(facts["history"])

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("generator", self.generator), ("discriminator", self.discriminator), ("average", self.average)

    def _optimisers(self) -> tuple[tuple[str, Optimizer], ...]:
        return ("generator_adam", self.generator_adam), ("discriminator_adam", self.discriminator_adam)

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield "order", self.order
        for part, module in self._modules():
            yield from ((f"{part}.{name}", tensor) for name, tensor in module.state_dict().items())
        for part, adam in self._optimisers():
            for place, moments in adam.state_dict()["state"].items():
                yield from ((f"{part}.{place}.{name}", tensor) for name, tensor in moments.items())


def trained_part(module: nn.Module) -> list[nn.Parameter]:
    """List the parameters that are trained."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _within(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}


def _restore(adam: Optimizer, tensors: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        place, _, moment = name.partition(".")
        moments.setdefault(int(place), {})[moment] = tensor
    adam.load_state_dict({"state": moments, "param_groups": adam.state_dict()["param_groups"]})
