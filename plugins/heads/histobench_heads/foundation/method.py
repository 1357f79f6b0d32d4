"""LinearProbing, MLP and FMMLP: heads on a pathology foundation model.

They use image features only; FMMLP is CUCA without its molecular branch. Written from the specification
``foundation_heads.md`` and from Yan et al. (2025), *Bioinformatics* (ISMB/ECCB 2025); the authors' code is GPL-3.0 and
was not consulted.

Differences from the published method
-------------------------------------
* Incomplete batches are dropped in training only; published: in validation and test too
  (``drop_last_in_validation=True`` replicates this in selection; a test spot is never left out).
* The epoch is selected on validation slides or is the last one, never on the test donor; there is no option for it.
* Embeddings have the one precision that the encoder's card names; published: half in training, single in evaluation.
* The encoder normalises as it was trained to; published: ImageNet's statistics whatever the encoder. For Virchow2, UNI,
  GigaPath and Phikon the two are the same. Normalisation belongs to the encoder, so there is no option.
* Every installed encoder can be read, at its true width; the published table lists ctranspath without a builder, and
  ResNet-50 with 512 dimensions instead of 2,048.
* A batch of a single spot, which batch normalisation cannot train on, is never made.
* Every fold starts from its own seed; published: the generator runs on from fold to fold.
* Embeddings are cached under a hash of everything that decides them; published: under encoder, split and subset.
* FMMLP returns the embedding of MLP (`MlpModule.embed`); published: it returns none.
* FMMLP with a frozen encoder reads stored embeddings: the encoder has no randomness, so they equal what it would
  compute in every step. They are of the patch that it was trained at, and the numbers are those of MLP.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from typing_extensions import override

from histobench_heads.foundation.losses import LOSSES
from histobench_heads.foundation.modules import LinearModule, MlpModule
from histobench_heads.foundation.options import LinearOptions, MlpOptions
from histobench_heads.frames.spotwise.method import Batch, Blueprint, SpotMethod
from histobench_heads.frames.spotwise.projector import make_projector

__all__ = ["LinearProbing", "Mlp"]


class LinearProbing(SpotMethod[LinearOptions]):
    """One linear layer on frozen embeddings."""

    @override
    def make_module(self, blueprint: Blueprint, backbone: nn.Module | None) -> nn.Module:
        return LinearModule(blueprint.features, len(blueprint.targets))

    @override
    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": LOSSES[self.options.loss](module(batch.images), batch.targets)}


class Mlp(SpotMethod[MlpOptions]):
    """Projector and regression on frozen embeddings (MLP), or behind an encoder (FMMLP, by its options)."""

    @override
    def make_module(self, blueprint: Blueprint, backbone: nn.Module | None) -> nn.Module:
        projector = make_projector(blueprint.features, self.options, closed=False)
        return MlpModule(projector, len(blueprint.targets), backbone)

    @override
    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": LOSSES[self.options.loss](module(batch.images), batch.targets)}
