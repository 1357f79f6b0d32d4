"""hist2RNA: expression of a whole tissue from the mean of its patches' embeddings, here applied to single spots.

Mondol et al. (2023), Cancers 15:2569; authors' code https://github.com/raktim-mondol/hist2RNA (MIT). Written from
section 13 of ``hist2scrna.md`` and from ``expression_protocol.md``. No checkpoint is published.

Differences from the published method
-------------------------------------
* A bag is a contiguous part of one slide with at most ``bag_spots`` spots, cut along another direction every epoch, and
  its target is the mean of its spots' targets. Published: up to 1,000 patches of a patient and a bulk measurement.
* A spot is predicted from its own embedding, which is weak supervision: the value of a single spot is never a target.
  ``predict="bag"`` predicts all spots of a bag from its mean, as the publication does for a patient.
* The panel's unit is ln(1 + counts per 10,000), not log2(1 + expression); abundances can be predicted just as well.
* Selected and stopped on validation slides by the error of their bags; published: on 10 % of the patients. Without
  validation slides the last epoch is kept.
* Any frozen encoder with its own transform; published: one of seven of torchvision after
  Macenko's normalisation, whose code cannot run as published (missing imports; references of a natural logarithm used
  with a decimal one). The end-to-end form, which trains the encoder with batch statistics of single patients, is left
  out; ``standardise=True`` and ``start_at_mean=True`` are ours.
* Kept: a sequence of length one uses only the central of the first convolution's five taps; weight decay alone changes
  the other four.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import FitContext, Float, Int, LabelledSamples, Prediction, Samples
from histobench.training import Recipe, fit_module, generator, seeded
from histobench_heads.frames.neighbourhoods import contiguous_parts
from histobench_heads.frames.single_module import ModuleMethod
from histobench_heads.hist2rna.options import Hist2RnaOptions

__all__ = ["BagBatch", "BulkHead", "Hist2Rna", "bag_means"]


class BagBatch(NamedTuple):
    """Mean embeddings, (b, d), and mean targets, (b, t), of b bags."""

    embeddings: Tensor
    targets: Tensor


class BulkHead(nn.Module):
    """Three convolutions over a sequence of length one, and a linear layer; sub-modules carry the published names.

    Parameters
    ----------
    dim
        Width d of the embedding.
    standardise
        Standardise by the training embeddings' mean and deviation, which `measure` sets.
    """

    def __init__(self, dim: int, n_targets: int, *, standardise: bool = False) -> None:
        super().__init__()
        self.standardise = standardise
        if standardise:
            self.register_buffer("middle", torch.zeros(dim))
            self.register_buffer("spread", torch.ones(dim))
        self.c1 = nn.Sequential(nn.Conv1d(dim, 256, kernel_size=5, padding=2), nn.ReLU())
        self.c2 = nn.Sequential(nn.Conv1d(256, 512, kernel_size=1), nn.ReLU())
        self.c3 = nn.Sequential(nn.Conv1d(512, 512, kernel_size=1), nn.ReLU())
        self.output = nn.Sequential(nn.Linear(512, n_targets))

    def measure(self, embeddings: Tensor) -> None:
        """Set the mean and deviation of (n, d) embeddings, if the head standardises."""
        if self.standardise:
            self.middle, self.spread = embeddings.mean(dim=0), embeddings.std(dim=0).clamp(min=1e-6)

    @torch.no_grad()
    def start_at(self, targets: Tensor) -> None:
        """Set the output's bias to the mean of (n, t) targets."""
        self.output[-1].get_parameter("bias").copy_(targets.mean(dim=0))

    @override
    def forward(self, embeddings: Tensor) -> Tensor:
        """Predict (b, t) from (b, d) embeddings, of bags or of spots."""
        if self.standardise:
            embeddings = (embeddings - self.middle) / self.spread
        mixed = self.c3(self.c2(self.c1(embeddings.unsqueeze(2))))
        predicted: Tensor = self.output(mixed.mean(dim=2))
        return predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """Names of the targets and width of the embedding."""

    names: tuple[str, ...]
    dim: int


class Hist2Rna(ModuleMethod[Blueprint, BulkHead]):
    """Learn from bags of spots; predict spots."""

    blueprint_type = Blueprint

    def __init__(self, options: Hist2RnaOptions) -> None:
        super().__init__()
        self.options = options

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        embeddings, targets = train.need_embeddings("hist2rna"), train.targets.values
        blueprint = self._blueprint = Blueprint(names=train.targets.names, dim=embeddings.shape[1])
        module = self._module = self.build(blueprint, context)
        module.measure(torch.as_tensor(embeddings, dtype=torch.float32))
        if self.options.start_at_mean:
            module.start_at(torch.as_tensor(targets, dtype=torch.float32))

        def batches(epoch: int) -> Iterator[BagBatch]:
            draws = generator(context.seed, epoch)
            bags = contiguous_parts(train, self.options.bag_spots, angle=draws.uniform(0, math.pi / 2))
            order = draws.permutation(len(bags))
            for start in range(0, len(bags), self.options.batch):
                some = [bags[i] for i in order[start : start + self.options.batch]]
                yield BagBatch(bag_means(embeddings, some), bag_means(targets, some))

        fit_module(
            module,
            _loss,
            batches,
            recipe=Recipe(
                epochs=self.options.epochs,
                lr=self.options.lr,
                weight_decay=self.options.weight_decay,
                patience=self.options.patience,
            ),
            context=context,
            validate=None if val is None else self._selection(val),
        )

    @override
    def predict(self, samples: Samples) -> Prediction:
        (blueprint, module), embeddings = self._made(), samples.need_embeddings("hist2rna")
        if self.options.predict == "spot":
            return Prediction(names=blueprint.names, values=_run(module, torch.as_tensor(embeddings)))
        bags = contiguous_parts(samples, self.options.bag_spots)
        rows = np.concatenate(bags)
        values = np.repeat(_run(module, bag_means(embeddings, bags)), [len(bag) for bag in bags], axis=0)
        return Prediction(names=blueprint.names, values=values[np.argsort(rows)])

    @override
    def build(self, blueprint: Blueprint, context: FitContext) -> BulkHead:
        with seeded(context.seed):
            return BulkHead(blueprint.dim, len(blueprint.names), standardise=self.options.standardise)

    def _selection(self, val: LabelledSamples) -> Callable[[nn.Module], float]:
        """Return the score: the negative mean squared error of the validation bags."""
        bags = contiguous_parts(val, self.options.bag_spots)
        embeddings, targets = bag_means(val.need_embeddings("hist2rna"), bags), bag_means(val.targets.values, bags)
        return lambda module: -float(np.square(_run(module, embeddings) - targets.numpy()).mean())


def bag_means(values: Float, bags: list[Int], /) -> Tensor:
    """Average (n, w) values over each of b bags of rows: (b, w) float32."""
    return torch.from_numpy(np.stack([values[bag].mean(axis=0, dtype=np.float64) for bag in bags]).astype(np.float32))


def _loss(module: nn.Module, batch: BagBatch) -> dict[str, Tensor]:
    return {"loss": functional.mse_loss(module(batch.embeddings), batch.targets)}


@torch.no_grad()
def _run(module: nn.Module, embeddings: Tensor) -> Float:
    device = next(module.parameters()).device
    predicted: Float = module(embeddings.float().to(device)).float().cpu().numpy()
    return predicted
