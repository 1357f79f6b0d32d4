"""Options of canonical correlation; no import here is heavy."""

from dataclasses import dataclass

from histobench import ConfigError

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
        for name in ("components", "pairs", "n_genes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}.")
        if not self.penalty > 0:
            raise ConfigError(f"penalty must be positive, got {self.penalty}.")
