"""THItoGene: whole slides through dynamic convolution, capsules, a transformer and graph attention.

Paper: Jia et al. (2024), *Briefings in Bioinformatics* 25(1), bbad464; cell abundances: CUCA's comparison, Yan et al.
(2025). Specification: ``thitogene.md``, with ``hist2st.md`` for the graph and ``abundance_protocol.md`` for training.
Licence of the authors' code: none in the tree, so this is a clean-room implementation; CUCA's copy is GPL-3.0.

Differences from the published method
-------------------------------------
- *Graph attention* is computed over edges, never as (n, n) tables. The softmax over receivers spreads a spot that no
  spot sees evenly over all spots. It is kept as the default (``attention_axis``), because released weights were trained
  with it. Without dropout the result equals the dense one; with it, the even share is kept whole instead of losing
  single entries.
- *No self loop*, kept: a spot's own patch reaches its prediction only through its neighbours; ``self_loops`` adds them.
- *Graph*: nearest spots on the capture lattice; ties go to the first spot in the table, and a spot never sees itself.
  Published: an unstable sort, and in CUCA's copy pixels rounded to a square step, on which hexagonal spots collide.
- *Capsules*: the coupling weights are normalised over output capsules and the bias is added afterwards, kept. `squash`
  is written so that long capsules have a gradient; its values are the same.
- *Positions* beyond the tables are shifted to begin at zero, and a slide wider than the tables is refused; published:
  an error deep in training. Patches at the border of the image are filled with white, and a spot's centre is rounded.
- *Memory*: published, a slide is processed at once and everything is kept. Here slides of more than ``recompute_above``
  spots compute convolutions and capsules again for the gradient, with the same batch statistics. In prediction
  ``chunk_spots`` patches are processed together, which batch normalisation allows only there.
- *Inputs*: abundances are predicted from normalised patches, as in CUCA's copy, although the learning rate was tuned on
  0-255; its results near zero on lung do not measure the method. Expression is predicted from the authors' own pixels.
- *Epochs* of expression are the 300 of the authors' training script, which made their results; their read-me has 200.
- *Expression* is the platform's panel and unit, ln(1 + CP10k); published: 785 genes (her2st) or 171 (cSCC), scaled to
  10,000 over those genes alone, log10(1 + v).
- *Folds*: the published leave-one-section-out has sections of the test patient in training. Here patients are held out.
  The epoch is chosen on validation slides; the authors keep the last one, and CUCA chose it on the lung test donor.
- *Super-resolution*, which runs the network without its graph, is left out.
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
    """Predict every spot of a slide from its own capsules, those of all spots, and those of its neighbours."""

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
