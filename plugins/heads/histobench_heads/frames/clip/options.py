"""Options of the contrastive model; no import here is heavy.

Numbers marked *clip_gan* are the published ones, from the specification of Lohmann et al. (2025). A method that trains
this model before its own stages inherits them, which is why those of the optimiser begin with ``clip_``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from histobench import ConfigError

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
        Share of hidden units dropped in training, in all three parts alike.
    residual
        Whether a projection adds its first layer to its output.
    norm_latent
        Whether a projection ends in a layer normalisation.
    standardise
        Whether the encoder's features are given mean 0 and variance 1 first, as on the training spots; published: no.
    temperature
        Of the loss; at 1 it cannot fall below ln(1 + (B - 1) / e²), with batches of B.
    clip_epochs, clip_batch, clip_lr, clip_weight_decay
        Of AdamW, without schedule or warm-up; an incomplete batch is dropped.
    max_size
        Training spots, drawn without replacement where there are more.
    n_genes
        Genes in the vocabulary, of highest mean count in training; ``None`` for all that were seen.
    target_sum
        Transcripts that a spot's counts are scaled to; ``None`` for the median of its slide.
    """

    latent_dim: int = 512  # clip_gan, section 2.4
    hidden_dim: int | None = None  # clip_gan, section 2.1
    dropout: float = 0.8  # clip_gan, section 2.4
    residual: bool = True  # clip_gan, section 2.4
    norm_latent: bool = False  # clip_gan, section 2.4
    standardise: bool = False  # ours: what UNI's features hardly need, others do
    temperature: float = 1.0  # clip_gan, section 2.3: what the published weights were trained with
    clip_epochs: int = 1000  # clip_gan, section 2.4
    clip_batch: int = 128  # clip_gan, section 2.4
    clip_lr: float = 5e-6  # clip_gan, section 2.4
    clip_weight_decay: float = 0.01  # clip_gan, section 2.4
    max_size: int = 10_000  # clip_gan, section 2.4
    n_genes: int | None = None  # clip_gan, section 1: the whole vocabulary
    target_sum: float | None = None  # clip_gan, section 1: the median

    def __post_init__(self) -> None:
        """Refuse sizes that make no layer or no batch."""
        for name in ("latent_dim", "hidden_dim", "n_genes", "clip_epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}.")
        for name in ("clip_batch", "max_size"):
            if getattr(self, name) < 2:
                raise ConfigError(f"{name} must be at least 2 spots to tell apart, got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and less than 1, got {self.dropout}.")
        for name in ("temperature", "clip_lr", "target_sum"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalOptions(ClipOptions):
    """Options of retrieval: those of the contrastive model, and how expression is read off what is retrieved.

    Attributes
    ----------
    retrieval_k
        Training spots that a patch's expression is averaged over; as many as there are where these are fewer.
    retrieval_temperature
        Of the softmax over their cosines that weighs them.
    """

    retrieval_k: int = 50  # ours: the specification names no retrieval
    retrieval_temperature: float = 0.05  # ours: cosines of the best fifty differ by hundredths

    def __post_init__(self) -> None:
        """Refuse what the contrastive model would, and an average over nothing."""
        ClipOptions.__post_init__(self)  # super() does not work in a slotted dataclass
        if self.retrieval_k < 1:
            raise ConfigError(f"retrieval_k must be at least 1, got {self.retrieval_k}.")
        if not self.retrieval_temperature > 0:
            raise ConfigError(f"retrieval_temperature must be positive, got {self.retrieval_temperature}.")


QUICK_CLIP: Mapping[str, object] = MappingProxyType(
    {
        "latent_dim": 64,
        "hidden_dim": 128,
        "n_genes": 1000,
        "dropout": 0.3,
        "standardise": True,
        "temperature": 0.1,
        "clip_epochs": 40,
        "clip_lr": 1e-3,
    }
)
"""For trying out: minutes on one core. The published learning rate needs its thousand epochs."""
