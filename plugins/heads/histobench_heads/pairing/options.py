"""Options of canonical correlation; no import here is heavy."""

from dataclasses import dataclass

from histobench_heads.frames.checks import at_least, positive

__all__ = ["CcaOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CcaOptions:
    """Options of the correlation of images and expression.

    Attributes
    ----------
    components
        Most principal components per side.
    pairs
        Most canonical pairs, the dimensions of the shared space.
    penalty
        Added to the variance along every component, as a share of the mean variance: components of small variance
        count less.
    n_genes
        Number of genes of highest mean that are used; ``None`` for all genes seen in training.
    """

    components: int = 50  # ours: scanpy's habit for expression
    pairs: int = 32  # ours
    penalty: float = 0.1  # ours
    n_genes: int | None = 1000  # ours

    def __post_init__(self) -> None:
        """Refuse a space without dimensions and a penalty that is not positive."""
        at_least(self, 1, "components", "pairs", "n_genes")
        positive(self, "penalty")
