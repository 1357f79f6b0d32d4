"""Which genes the contrastive model reads, and in what unit (``clip_gan.md``, section 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from histobench import Counts, DataError, Float, ShapeError
from histobench_heads.frames.clip.options import ClipOptions

__all__ = ["Vocabulary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The genes that occur in training, and the scale of their counts.

    Attributes
    ----------
    names
        (N,) in the order of the model's inputs.
    total
        Transcripts to which the counts of a prompt are scaled: the option, or the median of the medians of the training
        slides; ``None`` if unknown, as for a published checkpoint.
    target_sum
        The option; ``None`` scales each whole slide to its own median.
    """

    names: tuple[str, ...]
    total: float | None = None
    target_sum: float | None = None

    @classmethod
    def of(cls, counts: Counts, slide_ids: npt.NDArray[np.str_], options: ClipOptions) -> Self:
        """Choose the genes from training counts: all that occur, or those of highest mean, in the order of the counts.

        Raises
        ------
        DataError
            If all counts are zero.
        """
        means = counts.values.mean(axis=0, dtype=np.float64)
        seen = np.flatnonzero(means > 0)
        if not len(seen):
            raise DataError(f"all counts of {len(counts.names)} genes are zero; CLIP needs expression to learn from.")
        if options.n_genes is not None and options.n_genes < len(seen):
            highest = np.argsort(-means[seen], kind="stable")[: options.n_genes]
            seen = np.sort(seen[highest])
        totals = counts.values[:, seen].sum(axis=1, dtype=np.float64)
        medians = [_median(totals[slide_ids == slide]) for slide in np.unique(slide_ids)]
        return cls(
            names=tuple(counts.names[column] for column in seen),
            total=options.target_sum or _median(np.array(medians)),
            target_sum=options.target_sum,
        )

    def read(self, counts: Counts, slide_ids: npt.NDArray[np.str_] | None = None) -> Float:
        """Normalise raw counts (n, g) to (n, N) float32, ln(1 + scaled count) in the vocabulary's order.

        A gene without counts is zero; so is a spot without transcripts.

        Parameters
        ----------
        slide_ids
            (n,) of whole slides, each of which is scaled to its own median, as published. ``None`` scales every spot
            to `total`, so that a prompt does not depend on other spots; if that is unknown, to the median of all.
        """
        values = self._columns(counts)
        totals = values.sum(axis=1, dtype=np.float64)
        wanted = np.full(len(totals), self.total or _median(totals))
        if slide_ids is not None and self.target_sum is None:
            for slide in np.unique(slide_ids):
                wanted[slide_ids == slide] = _median(totals[slide_ids == slide])
        scale = np.divide(wanted, totals, out=np.zeros_like(totals), where=totals > 0)
        normalised: Float = np.log1p(values * scale[:, None]).astype(np.float32)
        return normalised

    def check(self, expression: Float) -> None:
        """Refuse (n, N) expression without one column per gene.

        Raises
        ------
        ShapeError
            If it has other columns.
        """
        if expression.ndim != 2 or expression.shape[1] != len(self.names):
            raise ShapeError(f"expression must be (n, {len(self.names)}), one column per gene, got {expression.shape}.")

    def as_facts(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"genes": list(self.names), "total": self.total, "target_sum": self.target_sum}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:  # Any: JSON values
        """Read the facts of `as_facts`; others are ignored."""
        return cls(names=tuple(facts["genes"]), total=facts["total"], target_sum=facts["target_sum"])

    def _columns(self, counts: Counts) -> Float:
        if counts.names == self.names:
            return counts.values
        place = {name: column for column, name in enumerate(counts.names)}
        known = [(row, place[name]) for row, name in enumerate(self.names) if name in place]
        if not known:
            raise DataError(
                f"none of the vocabulary's {len(self.names)} genes (such as {self.names[0]!r}) is among the "
                f"{len(counts.names)} that were counted; are their names of the same kind?"
            )
        into, source = (list(part) for part in zip(*known, strict=True))
        values = np.zeros((len(counts.values), len(self.names)), dtype=np.float32)
        values[:, into] = counts.values[:, source]
        return values


def _median(totals: Float) -> float:
    """Return the median of the (n,) totals above zero; 1 without any."""
    above = totals[totals > 0]
    return float(np.median(above)) if len(above) else 1.0
