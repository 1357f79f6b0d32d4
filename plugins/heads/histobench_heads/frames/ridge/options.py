"""Options of the ridge regression."""

from dataclasses import dataclass

from histobench import ConfigError
from histobench_heads.frames.checks import at_least

__all__ = ["RidgeOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeOptions:
    """Where the penalty is looked for.

    Attributes
    ----------
    lowest, highest
        Ends of the grid, as powers of ten; a penalty is its grid value times the number of training spots, so that
        a grid means the same on every dataset.
    steps
        Penalties on the grid, evenly spaced in the logarithm.
    folds
        Rounds of cross-validation within the training slides, at most.
    """

    lowest: float = -4.0  # ours: below this the fit is ordinary least squares
    highest: float = 4.0  # ours: above this the fit is the mean
    steps: int = 33  # ours: four a decade
    folds: int = 5  # ours: scikit-learn's habit

    def __post_init__(self) -> None:
        """Refuse an empty grid or a cross-validation that leaves nothing out."""
        if self.steps < 1 or self.lowest > self.highest:
            raise ConfigError(
                f"the penalty grid must rise in at least 1 step, got {self.lowest} to {self.highest} in {self.steps}."
            )
        at_least(self, 2, "folds")
