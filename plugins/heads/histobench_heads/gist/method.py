"""GIST: measured expression and a patch's embedding in, denoised expression and a fused latent out.

Authors' repository https://github.com/lengjk1214/GIST (2024-2025, no licence). Written from ``gist.md`` and
``expression_protocol.md``.

Differences from the published method
-------------------------------------
* Scored on held-out data, which its authors did not do: it receives nine tenths of the molecules, with some entries
  of the panel set to zero, and learns to rebuild these zeros like any others.
* The input has every gene seen on the training slides; published: every gene of the file.
* ``fit_on="own"`` trains on the input of the section that is enhanced, as published; there are no labels.
  Published: four or more fields of view are graphs of one training. Here each section has its own network, so that a
  result does not depend on the sections predicted with it. ``fit_on="training"`` is the joint training, on the training
  sections, applied to unseen sections; validation slides are not used.
* The weights of the last epoch are kept (published: nine checkpoints, all compared with the labels; defect 6).
* Initial weights, and the order of sections in an epoch, are drawn from the job's seed (published: 1234 for all).
* Radius: 1.5 times the section's median distance to the nearest spot, because radii in pixels are
  meaningful for four data sets only. The published radii, for data sets of known pixel size, are options of the card.
* Any frozen encoder, with its own transform, at the magnification that it was trained at; published: CTransPath, UNI or
  Virchow2 on 240 pixels of the image without their own normalisation, 120 near two of
  the borders (defects 4, 16, 17).
* Attention in widening layers is computed in the width of the input (`attention`): the same function, reordered.
* Neighbour sampling for large graphs is left out: memory grows linearly with spots.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from typing_extensions import override

from histobench import DataError, FitContext, Float, Int, LabelledSamples, Method, Prediction, Samples
from histobench.training import Recipe, fit_module, generator, load_weights, save_weights, seeded
from histobench_heads.frames.expression import choose_genes, read_genes
from histobench_heads.frames.radius_graph import nearest_links, radius_links
from histobench_heads.frames.saved import read_facts, write_facts
from histobench_heads.gist.network import Branches, GistNetwork
from histobench_heads.gist.options import GistOptions

__all__ = ["Gist", "Section", "losses", "own_folder", "read_section"]

_WEIGHTS = "weights.safetensors"


class Section(NamedTuple):
    """One graph: (n, g) ln(1 + counts per 10,000), (n, d) embeddings and (2, e) edges, source and target."""

    expression: Tensor
    image: Tensor
    edges: Tensor


class Gist(Method):
    """Fuse the expression of a section's spots with their images."""

    def __init__(self, options: GistOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        self._genes: tuple[str, ...] = ()
        self._context = FitContext(seed=0)
        self._network: GistNetwork | None = None

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        self._names = train.targets.names
        self._genes = choose_genes(train.need_counts("gist"), self._names, self.options.n_genes)
        self._context = context
        if self.options.fit_on == "training":
            sections = [read_section(train.take(rows), self._genes, self.options) for _, rows in train.by_slide()]
            self._network = self._learn(sections, context)

    @override
    def predict(self, samples: Samples) -> Prediction:
        if not self._genes:
            raise DataError("gist has learned nothing yet: call fit or load first.")
        columns = [self._genes.index(name) for name in self._names]
        values = np.empty((len(samples), len(self._names)), dtype=np.float32)
        latent = np.empty((len(samples), self.options.latent), dtype=np.float32)
        for slide, rows in samples.by_slide():
            section = read_section(samples.take(rows), self._genes, self.options)
            branches = _run(self._network or self._learn([section], self._own_context(slide, section)), section)
            fused, rebuilt = _branch(branches, self.options.branch)
            latent[rows] = fused.cpu().numpy()
            values[rows] = rebuilt.clamp(min=0).cpu().numpy()[:, columns]
        return Prediction(names=self._names, values=values, latent=latent)

    @override
    def save(self, folder: Path) -> None:
        facts = {"names": self._names, "genes": self._genes, "seed": self._context.seed}
        if self._network is not None:
            facts["dim"] = self._network.imgconv1.lin_key.in_features
            save_weights(self._network, folder / _WEIGHTS)
        write_facts(folder, facts)

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        facts = read_facts(folder)
        self._names, self._genes = tuple(facts["names"]), tuple(facts["genes"])
        # the network of a section must start from the same seed as before saving
        self._context = replace(context, seed=int(facts["seed"]))
        self._network = None
        if "dim" in facts:
            network = self._build(int(facts["dim"]), seed=0)  # every weight is read
            load_weights(network, folder / _WEIGHTS)
            self._network = network.to(context.device).eval()

    def _learn(self, sections: Sequence[Section], context: FitContext) -> GistNetwork:
        options = self.options
        network = self._build(sections[0].image.shape[1], seed=context.seed)

        def step(module: nn.Module, section: Section) -> dict[str, Tensor]:
            return losses(module(*section), section, options)

        def batches(epoch: int) -> Iterator[Section]:
            return (sections[i] for i in generator(context.seed, epoch).permutation(len(sections)))

        fit_module(
            network,
            step,
            batches,
            recipe=Recipe(
                epochs=options.epochs, lr=options.lr, weight_decay=options.weight_decay, clip=options.clip
            ),
            context=context,
        )  # fmt: skip
        return network

    def _build(self, dim: int, *, seed: int) -> GistNetwork:
        options = self.options
        with seeded(seed):
            return GistNetwork(
                len(self._genes), dim, hidden=options.hidden, latent=options.latent, use_img_loss=options.use_img_loss
            )

    def _own_context(self, slide: str, section: Section) -> FitContext:
        resume = self._context.resume
        return replace(self._context, resume=resume and resume / own_folder(slide, section))


def read_section(samples: Samples, genes: tuple[str, ...], options: GistOptions, /) -> Section:
    """Read one section's spots as a graph.

    Raises
    ------
    DataError
        If the samples have no counts or no embeddings.
    """
    image = samples.need_embeddings("gist").astype(np.float32)
    if options.standardise:
        image = (image - image.mean(axis=0)) / np.maximum(image.std(axis=0), 1e-6)
    expression = read_genes(samples.need_counts("gist"), genes)
    edges = _links(samples.xy_um, options)
    return Section(torch.from_numpy(expression), torch.from_numpy(image), torch.from_numpy(edges))


def losses(branches: Branches, section: Section, options: GistOptions, /) -> dict[str, Tensor]:
    """Compute the mean squared error of each branch over all spots and genes, and their weighted sum, ``loss``."""
    seen = section.image if options.use_img_loss else section.expression
    gene = mse_loss(branches.gene, section.expression)
    image = mse_loss(branches.image, seen)
    combined = mse_loss(branches.combined, section.expression)
    weighted = options.gene_weight * gene + options.image_weight * image + options.combined_weight * combined
    return {"loss": weighted, "gene": gene, "image": image, "combined": combined}


def own_folder(slide: str, section: Section, /) -> str:
    """Return the folder of a section's checkpoints; it depends on the spots, counts and patches of the section."""
    content = hashlib.sha256(slide.encode())
    for part in section:
        content.update(part.numpy().tobytes())
    return f"own-{content.hexdigest()[:16]}"


def _links(xy_um: Float, options: GistOptions) -> Int:
    if options.neighbours is not None:
        return nearest_links(xy_um, k=options.neighbours)
    return radius_links(xy_um, radius_um=options.radius_um)


@torch.no_grad()
def _run(network: GistNetwork, section: Section) -> Branches:
    device = next(network.parameters()).device
    branches: Branches = network(*(part.to(device) for part in section))
    return branches


def _branch(branches: Branches, branch: str) -> tuple[Tensor, Tensor]:
    return {
        "combined": (branches.latent, branches.combined),
        "gene": (branches.gene_latent, branches.gene),
        "image": (branches.image_latent, branches.image),
    }[branch]
