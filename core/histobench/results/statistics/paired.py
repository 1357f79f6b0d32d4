"""Paired comparisons of methods on the same units: permutation tests, effect sizes and correction for many tests.

Under the null hypothesis the two methods are exchangeable within each unit, so the sign of every difference may be
flipped. This assumes no distribution of the scores, and is exact if all flips are tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

__all__ = ["EXACT_UNITS", "FLIPS", "Tests", "holm", "paired_tests", "smallest_p"]

EXACT_UNITS = 12
"""Up to this many units all sign flips are tried: 2,048, because a flip and its opposite are equivalent."""

FLIPS = 10_000
"""Number of random sign flips with more units, the observed one included."""

_SAME = 1e-9  # relative: sums of the same numbers in another order are as extreme as each other
_AT_ONCE = 4_000_000  # 32 MB of sums

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """Tests and effect sizes of paired differences, one number per comparison.

    Attributes
    ----------
    p
        Two-sided p of the sign-flip test on the mean difference; NaN with one unit.
    wilcoxon
        Two-sided p of Wilcoxon's signed-rank test: the same flips on ranks, exact with ties, zeros left out.
    cohens_d
        Mean difference in standard deviations of the differences (d_z); NaN if these do not vary.
    rank_biserial
        Ranks in favour minus ranks against, divided by all: -1 to 1; NaN if all differences are zero.
    """

    p: Array
    wilcoxon: Array
    cohens_d: Array
    rank_biserial: Array


def paired_tests(differences: npt.ArrayLike, *, seed: int = 0) -> Tests:
    """Test whether mean differences are zero.

    Parameters
    ----------
    differences : (c, m) float
        c comparisons, each on m units; finite.

    Returns
    -------
    Four (c,) arrays.

    References
    ----------
    Fisher (1935), *The Design of Experiments*, section 21; Phipson & Smyth (2010), *Stat. Appl. Genet. Mol. Biol.*
    9:39, on counting the observed flip; Wilcoxon (1945), *Biometrics Bull.* 1:80-83; Kerby (2014), *Compr. Psychol.*
    3:1.
    """
    table = np.asarray(differences, dtype=np.float64)
    n_units = table.shape[1]
    ranked = _signed_ranks(table)
    if n_units < 2:
        undefined = np.full(len(table), np.nan)
        return Tests(p=undefined, wilcoxon=undefined, cohens_d=undefined, rank_biserial=_share(ranked))
    flips = _flips(n_units, seed)
    spread = table.std(axis=1, ddof=1)
    varies = spread > _SAME * np.abs(table).max(axis=1)
    return Tests(
        p=_as_extreme(table, flips),
        wilcoxon=_as_extreme(ranked, flips),
        cohens_d=np.divide(table.mean(axis=1), spread, out=np.full(len(table), np.nan), where=varies),
        rank_biserial=_share(ranked),
    )


def smallest_p(n_units: int) -> float:
    """Return the smallest possible p of a sign-flip test on this many units: 2 of 32 with five."""
    return max(2.0 ** (1 - n_units), 1 / FLIPS)


def holm(p: npt.ArrayLike) -> Array:
    """Adjust p for the number of tests, so that the level bounds the probability of any false claim among them.

    Parameters
    ----------
    p : (c,) float
        NaN counts as no test.

    Returns
    -------
    (c,) float
        To be compared with the level itself; NaN where `p` is.

    References
    ----------
    Holm (1979), *Scand. J. Stat.* 6:65-70.
    """
    raw = np.asarray(p, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    tested = np.flatnonzero(np.isfinite(raw))
    in_order = tested[np.argsort(raw[tested], kind="stable")]
    steps = raw[in_order] * np.arange(len(in_order), 0, -1)
    adjusted[in_order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _flips(n_units: int, seed: int) -> Array:
    """Return (k, m) signs, the observed ones first; a flip also represents its opposite."""
    if n_units <= EXACT_UNITS:
        return np.array([(1, *rest) for rest in product((1.0, -1.0), repeat=n_units - 1)])
    rng = np.random.default_rng((seed, n_units))
    return np.concatenate([np.ones((1, n_units)), rng.choice((1.0, -1.0), size=(FLIPS - 1, n_units))])


def _as_extreme(table: Array, flips: Array) -> Array:
    """Return the share of flips with a sum at least as far from zero as the observed one."""
    p = np.empty(len(table))
    for rows in _blocks(len(table), max(1, _AT_ONCE // len(flips))):
        sums = np.abs(table[rows] @ flips.T)
        slack = _SAME * np.abs(table[rows]).sum(axis=1)
        p[rows] = (sums >= (sums[:, 0] - slack)[:, None]).mean(axis=1)
    return p


def _signed_ranks(table: Array) -> Array:
    """Return the signed ranks of the absolute differences; zeros are left out, ties share the mean of their ranks."""
    n_units = table.shape[1]
    largest = np.abs(table).max(axis=1, keepdims=True)
    size = np.abs(table)
    signed = np.empty_like(table)
    for rows in _blocks(len(table), max(1, _AT_ONCE // n_units**2)):
        gap = size[rows, :, None] - size[rows, None, :]
        slack = _SAME * largest[rows, :, None]
        counts = size[rows] > slack[:, :, 0]
        under = ((gap > slack) & counts[:, None, :]).sum(axis=2)
        level = ((np.abs(gap) <= slack) & counts[:, None, :]).sum(axis=2)
        signed[rows] = np.where(counts, np.sign(table[rows]) * (under + (level + 1) / 2), 0)
    return signed


def _share(signed: Array) -> Array:
    total = np.abs(signed).sum(axis=1)
    found = np.full(len(signed), np.nan)
    np.divide(signed.sum(axis=1), total, out=found, where=total > 0)
    return found


def _blocks(n_rows: int, at_once: int) -> Iterator[slice]:
    yield from (slice(start, start + at_once) for start in range(0, n_rows, at_once))
