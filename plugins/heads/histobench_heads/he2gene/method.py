"""HE2Gene: a panel of genes from one patch, trained together with all other genes and with the tumour label.

HE2Gene-Base is ResNet-50 with three linear heads. HE2Gene-Spat is the same network, trained with a term that pulls the
prediction for a spot to the mean of its neighbours with the same label. Both predict single spots: neighbours are used
in training alone. Chen et al. (2024), *Bioinformatics* 40; the authors' code (``Microbiods/HE2Gene``) is MIT. Written
from the specification ``he2gene.md`` alone; their code was not consulted.

The other genes and the label are returned with the prediction (``other_genes``, ``label``). The tumour head outputs one
probability p: the tumour classes share p equally, and the other classes share 1 - p equally.

Differences from the published method
-------------------------------------
* The 250 genes are the fold's panel and the other genes those seen in its training slides; published: fixed lists.
* Fixed (9.9): the epoch is selected on validation patches without augmentation, by the error of the predicted genes
  over all their spots. Published, and not available here: on a tenth of the training spots, which are neighbours of the
  others, unseeded and augmented, by the mean of batch means. Without validation slides the last epoch is kept.
* Fixed (9.10): by default the network sees neither black patches in place of missing neighbours nor neighbours with
  another label, because they do not enter the loss; ``missing="black"`` shows it all nine. Seeds of a step are
  adjacent, or random with ``contiguous=False``. Batch normalisation is over other spots either way.
* Fixed (9.11): neighbours are training spots only. They are those of the capture lattice: six on a hexagonal one.
* Fixed (9.12): the average at test time is chosen in advance, ``tta``; ``average`` has all four.
* Fixed (9.16, 9.18): a last batch of one spot, and missing neighbours, cannot break the loss.
* Expression of a spot without counts is zero; published: NaN.
* A spot without a label does not enter the loss of the label and has no neighbours; published: every spot has one.
  Without labels in the dataset, or without tumour among them, Base trains on genes alone.
* Channel statistics are measured on the fold's training patches; published: constants, which converted weights have.
* The window is 101 µm if the slide gives its pixel size; published: 150 pixels.
* The windows of ``grid`` are cut from the widest, which is read once (`windows`); published: each is read from the
  slide.
* Entropies are computed from logits; published: from probabilities.
* Left out: the raw log1p target, the other losses, neighbours without a gradient, networks with a single head (any
  encoder fits the slot), and tiling a slide without spots. The defects of the command line (9.1-9.8, 9.13-9.15, 9.17,
  9.19-9.22) do not apply here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from histobench import ConfigError, DataError, FitContext, LabelledSamples, Prediction, Samples
from histobench.training import Fitted, Recipe, fit_module, seeded, turn_at_random
from histobench.training.adapters import tuned_encoder
from histobench_heads.frames.neighbourhoods import Subgraph
from histobench_heads.frames.normalisation import PixelStatistics
from histobench_heads.frames.single_module import ModuleMethod
from histobench_heads.he2gene.batches import alone, with_neighbours
from histobench_heads.he2gene.labels import Annotation, LabelPlan
from histobench_heads.he2gene.loading import SPOTS_AT_ONCE, WHO, Loader, Middle, Selection
from histobench_heads.he2gene.losses import Batch, he2gene_losses
from histobench_heads.he2gene.network import He2GeneNetwork, He2GeneOutput
from histobench_heads.he2gene.options import He2GeneOptions, He2GeneSpatOptions
from histobench_heads.he2gene.windows import views

__all__ = ["Blueprint", "He2Gene", "He2GeneSpat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What a network is made from, in addition to the options; saved with its weights.

    Attributes
    ----------
    features
        Width of the embedding.
    targets, others, classes
        Names of the outputs of the heads; no other genes and no classes if the dataset has none.
    tumour
        Which of the classes are tumour.
    seed
        Of the random weights.
    """

    features: int
    targets: tuple[str, ...]
    others: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    tumour: tuple[str, ...] = ()
    seed: int = 0


