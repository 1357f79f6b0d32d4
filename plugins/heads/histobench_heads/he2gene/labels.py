"""How HE2Gene uses annotations: as a target of its third head, and as groups of spots with the same label."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from histobench import Float, Int, Targets
from histobench_heads.he2gene.options import LabelHead

__all__ = ["Annotation", "LabelPlan"]

Bool: TypeAlias = npt.NDArray[np.bool_]
"""Array of booleans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """The annotations of n spots.

    Attributes
    ----------
    values
        (n, c) float32, target of the third head; c is 0 without such a head.
    labelled
        (n,) bool, whether a spot has a label.
    groups
        (n,) int64, equal for spots with the same label; -1 without a label.
    """

    values: Float
    labelled: Bool
    groups: Int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """What the third head predicts; saved with the weights.

    Attributes
    ----------
    classes
        Classes of the dataset; empty if it has no labels.
    tumour
        Those classes that are tumour.
    head
        As set in the options.
    """

    classes: tuple[str, ...]
    tumour: tuple[str, ...]
    head: LabelHead

    @property
    def n_outputs(self) -> int:
        """Count the outputs of the head: one per class, or one for tumour if there are tumour and other classes."""
        if self.head == "classes":
            return len(self.classes)
        return int(0 < len(self.tumour) < len(self.classes))

    def annotate(self, label: Targets | None, n: int) -> Annotation:
        """Read n one-hot rows; a row of zeros is a spot without a label."""
        if label is None:
            return Annotation(
                values=np.zeros((n, 0), np.float32), labelled=np.zeros(n, bool), groups=np.full(n, -1, np.int64)
            )
        labelled: Bool = np.any(label.values != 0, axis=1)
        values = label.values.astype(np.float32)
        groups = label.values.argmax(axis=1)
        if self.head == "tumour":
            values = values[:, self._is_tumour()].sum(axis=1, keepdims=True)[:, : self.n_outputs]
            if self.n_outputs:
                groups = (values[:, 0] > 0).astype(np.int64)
        return Annotation(values=values, labelled=labelled, groups=np.where(labelled, groups, -1))

    def spread(self, probabilities: Float) -> Float:
        """Turn (n, c) probabilities of the head into (n, classes).

        The probability of tumour is shared equally by the tumour classes, and the rest equally by the others.
        """
        if self.head == "classes":
            return probabilities
        tumour = self._is_tumour()
        shared: Float = np.where(tumour, probabilities / tumour.sum(), (1 - probabilities) / (~tumour).sum())
        return shared.astype(np.float32)

    def _is_tumour(self) -> Bool:
        return np.array([name in self.tumour for name in self.classes], dtype=np.bool_)
