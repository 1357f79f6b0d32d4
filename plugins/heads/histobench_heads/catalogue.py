"""All methods of this package; the card of a method is in the catalogue of its folder.

To add a method, write a folder with its card in a ``catalogue.py`` and put the card into `METHODS`.
"""

from histobench import MethodCard
from histobench_heads.boosting.catalogue import BOOSTED_TREES
from histobench_heads.clip_diffusion.catalogue import CLIP_DIFFUSION
from histobench_heads.clip_gan.catalogue import CLIP_GAN
from histobench_heads.controls.catalogue import COLOUR, MEAN, NEAREST, ORACLE, POSITION, SHUFFLED
from histobench_heads.cuca.catalogue import CUCA, CUCA_MLP
from histobench_heads.enhancement.catalogue import NEIGHBOUR_MEAN, PCA_RECONSTRUCTION, RAW_COUNTS
from histobench_heads.foundation.catalogue import FMMLP, LINEAR_PROBE, MLP
from histobench_heads.generation.catalogue import NEAREST_PROMPT, RANDOM_PATCH
from histobench_heads.gist.catalogue import GIST
from histobench_heads.he2gene.catalogue import HE2GENE_BASE, HE2GENE_SPAT
from histobench_heads.hist2cell.catalogue import HIST2CELL
from histobench_heads.hist2rna.catalogue import HIST2RNA
from histobench_heads.hist2scrna.catalogue import HIST2SCRNA, HIST2SCRNA_LIGHT
from histobench_heads.hist2st.catalogue import HIST2ST
from histobench_heads.histogene.catalogue import HISTOGENE
from histobench_heads.pairing.catalogue import CCA, COLOUR_CCA
from histobench_heads.ridge.catalogue import HEST_RIDGE, RIDGE
from histobench_heads.stnet.catalogue import STNET
from histobench_heads.thitogene.catalogue import THITOGENE

__all__ = ["METHODS"]

METHODS: tuple[MethodCard, ...] = (
    MEAN,
    POSITION,
    COLOUR,
    NEAREST,
    SHUFFLED,
    ORACLE,
    RAW_COUNTS,
    NEIGHBOUR_MEAN,
    PCA_RECONSTRUCTION,
    COLOUR_CCA,
    RANDOM_PATCH,
    NEAREST_PROMPT,
    RIDGE,
    HEST_RIDGE,
    BOOSTED_TREES,
    CCA,
    LINEAR_PROBE,
    MLP,
    FMMLP,
    GIST,
    CLIP_GAN,
    CLIP_DIFFUSION,
    CUCA,
    CUCA_MLP,
    STNET,
    HE2GENE_BASE,
    HE2GENE_SPAT,
    HIST2CELL,
    HIST2RNA,
    HIST2SCRNA,
    HIST2SCRNA_LIGHT,
    HIST2ST,
    HISTOGENE,
    THITOGENE,
)
"""One line each."""
