"""Which penalty: cross-validation within the training slides, never across one patient where that can be avoided."""

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from histobench import Float, Int, LabelledSamples
from histobench_heads.ridge.solver import Design, Spectrum

__all__ = ["choose_penalty", "groups_of"]


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


def choose_penalty(
    embeddings: Float, targets: Float, /, *, groups: Int, penalties: Float, folds: int
) -> tuple[float, npt.NDArray[np.float64]]:
    """Choose the penalty per training spot whose held-out error is least.

    The error is the mean over targets of squared error relative to the target's variance, so that an abundant type
    does not choose for all; every spot counts once. Of equals the largest penalty is taken.

    Parameters
    ----------
    embeddings : (n, d)
    targets : (n, t)
    groups : (n,)
        Spots of one group are never on both sides.
    penalties : (p,)
        Rising, per training spot.

    Returns
    -------
    float
        The chosen one; the largest if there is only one group, when nothing can be held out.
    (p,) float64
        Error at each penalty; 1 is what the mean would reach.
    """
    n_groups = len(np.unique(groups))
    errors = np.zeros((len(penalties), targets.shape[1]))
    if n_groups < 2:
        return float(penalties[-1]), np.full(len(penalties), np.nan)
    for learn, hold in GroupKFold(n_splits=min(folds, n_groups)).split(embeddings, groups=groups):
        errors += _held_out_errors(embeddings, targets, learn, hold, penalties)
    spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
    varies = spread > 0
    if not varies.any():
        return float(penalties[-1]), np.full(len(penalties), np.nan)
    relative = (errors[:, varies] / spread[varies]).mean(axis=1)
    return float(penalties[np.flatnonzero(relative == relative.min())[-1]]), relative


def _held_out_errors(embeddings: Float, targets: Float, learn: Int, hold: Int, penalties: Float) -> Float:
    design = Design.of(embeddings[learn])
    mean = targets[learn].mean(axis=0)
    spectrum = Spectrum.of(design(embeddings[learn]), targets[learn] - mean)
    held = design(embeddings[hold]) @ spectrum.basis.T
    observed = targets[hold] - mean
    residuals = (held @ spectrum.shrunk(penalty * len(learn)) - observed for penalty in penalties)
    return np.stack([(residual**2).sum(axis=0) for residual in residuals])
