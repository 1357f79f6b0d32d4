"""Options of canonical correlation; no import here is heavy."""

from dataclasses import dataclass

from histobench import ConfigError

__all__ = ["CcaOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CcaOptions:
    """How images and expression are correlated.

    Attributes
    ----------
    components
        Principal components kept of either side, or as many as there are.
    pairs
        Canonical pairs that make the shared space, or as many as there are.
    penalty
        Added to the variance along every component, as a share of their mean: the less a component varies, the less
        it may say.
    n_genes
        Genes of highest mean that are read; ``None`` for all that were seen in training.
    """

    components: int = 50  # ours: scanpy's habit for expression
    pairs: int = 32  # ours
    penalty: float = 0.1  # ours
    n_genes: int | None = 1000  # ours

    def __post_init__(self) -> None:
        """Refuse a space without dimensions and a penalty that has no root."""
        for name in ("components", "pairs", "n_genes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}.")
        if not self.penalty > 0:
            raise ConfigError(f"penalty must be positive, got {self.penalty}.")
