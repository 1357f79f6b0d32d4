"""Which penalty, and how far off: cross-validation within the training slides.

Never across one patient where that can be avoided.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.model_selection import GroupKFold

from histobench import Float, Int, LabelledSamples
from histobench_heads.frames.ridge.solver import Design, Spectrum

__all__ = ["Choice", "choose_penalty", "groups_of"]


def groups_of(train: LabelledSamples, *, blocks: int) -> Int:
    """Group the spots by what must stay on one side in cross-validation.

    Patients if there are several; else slides; else, on a single slide, contiguous stripes along its longer side,
    because neighbouring spots resemble each other.

    Parameters
    ----------
    blocks
        Stripes of a single slide.

    Returns
    -------
    (n,) int64
    """
    for label in (train.patients, train.slide_ids):
        if label is not None and len(np.unique(label)) > 1:
            groups: Int = np.unique(label, return_inverse=True)[1].reshape(-1)
            return groups
    along = train.xy_um[:, np.ptp(train.xy_um, axis=0).argmax()]
    ranks = np.argsort(np.argsort(along, kind="stable"), kind="stable")
    stripes: Int = ranks * min(blocks, len(train)) // len(train)
    return stripes


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The result of cross-validation.

    Attributes
    ----------
    penalty
        The chosen penalty, per training spot.
    errors
        (p,) float64 relative error at each penalty; 1 is the error of the mean.
    residuals
        (m, t) float64 predicted minus observed at the chosen penalty, each spot by a fit without its group;
        m is 0 if nothing could be held out.
    """

    penalty: float
    errors: Float
    residuals: Float

    def margin(self, level: float) -> Float | None:
        """Return the half-width per target that covers a share ``level`` of the held-out errors: (t,).

        The quantile of split conformal prediction, the ceil((m + 1) level)-th smallest of m; ``None`` if m is too
        small.
        """
        m = len(self.residuals)
        place = math.ceil((m + 1) * level)
        if not 1 <= place <= m:
            return None
        margin: Float = np.sort(np.abs(self.residuals), axis=0)[place - 1]
        return margin


def choose_penalty(embeddings: Float, targets: Float, /, *, groups: Int, penalties: Float, folds: int) -> Choice:
    """Choose the penalty per training spot with the smallest held-out error.

    The error is the mean over targets of squared error relative to the target's variance, so that an abundant type
    does not decide for all; every spot counts once. Ties go to the largest penalty. If there is only one group, so that
    nothing can be held out, or if no target varies, the largest penalty is returned.

    Parameters
    ----------
    embeddings : (n, d)
    targets : (n, t)
    groups : (n,)
        Spots of one group are never on both sides.
    penalties : (p,)
        Rising, per training spot.
    """
    n_groups = len(np.unique(groups))
    errors = np.full(len(penalties), np.nan)
    if n_groups < 2:
        return Choice(penalty=float(penalties[-1]), errors=errors, residuals=targets[:0])
    splits = GroupKFold(n_splits=min(folds, n_groups)).split(embeddings, groups=groups)
    held_out = [_HeldOut.of(embeddings, targets, learn, hold) for learn, hold in splits]
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    varies = spread > 0
    place = len(penalties) - 1
    if varies.any():
        sums = np.stack([sum((part.residuals(p) ** 2).sum(axis=0) for part in held_out) for p in penalties])
        errors = (sums[:, varies] / spread[varies]).mean(axis=1)
        place = int(np.flatnonzero(errors == errors.min())[-1])
    residuals = np.concatenate([part.residuals(penalties[place]) for part in held_out])
    return Choice(penalty=float(penalties[place]), errors=errors, residuals=residuals)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldOut:
    """One round of cross-validation, solved for every penalty.

    Attributes
    ----------
    spectrum
        Decomposition of the training spots of this round.
    along
        (m, r) held-out spots in its basis.
    observed
        (m, t) held-out targets minus the mean of the training spots.
    n_learned
        Number of training spots of this round.
    """

    spectrum: Spectrum
    along: Float
    observed: Float
    n_learned: int

    @classmethod
    def of(cls, embeddings: Float, targets: Float, learn: Int, hold: Int) -> Self:
        design = Design.of(embeddings[learn])
        mean = targets[learn].mean(axis=0)
        spectrum = Spectrum.of(design(embeddings[learn]), targets[learn] - mean)
        along = design(embeddings[hold]) @ spectrum.basis.T
        return cls(spectrum=spectrum, along=along, observed=targets[hold] - mean, n_learned=len(learn))

    def residuals(self, penalty: float) -> Float:
        """Return predicted minus observed at one penalty per training spot: (m, t)."""
        residuals: Float = self.along @ self.spectrum.shrunk(penalty * self.n_learned) - self.observed
        return residuals
