"""The options of GIST and where their defaults come from; free of torch, so that listing stays light.

Numbers marked *spec* are from ``gist.md``.
"""

from dataclasses import dataclass
from typing import Literal

from histobench import ConfigError
from histobench_heads.frames.checks import at_least, positive

__all__ = ["GistOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GistOptions:
    """Options of the network, its training and its output.

    Attributes
    ----------
    epochs
        Only the number of epochs prevents a network that is trained on one section from reproducing its counts: with
        the published width and 80 spots it does so after 300 epochs.
    weight_decay
        L2 added to the gradient.
    clip
        Largest norm of the gradient of all parameters together.
    hidden, latent
        Widths of the branches' layers and of the latent.
    gene_weight, image_weight, combined_weight
        Weights of the three branches' squared errors in the loss. A branch of weight 0 is not trained, as in the
        published ablations.
    use_img_loss
        Let the image branch decode to its input embedding; otherwise to the expression.
    branch
        The branch whose latent and reconstruction are returned.
    n_genes
        Number of genes that are read and rebuilt: those of the panel, then those of highest mean on the training
        slides. ``None``: all.
    fit_on
        ``own``: each section is enhanced by a network that is trained on the input of this section, which has no label.
        ``training``: one network is trained on the training sections and applied to others unchanged.
    radius_um
        Largest distance between linked spots. ``None``: 1.5 times the section's median distance to the nearest spot,
        which reaches the six neighbours on a hexagonal lattice and the eight on a square one. A radius
        below every distance links none, so that each spot is a sample of a plain auto-encoder. With few spots and
        unlike neighbours that is closer to the truth, because links let the network memorise spots.
    neighbours
        Link each spot with this number of nearest spots instead.
    standardise
        Give each dimension of a section's embeddings mean 0 and deviation 1 over the section.
    """

    epochs: int = 1000  # spec, section 8
    lr: float = 1e-3  # spec, section 8; Adam
    weight_decay: float = 1e-4  # spec, section 8
    clip: float = 5.0  # spec, section 8
    hidden: int = 512  # spec, section 4.2
    latent: int = 30  # spec, section 4.2
    gene_weight: float = 0.1  # spec, section 7
    image_weight: float = 0.1  # spec, section 7
    combined_weight: float = 1.0  # spec, section 7
    use_img_loss: bool = False  # spec, section 4.2, step 8
    branch: Literal["combined", "gene", "image"] = "combined"  # spec, section 6
    n_genes: int | None = None  # spec, section 2: all genes of the file
    fit_on: Literal["own", "training"] = "own"  # expression_protocol.md, section 6: no split
    radius_um: float | None = None  # spec, section 2.2, names pixels of four data sets
    neighbours: int | None = None  # spec, section 3: radius is the default
    standardise: bool = False  # spec, section 2: embeddings as they are

    def __post_init__(self) -> None:
        """Refuse numbers that no training can use, and an output that is not expression."""
        at_least(self, 1, "epochs", "hidden", "latent", "n_genes", "neighbours")
        positive(self, "lr", "clip", "radius_um")
        weights = (self.gene_weight, self.image_weight, self.combined_weight)
        if min(weights) < 0 or not any(weights):
            raise ConfigError(f"gist: the weights of the loss must not be negative nor all 0, got {weights}.")
        if self.branch == "image" and self.use_img_loss:
            raise ConfigError(
                "gist: with 'use_img_loss' the image branch rebuilds embeddings and not expression; "
                "choose another 'branch'."
            )
