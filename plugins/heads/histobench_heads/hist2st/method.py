"""Hist2ST: a ConvMixer per patch, a transformer over the slide, graph layers over nearby spots, and an LSTM.

Zeng et al. (2022), Briefings in Bioinformatics; authors' code https://github.com/biomed-AI/Hist2ST (no licence file:
nothing of it was read), and its copy for cell abundances in https://github.com/lyotvincent/CUCA (Yan et al. 2025,
Bioinformatics; GPL-3.0). Written from the specification ``hist2st.md`` and sections 2 to 8 and 12 of
``abundance_protocol.md`` alone.

Two published settings: cell abundances are trained as in CUCA's comparison (224 pixels resized to 112 and normalised,
240 positions, all four neighbours, L2 of 1e-4, squared error alone), gene expression as the authors train (112 pixels
from 0 to 255 with columns first, 64 positions, neighbours up to two steps away, no L2, counts and distillation).

Differences from the published method
-------------------------------------
* Each spot averages its neighbours. CUCA's copy keeps a batch axis, divides by the number of spots that see the
  neighbour instead, and predicts NaN for the whole slide if some spot is seen by no other; it reports no Hist2ST.
* A spot without neighbours (pruned, or alone on its slide) averages to zero; published: NaN for the whole slide.
* Spots at equal distance are taken in the order of the table, and a spot is never its own neighbour; published: in
  arbitrary order, assuming that the first is the spot itself.
* The graph is a list of edges, and attention never makes an (n, n) table. On slides above ``recompute_above`` spots,
  including augmented copies, the inside of a stage is computed again in the backward pass: the same numbers.
* Positions are those on the capture lattice; CUCA's copy rounds pixels by a square step. A lattice that does not begin
  at zero, or ends beyond the tables, is shifted; one that is wider than the tables is refused.
* Patches at the border of the image are filled with white. A spot's centre is rounded to the nearest pixel; the
  authors round it down. Patches are resized as whole numbers; CUCA's copy resizes normalised patches.
* The coefficient network exists only with distillation; CUCA's copy has it and never trains it. Converted checkpoints
  may have it.
* The likelihood of the counts is computed from logarithms (`frames.zinb`). It equals the published one, with its limits
  on mean and dispersion, except for the 1e-10 inside its logarithms.
* The epoch is selected on validation slides, as in CUCA's comparison; without any, the last one is kept, as in the
  authors' code.
* Gene expression is the benchmark's panel, ln(1 + counts per 10,000), chosen on training slides and scaled by all
  genes; published: 785 genes chosen on all sections, scaled by their own sum, log10. Size factors are published:
  a spot's counts of these genes over their median on its slide; only training slides need any.
* Folds never split a patient, unless leave-one-slide-out is requested; the published leave-one-section-out trains on
  up to five sections of the test patient.
* Predictions are scored like those of every method; CUCA's evaluation scripts fail for this one.
* Left out: graph layers that concatenate a spot and the mean of its neighbours, which no publication uses.

Kept: no self loops, so that a spot's own patch reaches its prediction only through its neighbours (option
``self_loops``); rows of zeros, which can result from the ReLU before the normalisation; batch normalisation over all
spots of a slide after a dropout; no stop of the gradient at the distilled prediction.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from histobench import Int
from histobench_heads.frames.slidewise.method import SlideBlueprint, SlideMethod
from histobench_heads.frames.slidewise.slides import SlideBatch, neighbour_edges
from histobench_heads.frames.zinb import Zinb, hist2st_nb_loss, hist2st_zinb, zinb_loss
from histobench_heads.hist2st.distillation import augmented, distilled
from histobench_heads.hist2st.network import Hist2STNetwork, Hist2STOutput
from histobench_heads.hist2st.options import Hist2STOptions

__all__ = ["Hist2ST", "counts_loss", "log_size_factors"]


class Hist2ST(SlideMethod[Hist2STOptions]):
    """Predict each spot from its patch, its position, its slide and its nearest spots."""

    uses = ("counts",)

    @override
    def make_module(self, blueprint: SlideBlueprint) -> nn.Module:
        models_counts = bool(self.options.weight_counts) and "counts" in blueprint.beside
        return Hist2STNetwork(len(blueprint.targets), self.options, models_counts=models_counts)

    @override
    def edges(self, array: Int) -> Int:
        edges = neighbour_edges(array, self.options)
        if not self.options.self_loops:
            return edges
        itself = np.arange(len(array), dtype=np.int64)
        return np.concatenate([edges, [itself, itself]], axis=1)

    @override
    def run(self, module: nn.Module, batch: SlideBatch) -> Tensor:
        return _run(module, batch, batch.patches).values

    @override
    def losses(self, module: nn.Module, batch: SlideBatch) -> Mapping[str, Tensor]:
        output = _run(module, batch, batch.patches)
        losses = {"mse": functional.mse_loss(output.values, batch.targets)}
        loss = losses["mse"]
        if output.counts:
            losses["counts"] = counts_loss(batch.beside["counts"], output.counts)
            loss = loss + self.options.weight_counts * losses["counts"]
        if self.options.weight_distilled:
            copies = [_run(module, batch, augmented(batch.patches)) for _ in range(self.options.copies)]
            together = distilled([copy.values for copy in copies], [copy.score for copy in copies])
            losses["distilled"] = functional.mse_loss(together, output.values)
            loss = loss + self.options.weight_distilled * losses["distilled"]
        return {"loss": loss, **losses}


def counts_loss(counts: Tensor, output: tuple[Tensor, ...]) -> Tensor:
    """Compute the negative log-likelihood of (n, t) counts of one slide under `Hist2STOutput.counts`."""
    if len(output) == 2:
        return hist2st_nb_loss(counts, *output)
    zinb: Zinb = hist2st_zinb(*output)
    return zinb_loss(counts, zinb.offset(log_size_factors(counts)))


def log_size_factors(counts: Tensor) -> Tensor:
    """Return the logarithm of each spot's total over the median total of the slide: (n, t) counts to (n, 1)."""
    totals = counts.sum(dim=1, keepdim=True)
    median = totals.quantile(0.5).clamp(min=1.0)  # a slide on which most spots are empty
    return torch.log((totals / median).clamp(min=1e-6))  # an empty spot: far below any real factor


def _run(module: nn.Module, batch: SlideBatch, patches: Tensor) -> Hist2STOutput:
    output: Hist2STOutput = module(patches, batch.positions, batch.edges)
    return output
