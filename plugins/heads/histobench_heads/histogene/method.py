"""HisToGene: a vision transformer over all spots of a slide, one token per spot.

Pang, Su & Li (2021), bioRxiv 2021.11.28.470212; authors' code https://github.com/maxpmx/HisToGene (MIT), and its copy
for cell abundances in https://github.com/lyotvincent/CUCA (Yan et al. 2025, Bioinformatics; GPL-3.0). Written from the
specification ``histogene.md`` and sections 2 to 8 and 12 of ``abundance_protocol.md`` alone.

Two published settings: cell abundances are trained as in CUCA's comparison (224 pixels resized to 112 and normalised,
128 positions, L2 of 1e-4), gene expression as the authors train (112 pixels from 0 to 255, 64 positions, no L2).

Differences from the published method
-------------------------------------
* Positions are those on the capture lattice, as in the authors' code. CUCA's copy rounds pixels by a square step, so
  that spots of a hexagonal lattice share a position. A lattice that does not begin at zero, or ends beyond the tables,
  is shifted. One that is wider than the tables is refused when it is read; published: an error deep in training.
* Patches at the border of the image are filled with white; published crops are smaller there and then fail. A spot's
  centre is rounded to the nearest pixel; the authors round it down.
* Patches are resized as whole numbers, before normalisation; CUCA's copy resizes normalised patches. The results are
  equal up to rounding to 1/255.
* Pixels are flattened channel by channel, row by row, in both settings. The authors' order (column, row, channel) is
  the same network with permuted first weights; published weights are permuted when they are converted.
* Attention is exact but never makes an (n, n) table. On slides above ``recompute_above`` spots the inside of a stage is
  computed again in the backward pass: the same numbers in less memory.
* The epoch is selected on validation slides, as in CUCA's comparison on her2st and stnet; the last one is kept where
  there are none, as the authors do. CUCA's lung numbers are a maximum over epochs on the test donor.
* Gene expression is the benchmark's panel, ln(1 + counts per 10,000), chosen on training slides and scaled by all
  genes; published: 785 genes chosen on all sections, scaled by their own sum, log10.
* Folds never split a patient, unless leave-one-slide-out is requested; the published leave-one-section-out trains on
  up to five sections of the test patient.
* Predictions are stored with spot positions in µm; CUCA's copy saves the rounded grid as coordinates.
* There is no super-resolution between spots (its published positions can be outside the trained range), and no reader
  for the skin dataset (the published one leaves every patch but the first empty).

Kept: raw pixels from 0 to 255 at a learning rate of 1e-5 for gene expression, although badly conditioned; 112-pixel
inputs; no dropout on attention probabilities.
"""

from torch import nn
from typing_extensions import override

from histobench_heads.frames.slidewise.method import SlideBlueprint, SlideMethod
from histobench_heads.histogene.network import HisToGeneNetwork
from histobench_heads.histogene.options import HisToGeneOptions

__all__ = ["HisToGene"]


class HisToGene(SlideMethod[HisToGeneOptions]):
    """Predict each spot from its pixels, its position and all other spots of its slide."""

    @override
    def make_module(self, blueprint: SlideBlueprint) -> nn.Module:
        return HisToGeneNetwork(len(blueprint.targets), self.options)
