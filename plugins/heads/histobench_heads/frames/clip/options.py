"""Options of the contrastive model; no import here is heavy.

Numbers marked *clip_gan* are the published ones, from the specification of Lohmann et al. (2025). Methods that train
this model before their own stages inherit them; therefore those of the optimiser begin with ``clip_``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from histobench_heads.frames.checks import at_least, positive, shares

__all__ = ["QUICK_CLIP", "ClipOptions", "RetrievalOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions:
    """How the contrastive model is built and trained.

    Attributes
    ----------
    latent_dim
        Width of the shared space.
    hidden_dim
        Width of the gene encoder's first layer; ``None`` for the number of genes, as published: a third of a billion
        weights at 18,248 genes.
    dropout
        Share of hidden units dropped in training, in all three parts.
    residual
        Whether a projection adds its first layer to its output.
    norm_latent
        Whether a projection ends in a layer normalisation.
    standardise
        Whether the encoder's features are scaled to mean 0 and variance 1 on the training spots; published: no.
    temperature
        Temperature of the loss, which at 1 cannot fall below ln(1 + (B - 1) / e²) with batches of B.
    clip_epochs, clip_batch, clip_lr, clip_weight_decay
        Settings of AdamW, without schedule or warm-up; an incomplete batch is dropped.
    max_size
        Maximum number of training spots; of more, so many are drawn without replacement.
    n_genes
        Genes in the vocabulary, those of highest mean count in training; ``None`` for all that occur.
    target_sum
        Transcripts that a spot's counts are scaled to; ``None`` for the median of its slide.
    """

    latent_dim: int = 512  # clip_gan, section 2.4
    hidden_dim: int | None = None  # clip_gan, section 2.1
    dropout: float = 0.8  # clip_gan, section 2.4
    residual: bool = True  # clip_gan, section 2.4
    norm_latent: bool = False  # clip_gan, section 2.4
    standardise: bool = False  # ours: UNI's features hardly need it, others do
    temperature: float = 1.0  # clip_gan, section 2.3: as in the published weights
    clip_epochs: int = 1000  # clip_gan, section 2.4
    clip_batch: int = 128  # clip_gan, section 2.4
    clip_lr: float = 5e-6  # clip_gan, section 2.4
    clip_weight_decay: float = 0.01  # clip_gan, section 2.4
    max_size: int = 10_000  # clip_gan, section 2.4
    n_genes: int | None = None  # clip_gan, section 1: the whole vocabulary
    target_sum: float | None = None  # clip_gan, section 1: the median

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        at_least(self, 1, "latent_dim", "hidden_dim", "n_genes", "clip_epochs")
        at_least(self, 2, "clip_batch", "max_size")
        shares(self, "dropout")
        positive(self, "temperature", "clip_lr", "target_sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions(ClipOptions):
    """Options of retrieval: those of the contrastive model, and how expression is predicted from retrieved spots.

    Attributes
    ----------
    retrieval_k
        Training spots over which the expression of a patch is averaged; all if there are fewer.
    retrieval_temperature
        Temperature of the softmax over their cosines, which gives the weights.
    """

    retrieval_k: int = 50  # ours: not in the specification
    retrieval_temperature: float = 0.05  # ours: the cosines of the best fifty differ by hundredths

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        ClipOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        at_least(self, 1, "retrieval_k")
        positive(self, "retrieval_temperature")


QUICK_CLIP: Mapping[str, object] = MappingProxyType(
    {
        "latent_dim": 64, "hidden_dim": 128, "n_genes": 1000, "dropout": 0.3, "standardise": True, "temperature": 0.1,
        "clip_epochs": 40, "clip_lr": 1e-3,
    }
)  # fmt: skip
"""For trials: minutes on one core. The published learning rate needs its thousand epochs."""
