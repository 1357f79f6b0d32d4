"""ST-Net: gene expression, or cell abundance, from one patch by DenseNet-121, every layer of it trained.

He et al. (2020), *Nature Biomedical Engineering* 4:827–834; the authors' code states MIT in its metadata. The settings
for cell abundance are those of the comparison in Yan et al. (2025), CUCA, *Bioinformatics*; GPL-3.0. Written from the
specification ``stnet.md``; neither code was consulted.

Both published baselines are here. Preset ``paper``, the default for gene expression, is the original. Preset ``cuca``,
the default for cell abundance, is the adaptation: no augmentation, no averaging over symmetries, no start at the mean,
and a learning rate 10⁴ times higher.

Differences from the published method
-------------------------------------
* Selection: the original trains four inner models on the training patients, takes the epoch of smallest total squared
  error on their held-out patients and retrains on all training patients up to it. Here the epoch of smallest squared
  error on the fold's validation slides is kept, or the last one; validation patients are not trained on.
* The adaptation selects the lung's epoch on the test donor; a method never sees test targets here.
* Fixed: the genes predicted are chosen on the training slides; published: on the whole set, test patient included.
* The unit is the platform's, ln(1 + 10⁴ c / Z) for count c of Z in a spot; published: ln((1 + c) / (n + Z)), n genes.
* Fixed: channel statistics are computed once over all training patches and stored with the weights; published: of 12
  batches drawn at random, and stored nowhere.
* All spots with the target are used; published: those in the tumour annotation table whose window is inside the image.
* Kept: a patch is centred on the nearest pixel.
* Kept: RMSE in preset ``cuca`` has a gradient that grows as the error falls.
* A last batch of a single spot is left out, because batch normalisation cannot be trained on it.
* Dropped: colour jitter, crops from a larger window and masks of genes, all off in the published runs.
* The module can return the pooled features (`StNetModule.embed`); published: it cannot, and the evaluation crashes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import ConfigError, LabelledSamples
from histobench.training import Recipe, mean_over_symmetries, mean_pearson, root_mean_square, turn_at_random
from histobench.training.adapters import PUBLISHED_LORA, LoraOptions
from histobench_heads.frames.normalisation import PixelStatistics
from histobench_heads.frames.spotwise.method import Batch, Blueprint, SpotMethod
from histobench_heads.stnet.module import StNetModule
from histobench_heads.stnet.options import StNetOptions

__all__ = ["StNet", "sum_of_mean_squares"]


class StNet(SpotMethod[StNetOptions]):
    """One patch, one DenseNet, one linear layer."""

    keeps_short_batches = True

    @override
    def make_module(self, blueprint: Blueprint, backbone: nn.Module | None) -> nn.Module:
        if backbone is None:
            raise ConfigError("stnet trains its encoder; use mode 'full'.")
        pixels = PixelStatistics() if self.options.statistics == "training" else None
        return StNetModule(backbone, blueprint.features, len(blueprint.targets), pixels)

    @override
    def begin(self, module: nn.Module, train: LabelledSamples) -> None:
        if not isinstance(module, StNetModule) or train.patches is None:
            return
        if module.pixels is not None:
            module.pixels.measure(train.patches)
        if self.options.start_at_mean:
            module.start_at(train.targets.values.mean(axis=0))

    @override
    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        patches = turn_at_random(batch.images) if self.options.augment else batch.images
        predicted = module(patches)
        if self.options.loss == "sum":
            return {"loss": sum_of_mean_squares(predicted, batch.targets)}
        if self.options.loss == "mse":
            return {"loss": functional.mse_loss(predicted, batch.targets)}
        return {"loss": root_mean_square(predicted, batch.targets)}

    @override
    def recipe(self) -> Recipe:
        options = self.options
        return Recipe(
            epochs=options.epochs,
            lr=options.lr,
            optimiser="sgd",
            weight_decay=options.weight_decay,
            schedule=options.schedule,
            accumulate=options.accumulate,
        )

    @override
    def adapters(self) -> LoraOptions:
        return PUBLISHED_LORA  # unused in mode 'full', the only one

    @override
    def score(self, predicted: Tensor, observed: Tensor) -> float:
        if self.options.selection == "pearson":
            return mean_pearson(predicted, observed)
        return -float(torch.sum((predicted - observed).double() ** 2))

    @override
    def look(self, module: nn.Module, images: Tensor) -> Tensor:
        if self.options.average:
            return mean_over_symmetries(module, images)
        return super().look(module, images)


def sum_of_mean_squares(predicted: Tensor, observed: Tensor, /) -> Tensor:
    """Sum over the n rows of (n, t) the mean squared error over targets: n times the mean squared error."""
    return torch.sum(torch.mean((predicted - observed) ** 2, dim=1))
