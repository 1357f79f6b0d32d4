"""The input of a metric: the results of one slide, or of all slides concatenated, as read-only arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from histobench.data import Float, Hidden, ImageFeatures, ScoreContext, SlideResult, TrainingFacts

__all__ = ["Part", "locked"]

_PartT = TypeVar("_PartT", Hidden, ImageFeatures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The input of a metric: one slide, or all of them."""

    where: str
    results: tuple[SlideResult, ...]
    training: TrainingFacts | None
    annotated: bool

    @property
    def n_spots(self) -> int:
        """Count the spots."""
        return sum(len(result.spot_ids) for result in self.results)

    def tables(self, columns: slice) -> tuple[Float, Float]:
        """Return prediction and observation of some targets, read-only."""
        predicted = _stacked([result.predicted.values for result in self.results], columns)
        return predicted, _stacked([result.observed.values for result in self.results], columns)

    def context(self, columns: slice) -> ScoreContext:
        """Return what the results hold in addition to prediction and observation."""
        mpp = {result.mpp for result in self.results}
        slides = [np.full(len(result.spot_ids), result.slide_id) for result in self.results]
        tables = [result.predicted.parameters for result in self.results]
        shared = set(tables[0]).intersection(*tables[1:])
        return ScoreContext(
            names=self.results[0].observed.names[columns],
            slide_ids=np.concatenate(slides),
            xy_um=_stacked([result.xy_um for result in self.results], slice(None)),
            mpp=mpp.pop() if len(mpp) == 1 else None,
            training=None if self.training is None else self.training.take(columns),
            regions=_regions(self.results) if self.annotated else None,
            parameters={name: _stacked([table[name] for table in tables], columns) for name in sorted(shared)},
            latent=_together([result.predicted.latent for result in self.results]),
            hidden=_joined([result.hidden for result in self.results], columns),
            features=_joined([result.features for result in self.results], columns),
        )


def _regions(results: Sequence[SlideResult]) -> npt.NDArray[np.str_]:
    """Return the annotation of every spot; empty on a slide that has none."""
    found = [np.full(len(r.spot_ids), "") if r.regions is None else r.regions for r in results]
    return np.concatenate(found).astype(np.str_)


def _joined(parts: Sequence[_PartT | None], columns: slice) -> _PartT | None:
    """Concatenate a dataclass of arrays over slides; ``None`` if a slide has none."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    arrays = {own.name: _together([getattr(part, own.name) for part in known]) for own in fields(known[0])}
    return replace(known[0], **arrays).take(columns)


def _together(arrays: Sequence[npt.NDArray[Any] | None]) -> Any:  # Any: an array of any type, or None
    known = [array for array in arrays if array is not None]
    # latents of different widths have no common space
    if len(known) < len(arrays) or len({array.shape[1:] for array in known}) > 1:
        return None
    whole = known[0] if len(known) == 1 else np.concatenate(known)
    view = whole.view()
    view.flags.writeable = False
    return view


def _stacked(tables: Sequence[Float], columns: slice) -> Float:
    """Concatenate some columns of the tables, row-wise."""
    parts = [table[:, columns] for table in tables]
    return locked(parts[0] if len(parts) == 1 else np.concatenate(parts))


def locked(values: Float) -> Float:
    """Round an (n, t) table to float32 and make it read-only, so that no metric changes the input of the next."""
    with np.errstate(over="ignore"):  # too large values become infinite, and their score undefined
        table = np.asarray(values, dtype=np.float32).view()
    table.flags.writeable = False
    return table