class He2Gene(ModuleMethod[Blueprint, He2GeneNetwork]):
    """HE2Gene-Base.

    Attributes
    ----------
    fitted
        The history of the last fit; ``None`` before.
    """

    blueprint_type = Blueprint

    def __init__(self, options: He2GeneOptions) -> None:
        super().__init__()
        self.options = options
        self.fitted: Fitted | None = None

    def make_network(self, blueprint: Blueprint, backbone: nn.Module) -> He2GeneNetwork:
        """Make the network; its heads are drawn from torch's generator."""
        return He2GeneNetwork(
            backbone,
            blueprint.features,
            n_targets=len(blueprint.targets),
            n_others=len(blueprint.others),
            n_labels=self._plan(blueprint).n_outputs,
            pixels=PixelStatistics() if self.options.statistics == "training" else None,
        )

    def parts(
        self,
        train: LabelledSamples,
        annotation: Annotation,  # noqa: ARG002 -- used by the spatial variant
        seed: int,
    ) -> Callable[[int], Iterator[Subgraph]]:
        """Return a function from an epoch to its batches: which spots share a step."""
        return alone(len(train), self.options.batch, seed)

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        if len(train) < 2:
            raise DataError(f"batch normalisation needs at least 2 training spots, got {len(train)}.")
        if context.encoder is None:
            raise ConfigError("he2gene trains its encoder, and there is none; use mode 'full'.")
        patches = train.need_patches(WHO)
        blueprint = self._read_blueprint(train, context.encoder.dim, context.seed)
        network = self.build(blueprint, context)
        if network.pixels is not None:
            network.pixels.measure(Middle(patches, self.options.patch_px))
        if self.options.start_at_mean:
            others = train.beside.get("other_genes")
            network.start_at(train.targets.values.mean(axis=0), None if others is None else others.values.mean(axis=0))
        annotation = self._plan(blueprint).annotate(train.beside.get("label"), len(train))
        load = Loader(patches, train, annotation, self.options.patch_px)
        parts = self.parts(train, annotation, context.seed)
        self._blueprint, self._module = blueprint, network
        self.fitted = fit_module(
            network,
            self._step,
            lambda epoch: map(load, parts(epoch)),
            recipe=_recipe(self.options),
            context=context,
            validate=None if val is None else Selection(val, self.options.patch_px),
        )

    @override
    def predict(self, samples: Samples) -> Prediction:
        blueprint, network = self._made()
        patches = samples.need_patches(WHO)
        found = [
            self._look(network, torch.as_tensor(patches[np.arange(start, min(start + SPOTS_AT_ONCE, len(samples)))]))
            for start in range(0, len(samples), SPOTS_AT_ONCE)
        ]
        targets, others, label = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        beside = {}
        if blueprint.others:
            beside["other_genes"] = Prediction(names=blueprint.others, values=others)
        if label.shape[1]:
            beside["label"] = Prediction(names=blueprint.classes, values=self._plan(blueprint).spread(label))
        return Prediction(names=blueprint.targets, values=targets, beside=beside)

    def _read_blueprint(self, train: LabelledSamples, features: int, seed: int) -> Blueprint:
        others, label = train.beside.get("other_genes"), train.beside.get("label")
        classes = label.names if label is not None else ()
        return Blueprint(
            features=features,
            targets=train.targets.names,
            others=others.names if others is not None else (),
            classes=classes,
            tumour=tuple(name for name in classes if name in self.options.tumour),
            seed=seed,
        )

    def _plan(self, blueprint: Blueprint) -> LabelPlan:
        return LabelPlan(classes=blueprint.classes, tumour=blueprint.tumour, head=self.options.label_head)

    @override
    def build(self, blueprint: Blueprint, context: FitContext) -> He2GeneNetwork:
        with seeded(blueprint.seed):
            return self.make_network(blueprint, tuned_encoder(context))

    def _step(self, module: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        patches = turn_at_random(batch.patches) if self.options.augment else batch.patches
        return he2gene_losses(module(patches, len(batch.targets)), batch, options=self.options)

    @torch.no_grad()
    def _look(self, network: He2GeneNetwork, patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Average over the views of n patches: (n, t) targets, (n, g) other genes, (n, c) probabilities."""
        patches = patches.to(next(network.parameters()).device)
        outputs = [self._read(network(view)) for view in views(patches, self.options.average, self.options.patch_px)]
        targets, others, label = (torch.stack(part).mean(dim=0).float().cpu() for part in zip(*outputs, strict=True))
        return targets, others, label

    def _read(self, output: He2GeneOutput) -> tuple[Tensor, Tensor, Tensor]:
        tumour = self.options.label_head == "tumour"
        return output.targets, output.others, output.label.sigmoid() if tumour else output.label.softmax(dim=1)


class He2GeneSpat(He2Gene):
    """HE2Gene-Spat: the same network; in training each spot is pulled to its neighbours with the same label."""

    def __init__(self, options: He2GeneSpatOptions) -> None:
        super().__init__(options)
        self._spatial = options

    @override
    def parts(self, train: LabelledSamples, annotation: Annotation, seed: int) -> Callable[[int], Iterator[Subgraph]]:
        if "label" not in train.beside:
            raise DataError(
                "he2gene-spat pulls spots to neighbours with the same label, and the training samples have no labels; "
                "use a dataset with labels, or he2gene-base."
            )
        return with_neighbours(train, annotation.groups, self._spatial, seed)


def _recipe(options: He2GeneOptions) -> Recipe:
    return Recipe(
        epochs=options.epochs,
        lr=options.lr,
        weight_decay=options.weight_decay,
        schedule="step",
        decay=options.decay,
        decay_epochs=options.decay_epochs,
        clip=options.clip,
        patience=options.patience,
    )
