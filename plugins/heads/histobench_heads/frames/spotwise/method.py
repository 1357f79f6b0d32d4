"""The frame of every method that reads one spot at a time: batches, selection of the epoch, prediction."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import ConfigError, DataError, FitContext, Int, LabelledSamples, Mode, Prediction, Samples
from histobench.training import Fitted, Recipe, fit_module, mean_pearson, seeded, shuffled
from histobench.training.adapters import LoraOptions, tuned_encoder
from histobench_heads.frames.single_module import ModuleMethod
from histobench_heads.frames.spotwise.options import AdapterOptions, SpotOptions

__all__ = ["Batch", "Blueprint", "SpotMethod"]

OptionsT = TypeVar("OptionsT", bound=SpotOptions)

_SPOTS_AT_ONCE = 256


class Batch(NamedTuple):
    """Some training spots.

    Attributes
    ----------
    images
        (n, d) float32 embeddings, or (n, h, w, 3) uint8 patches where the encoder is trained.
    targets
        (n, t) float32.
    auxiliary
        (n, g) float32; g is 0 for a method that asked for none.
    """

    images: Tensor
    targets: Tensor
    auxiliary: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What a module is made from in addition to the options; saved with its weights.

    Attributes
    ----------
    features
        Width of the embedding.
    auxiliary
        Names of the auxiliary targets.
    seed
        Seed of random weights, also of those that stay frozen and are therefore not saved.
    """

    features: int
    targets: tuple[str, ...]
    auxiliary: tuple[str, ...]
    mode: Mode
    seed: int


class SpotMethod(ModuleMethod[Blueprint, nn.Module], Generic[OptionsT]):
    """Train a module on single spots and predict them one by one.

    A method defines its module (`make_module`) and its losses. In evaluation mode the module maps images, as a
    `Batch` has them, to (n, t) predictions.

    Attributes
    ----------
    fitted
        The course of the last fit; ``None`` before.
    """

    blueprint_type = Blueprint

    uses_auxiliary = False
    """True for a method that needs auxiliary targets in training."""

    keeps_short_batches = False
    """True for a method that trains on an incomplete last batch too, unless it is a single spot."""

    def __init__(self, options: OptionsT) -> None:
        super().__init__()
        self.options = options
        self.fitted: Fitted | None = None

    @abstractmethod
    def make_module(self, blueprint: Blueprint, backbone: nn.Module | None) -> nn.Module:
        """Make the module, its random weights drawn from torch's generator; ``backbone`` is an encoder to train."""

    @abstractmethod
    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the named losses of a training step; ``"loss"`` is minimised."""

    def begin(self, module: nn.Module, train: LabelledSamples) -> None:
        """Set statistics of the training spots in a new module before its first step; loading restores them."""

    def recipe(self) -> Recipe:
        """Return how the module is optimised."""
        return _recipe(self.options)

    def adapters(self) -> LoraOptions:
        """Return the shape of the adapters of mode ``lora``.

        Raises
        ------
        ConfigError
            If the method trains no encoder.
        """
        options: object = self.options  # only some methods have options for adapters
        if not isinstance(options, AdapterOptions):
            raise ConfigError("this method reads embeddings only; use mode 'frozen'.")
        return LoraOptions(
            rank=options.lora_rank,
            alpha=options.lora_alpha,
            dropout=options.lora_dropout,
            last_blocks=options.lora_last_blocks,
        )

    def score(self, predicted: Tensor, observed: Tensor) -> float:
        """Score (n, t) validation spots, higher is better; the epoch with the highest is kept.

        Pearson's r over the pooled spots, averaged over targets (protocol, section 7).
        """
        return mean_pearson(predicted, observed)

    def look(self, module: nn.Module, images: Tensor) -> Tensor:
        """Predict (n, t) for the result; the selection of the epoch calls the module itself."""
        predicted: Tensor = module(images)
        return predicted

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        if len(train) < 2:
            raise DataError(f"batch normalisation needs at least 2 training spots, got {len(train)}.")
        genes = train.beside.get("gene_expression")
        if self.uses_auxiliary and genes is None:
            raise DataError(
                "this method trains with gene expression in addition to its targets, and the training samples have "
                "none: use a dataset with transcript counts."
            )
        blueprint = self._blueprint = Blueprint(
            features=_features(train, context),
            targets=train.targets.names,
            auxiliary=genes.names if genes is not None and self.uses_auxiliary else (),
            mode=context.mode,
            seed=context.seed,
        )
        module = self._module = self.build(blueprint, context)
        self.begin(module, train)
        self.fitted = fit_module(
            module,
            self.losses,
            self._batches(train, context),
            recipe=self.recipe(),
            context=context,
            validate=None if val is None else self._selection(val),
        )

    @override
    def predict(self, samples: Samples) -> Prediction:
        blueprint, module = self._made()
        values = self._run(lambda images: self.look(module, images), samples, len(samples))
        return Prediction(names=blueprint.targets, values=values.numpy())

    @override
    def build(self, blueprint: Blueprint, context: FitContext) -> nn.Module:
        with seeded(blueprint.seed):
            backbone = None if blueprint.mode == "frozen" else tuned_encoder(context, self.adapters())
            return self.make_module(blueprint, backbone)

    def _batches(self, train: LabelledSamples, context: FitContext) -> Callable[[int], Iterator[Batch]]:
        targets = torch.as_tensor(train.targets.values)
        extra = train.beside.get("gene_expression") if self.uses_auxiliary else None
        auxiliary = targets[:, :0] if extra is None else torch.as_tensor(extra.values)

        def batches(epoch: int) -> Iterator[Batch]:
            drop_last = not self.keeps_short_batches
            for rows in shuffled(len(train), self.options.batch, seed=context.seed, epoch=epoch, drop_last=drop_last):
                if len(rows) < 2:
                    continue  # nothing to normalise a batch by
                yield Batch(_images(train, rows, context.mode), targets[rows], auxiliary[rows])

        return batches

    def _selection(self, val: LabelledSamples) -> Callable[[nn.Module], float]:
        n, batch = len(val), self.options.batch
        if self.options.drop_last_in_validation and n > batch:
            n -= n % batch
        observed = torch.as_tensor(val.targets.values[:n])
        return lambda module: self.score(self._run(module, val, n), observed)

    def _run(self, predict: Callable[[Tensor], Tensor], samples: Samples, n: int) -> Tensor:
        """Predict the first ``n`` spots: (n, t) float32 on the CPU."""
        blueprint, module = self._made()
        device = next(module.parameters()).device
        parts = []
        with torch.no_grad():
            for start in range(0, n, _SPOTS_AT_ONCE):
                rows = np.arange(start, min(start + _SPOTS_AT_ONCE, n))
                parts.append(predict(_images(samples, rows, blueprint.mode).to(device)).float().cpu())
        return torch.cat(parts)


def _features(train: Samples, context: FitContext) -> int:
    if context.mode != "frozen" and context.encoder is not None:
        return context.encoder.dim
    return int(_images(train, np.arange(1), "frozen").shape[1])


def _images(samples: Samples, rows: Int, mode: Mode) -> Tensor:
    who = f"an encoder in mode {mode!r}"
    return torch.as_tensor((samples.need_embeddings(who) if mode == "frozen" else samples.need_patches(who))[rows])


def _recipe(options: SpotOptions) -> Recipe:
    return Recipe(
        epochs=options.epochs,
        lr=options.lr,
        weight_decay=options.weight_decay,
        schedule=options.schedule,
        accumulate=options.accumulate,
    )
