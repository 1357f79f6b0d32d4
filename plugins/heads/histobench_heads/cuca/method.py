"""CUCA: cell-type abundances from patches, with an autoencoder of genes as companion in training; and CUCAMLP.

The latent of the image is pulled towards the latent of the spot's genes while both learn; to predict, the image is
enough. CUCA trains its encoder with them, or leaves it frozen; CUCAMLP reads frozen embeddings. Written from the
specification ``cuca.md`` and from Yan et al. (2025), *Bioinformatics* (ISMB/ECCB 2025); the authors' code is GPL-3.0
and was not consulted. The molecular branch follows the SNN of MCAT (Chen et al. 2021, ICCV) as the specification gives
it.

Differences from the published method
-------------------------------------
* Kept: the image latent of CUCA is not negative, the molecular one is signed (``align_before_relu=True`` aligns
  before the ReLU). Abundances may be negative and are scored as they are.
* Kept: RMSE has no epsilon, so that its gradient is NaN at an error of exactly zero (``rmse_epsilon``).
* Fixed: the encoder normalises as it was trained to; published: ImageNet's statistics whatever the encoder. For
  Virchow2, UNI, GigaPath and Phikon the two are the same. Normalisation belongs to the encoder, so there is no option.
* Fixed: adapters are placed by block, as the encoder lists its blocks; published: by the second part of a layer's name,
  which finds nothing in some encoders.
* Fixed: the epoch is selected on validation slides, or is the last one; published, for the lung: on the test donor. A
  method never sees test targets here, so there is no option.
* Fixed: incomplete batches are dropped in training only; published: in validation and test too
  (``drop_last_in_validation=True`` replicates the selection; a test spot is never left out).
* Fixed: frozen embeddings have one precision; published: half in training, single in evaluation
  (``half_precision_features=True`` rounds those that are trained on).
* Fixed: every fold starts from its own seed and its own list of target names.
* Dropped: a divergence of raw abundances as the main loss. As alignment it remains (``alignment="kl"``).
* Dropped: gene embeddings as the molecular input, which no published run uses.
* Without adapters the encoder is frozen, as published, and CUCA reads stored embeddings: the encoder has no randomness,
  so they equal what it would compute in every step, of the patch that it was trained at.
* The auxiliary genes are those of the fold's panel, so that as many are put in as there are: 250 on her2st.
* Loss weights are published for her2st, stnet and humanlung; other datasets take her2st's.
"""

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn
from typing_extensions import override

from histobench_heads.cuca.losses import cuca_losses
from histobench_heads.cuca.modules import CucaModule, MolecularBranch
from histobench_heads.cuca.options import MOLECULAR_WIDTHS, CompanionOptions, CucaMlpOptions, CucaOptions
from histobench_heads.frames.spotwise.method import Batch, Blueprint, SpotMethod
from histobench_heads.frames.spotwise.projector import make_projector

__all__ = ["Cuca", "CucaMlp"]

CompanionT = TypeVar("CompanionT", bound=CompanionOptions)


class _Companion(SpotMethod[CompanionT]):
    """An image branch and a molecular branch, trained together."""

    uses_auxiliary = True

    closed: bool
    """Whether norm and ReLU end the projector."""

    aligns_before_relu = False
    """Whether the image latent is aligned before that ReLU."""

    @override
    def make_module(self, blueprint: Blueprint, backbone: nn.Module | None) -> nn.Module:
        options = self.options
        projector = make_projector(blueprint.features, options, closed=self.closed)
        widths = MOLECULAR_WIDTHS[options.projection]
        return CucaModule(
            projector,
            MolecularBranch(len(blueprint.auxiliary), widths, dropout=options.dropout),
            projection=options.projection,
            n_targets=len(blueprint.targets),
            backbone=backbone,
            align_before_relu=self.aligns_before_relu,
        )

    @override
    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        genes = batch.auxiliary
        return cuca_losses(module(batch.images, genes), batch.targets, genes, options=self.options)


class Cuca(_Companion[CucaOptions]):
    """CUCA: the encoder is trained, and the image latent is not negative."""

    closed = True

    @override
    def __init__(self, options: CucaOptions) -> None:
        super().__init__(options)
        self.aligns_before_relu = options.align_before_relu


class CucaMlp(_Companion[CucaMlpOptions]):
    """CUCAMLP: heads on frozen embeddings, and a signed image latent."""

    closed = False

    @override
    def losses(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        if self.options.half_precision_features:
            batch = batch._replace(images=batch.images.half().float())
        return super().losses(module, batch)
