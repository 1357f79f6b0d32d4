"""THItoGene: whole slides through dynamic convolution, capsules, a transformer and graph attention.

Paper: Jia et al. (2024), *Briefings in Bioinformatics* 25(1), bbad464; cell abundances: CUCA's comparison, Yan et al.
(2025). Specification: ``thitogene.md``, with ``hist2st.md`` for the graph and ``abundance_protocol.md`` for training.
Licence of the authors' code: none in the tree, so this is a clean-room implementation; CUCA's copy is GPL-3.0.

Differences from the published method
-------------------------------------
- *Graph attention* is computed over edges, never as (n, n) tables. The softmax over receivers, under which a spot that
  nobody looks at is spread evenly over all spots, is kept as the default (``attention_axis``): released weights were
  trained so. Without dropout the result is the dense one's; with it, that even share is kept whole instead of losing
  single entries.
- *No self loop*, kept: a spot's own patch reaches its prediction through its neighbours only; ``self_loops`` adds them.
- *Graph*: nearest spots on the capture lattice; ties go to the spot that stands first, a spot never looks at itself.
  Published: an unstable sort, and in CUCA's copy pixels rounded to a square step, on which hexagonal spots collide.
- *Capsules*: the coupling weights are normalised over output capsules and the bias is added after that, kept. `squash`
  is written so that long capsules have a gradient; values are the same.
- *Places* beyond the tables are moved to begin at zero and a slide wider than them is refused; published: an error deep
  in training. Patches at the border of the image are filled with white, and a spot's centre is rounded.
- *Memory*: published, a slide goes through at once and everything is kept. Here slides of more than ``recompute_above``
  spots compute convolutions and capsules again for the gradient, with the same batch statistics; in prediction
  ``chunk_spots`` patches are looked at together, which batch normalisation allows there alone.
- *Inputs*: abundances are predicted from normalised patches, as in CUCA's copy, though the learning rate was tuned on
  0-255; its results near zero on lung are no measure of the method. Expression gets the authors' own pixels.
- *Epochs* of expression are the 300 of the authors' training script, which made their results; their read-me says 200.
- *Expression* is the platform's panel and unit, ln(1 + CP10k); published: 785 genes (her2st) or 171 (cSCC), scaled to
  10,000 over those genes alone, log10(1 + v).
- *Folds*: the published leave-one-section-out has sections of the test patient in training. Here patients are held out.
  The epoch is chosen on validation slides; the authors keep the last one, and CUCA chose it on the test donor of lung.
- *Super-resolution*, which calls the network without its graph, is left out.
"""

from torch import Tensor, nn
from typing_extensions import override

from histobench import Int
from histobench_heads.frames.slidewise.method import SlideBlueprint, SlideMethod
from histobench_heads.frames.slidewise.slides import SlideBatch, neighbour_edges
from histobench_heads.thitogene.network import ThitogeneNetwork
from histobench_heads.thitogene.options import ThitogeneOptions

__all__ = ["Thitogene"]


class Thitogene(SlideMethod[ThitogeneOptions]):
    """Predict every spot of a slide from its own patch's capsules, all spots' and its neighbours'."""

    @override
    def make_module(self, blueprint: SlideBlueprint) -> nn.Module:
        return ThitogeneNetwork(self.options, len(blueprint.targets))

    @override
    def edges(self, array: Int) -> Int:
        return neighbour_edges(array, self.options)

    @override
    def run(self, module: nn.Module, batch: SlideBatch) -> Tensor:
        predicted: Tensor = module(batch.patches, batch.positions, batch.edges)
        return predicted
