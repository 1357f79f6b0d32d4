"""Ranks, their intervals, and tie groups."""

from string import ascii_lowercase

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from histobench.results.statistics.resampling import FEW_UNITS, LEVEL, draw_shares

__all__ = ["MANY_GROUPS", "RANK_ROUNDS", "rank_intervals", "ranks", "tie_letters"]

RANK_ROUNDS = 1_000
"""Resamplings for the interval of a rank; a rank is a whole number, so fewer are enough than for a mean."""

MANY_GROUPS = 200
"""With more groups than this, letters are not readable, and finding them may take too long."""

_AT_ONCE = 125  # resamplings at a time: with 300 methods they fit into a core's cache

_SAME = 1e-10  # relative: sums of the same numbers in another order are the same score


def ranks(scores: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Rank (m, n) scores along the last axis, the largest first; equal scores share the best of their ranks.

    Parameters
    ----------
    scores : (..., r) float
        Finite, larger is better. Scores that differ by less than 1e-10 of the largest are equal.

    Returns
    -------
    (..., r) int from 1
    """
    worst_first = np.negative(scores, dtype=np.float64)
    if not worst_first.size:
        return np.empty(worst_first.shape, dtype=np.int64)
    order = np.argsort(worst_first, axis=-1)
    sorted_ = np.take_along_axis(worst_first, order, axis=-1)
    places = np.broadcast_to(np.arange(1, worst_first.shape[-1] + 1), worst_first.shape)
    gaps = sorted_[..., 1:] - sorted_[..., :-1]
    slack = _SAME * max(sorted_.max(), -sorted_.min())
    if gaps.size and gaps.min() <= slack:
        fresh = np.where(gaps <= slack, 0, places[..., 1:])
        places = np.maximum.accumulate(np.concatenate([places[..., :1], fresh], axis=-1), axis=-1)
    found = np.empty(worst_first.shape, dtype=np.int64)
    np.put_along_axis(found, order, places, axis=-1)
    return found


def rank_intervals(values: npt.ArrayLike, *, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return 95 % intervals of ranks when units are resampled, the same way for all rows.

    These are percentiles of the resampled ranks, with thinner tails for few units, as Hesterberg (2015) does for means:
    resampling m units shows (m - 1) / m of the variance, and Student's distribution is wider than the normal one.

    Parameters
    ----------
    values : (r, m) float
        Scores of r rows on the same m units, finite, larger is better.

    Returns
    -------
    (r, 2) int
        Best and worst rank, from 1. With fewer than `FEW_UNITS` no rank is excluded: by chance, two rows are in the
        wrong order on all of four units one time in sixteen, and then in every resampling.

    References
    ----------
    Hesterberg (2015), *Am. Stat.* 69:371-386; Hall & Miller (2009), *Ann. Stat.* 37:3929-3959, on resampled ranks.
    """
    table = np.asarray(values, dtype=np.float64)
    n_rows, n_units = table.shape
    if n_units < FEW_UNITS:
        return np.tile([1, n_rows], (n_rows, 1))
    shares = draw_shares(n_units, RANK_ROUNDS, seed=seed).T
    resampled = np.concatenate(
        [ranks(shares[start : start + _AT_ONCE] @ table.T) for start in range(0, RANK_ROUNDS, _AT_ONCE)], dtype=np.int32
    )
    widened = student.ppf(0.5 + LEVEL / 2, n_units - 1) * np.sqrt(n_units / (n_units - 1))
    left_out = int(norm.sf(widened) * RANK_ROUNDS)
    ordered = np.sort(np.ascontiguousarray(resampled.T), axis=1)
    return np.stack([ordered[:, left_out], ordered[:, RANK_ROUNDS - 1 - left_out]], axis=1).astype(np.int64)


def tie_letters(told_apart: npt.ArrayLike) -> list[str]:
    """Return letters such that two rows share one if and only if they do not differ significantly.

    Parameters
    ----------
    told_apart : (r, r) bool
        Which rows differ; symmetric, in the order of ranks, so that the best group is ``a``.

    Returns
    -------
    r strings
        Such as ``ab``; empty if there would be more than `MANY_GROUPS` letters.

    References
    ----------
    Piepho (2004), *J. Comput. Graph. Stat.* 13:456-466, on what such a display must show. The groups are the largest
    sets without a significant difference, updated row by row.
    """
    apart = np.asarray(told_apart, dtype=bool)
    groups: list[int] = []
    for row in range(len(apart)):
        alike = sum(1 << int(other) for other in np.flatnonzero(~apart[row, :row]))
        joined = {group & alike | 1 << row for group in groups} or {1 << row}
        kept = [group for group in groups if group & ~alike]
        groups = kept + [g for g in joined if not any(g != other and g & other == g for other in joined)]
        if len(groups) > MANY_GROUPS:
            return [""] * len(apart)
    groups.sort(key=lambda group: [row for row in range(len(apart)) if group >> row & 1])
    return ["".join(_name(place) for place, g in enumerate(groups) if g >> row & 1) for row in range(len(apart))]


def _name(place: int) -> str:
    """Return the name of a group: a to z, then a1 to z1, and so on."""
    again, letter = divmod(place, len(ascii_lowercase))
    return ascii_lowercase[letter] + (str(again) if again else "")
