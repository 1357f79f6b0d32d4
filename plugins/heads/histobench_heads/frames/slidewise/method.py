"""The frame of every method that reads one whole slide at a time: slides, selection, prediction, saving."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import DataError, FitContext, Float, Int, LabelledSamples, Prediction, Samples
from histobench.training import Fitted, Recipe, fit_module, mean_pearson, seeded, shuffled
from histobench_heads.frames.single_module import ModuleMethod
from histobench_heads.frames.slidewise.options import SlideOptions
from histobench_heads.frames.slidewise.slides import SlideBatch, read_slide

__all__ = ["SlideBlueprint", "SlideMethod"]

OptionsT = TypeVar("OptionsT", bound=SlideOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideBlueprint:
    """What a module is made from, in addition to the options; saved with its weights.

    Attributes
    ----------
    targets
        Names of the predicted targets.
    beside
        Which of the auxiliary targets in `SlideMethod.uses` the training samples had.
    """

    targets: tuple[str, ...]
    beside: tuple[str, ...] = ()


class SlideMethod(ModuleMethod[SlideBlueprint, nn.Module], Generic[OptionsT]):
    """Train a module on whole slides, one slide per step, and predict each slide as a whole.

    A method implements `make_module`. It overrides `run` if its module takes more than patches and positions, and
    `losses` if it has more than the squared error.

    Attributes
    ----------
    fitted
        The history of the last fit; ``None`` before.
    """

    blueprint_type = SlideBlueprint

    uses: ClassVar[tuple[str, ...]] = ()
    """Auxiliary targets that the method trains with where the samples have them (`histobench.data.Auxiliary`)."""

    def __init__(self, options: OptionsT) -> None:
        super().__init__()
        self.options = options
        self.fitted: Fitted | None = None

    @abstractmethod
    def make_module(self, blueprint: SlideBlueprint) -> nn.Module:
        """Make the module; its random weights are drawn from torch's generator."""

    def edges(self, array: Int) -> Int:
        """Link the spots of one slide, at (n, 2) lattice positions: (2, e) source and target; none by default."""
        del array
        return np.empty((2, 0), dtype=np.int64)

    def run(self, module: nn.Module, batch: SlideBatch) -> Tensor:
        """Predict one slide's (n, t) targets."""
        predicted: Tensor = module(batch.patches, batch.positions)
        return predicted

    def losses(self, module: nn.Module, batch: SlideBatch) -> Mapping[str, Tensor]:
        """Compute the named losses of a training step; ``"loss"`` is minimised."""
        return {"loss": functional.mse_loss(self.run(module, batch), batch.targets)}

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        for slide, rows in train.by_slide():
            if len(rows) < 2:
                raise DataError(f"slide {slide!r} has a single spot; a training slide needs 2: leave it out.")
        beside = tuple(name for name in self.uses if name in train.beside)
        self._blueprint = SlideBlueprint(targets=train.targets.names, beside=beside)
        self._module = self.build(self._blueprint, context)
        self.fitted = fit_module(
            self._module,
            self.losses,
            self._batches(train, context.seed),
            recipe=Recipe(
                epochs=self.options.epochs,
                lr=self.options.lr,
                weight_decay=self.options.weight_decay,
                schedule=self.options.schedule,
            ),
            context=context,
            validate=None if val is None else self._selection(val),
        )

    @override
    def predict(self, samples: Samples) -> Prediction:
        blueprint, module = self._made()
        values = self._predict(module, samples, self._slides(samples))
        return Prediction(names=blueprint.targets, values=values.numpy())

    @override
    def build(self, blueprint: SlideBlueprint, context: FitContext) -> nn.Module:
        with seeded(context.seed):
            return self.make_module(blueprint)

    def _slides(self, samples: Samples) -> list[tuple[Int, Int]]:
        """List the rows and the links of each slide; they are the same in every epoch."""
        return [(rows, self.edges(samples.array[rows])) for _, rows in samples.by_slide()]

    def _batches(self, train: LabelledSamples, seed: int) -> Callable[[int], Iterator[SlideBatch]]:
        names = self._made()[0].beside
        slides = self._slides(train)

        def batches(epoch: int) -> Iterator[SlideBatch]:
            for chosen in shuffled(len(slides), 1, seed=seed, epoch=epoch, drop_last=False):
                rows, edges = slides[chosen[0]]
                yield read_slide(train, rows, self.options, edges=edges)._replace(
                    targets=_tensor(train.targets.values[rows]),
                    beside={name: _tensor(train.beside[name].values[rows]) for name in names},
                )

        return batches

    def _selection(self, val: LabelledSamples) -> Callable[[nn.Module], float]:
        """Score by Pearson's r over the pooled validation spots, averaged over targets (protocol, section 7)."""
        observed = _tensor(val.targets.values)
        slides = self._slides(val)
        return lambda module: mean_pearson(self._predict(module, val, slides), observed)

    def _predict(self, module: nn.Module, samples: Samples, slides: list[tuple[Int, Int]]) -> Tensor:
        """Predict all spots, each slide as a whole: (n, t) float32 on the CPU."""
        device = next(module.parameters()).device
        values = torch.empty(len(samples), len(self._made()[0].targets))
        with torch.no_grad():
            for rows, edges in slides:
                patches, positions, links, targets, _ = read_slide(samples, rows, self.options, edges=edges)
                batch = SlideBatch(patches.to(device), positions.to(device), links.to(device), targets, {})
                values[torch.from_numpy(rows)] = self.run(module, batch).float().cpu()
        return values


def _tensor(values: Float) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
