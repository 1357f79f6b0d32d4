"""Bootstrap intervals of means over patients, with numpy alone.

The unit that is resampled is the one that is independent: the patient. Spots of a slide, and slides of a patient,
resemble each other, so that resampling them would promise more certainty than there is.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FEW_UNITS", "LEVEL", "ROUNDS", "Interval", "mean_intervals"]

LEVEL = 0.95
"""Share of resampled means that an interval holds."""

ROUNDS = 10_000
"""Resamplings: the ends of an interval move by about a hundredth of its width from seed to seed."""

FEW_UNITS = 5
"""With fewer units than this an interval is printed but proves nothing: a difference of one sign in each of four
units happens by chance one time in eight."""

_ROWS_AT_ONCE = 128  # 10 MB of resampled means


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 95 % of resampled means; NaN on both sides where there are fewer than two units."""

    low: float
    high: float


def mean_intervals(values: npt.ArrayLike, *, seed: int = 0) -> list[Interval]:
    """Take percentile bootstrap intervals of the means of rows, all resampled alike.

    Parameters
    ----------
    values : (r, m) float
        r quantities on the same m units, finite. Differences of two methods on the same units make it a paired
        comparison.
    seed
        The same seed and number of units give the same resamplings, whatever the values.

    Returns
    -------
    r intervals

    References
    ----------
    Efron (1979), *Ann. Stat.* 7:1–26; the percentile interval, without correction for bias.
    """
    table = np.asarray(values, dtype=np.float64)
    n_units = table.shape[1]
    if n_units < 2:
        return [Interval(np.nan, np.nan)] * len(table)
    shares = _shares(n_units, seed)
    tail = (1 - LEVEL) / 2 * 100
    intervals: list[Interval] = []
    for start in range(0, len(table), _ROWS_AT_ONCE):
        means = table[start : start + _ROWS_AT_ONCE] @ shares
        ends = np.percentile(means, (tail, 100 - tail), axis=1)
        intervals += [Interval(float(low), float(high)) for low, high in ends.T]
    return intervals


def _shares(n_units: int, seed: int) -> npt.NDArray[np.float64]:
    """Draw (m, rounds) weights: how much of each resampling each unit makes up."""
    rng = np.random.default_rng((seed, n_units))
    return rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=ROUNDS).T / n_units
