"""Comparisons of the rows of a board: every method with every control, and every two ranked methods.

All of them are one family for Holm's correction, because readers of the board see them all.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from histobench.results.statistics.boards import Comparison, Standing
from histobench.results.statistics.paired import holm, paired_tests
from histobench.results.statistics.ranking import rank_intervals, ranks, tie_letters
from histobench.results.statistics.resampling import mean_intervals

__all__ = ["with_comparisons"]

Pair = tuple[int, int]


def with_comparisons(
    found: Sequence[Standing], ranked: Sequence[int], *, higher_is_better: bool, bound: float
) -> tuple[list[Standing], tuple[Comparison, ...]]:
    """Compare rows with controls, with the ceiling, and with each other.

    Parameters
    ----------
    ranked
        Indices of the rows that may be ranked: they have a score on every unit of the board.
    bound
        The score of a perfect prediction; NaN if the metric has no bound.

    Returns
    -------
    The rows with their comparisons, and the comparisons of every two ranked rows, the better first.
    """
    sign = 1.0 if higher_is_better else -1.0
    in_order = sorted(ranked, key=lambda place: (-sign * found[place].score, found[place].label))
    baselines = [place for place, row in enumerate(found) if row.control and not row.oracle]
    against = [(place, other) for place, row in enumerate(found) if not row.control for other in baselines]
    among = list(combinations(in_order, 2))
    compared = dict(zip([*against, *among], _compare(found, [*against, *among], sign=sign), strict=True))
    rows = list(found)
    for place, row in enumerate(found):
        with_controls = {other: compared[place, other] for one, other in against if one == place}
        defined = {other: comparison for other, comparison in with_controls.items() if comparison}
        rows[place] = replace(
            row,
            skill=tuple(defined.values()),
            normalised_skill=_normalised(found, place, defined, sign=sign, bound=bound),
        )
    _rank(rows, in_order, compared, sign=sign)
    return rows, tuple(pair for pair in (compared[key] for key in among) if pair)


def _compare(found: Sequence[Standing], pairs: Sequence[Pair], *, sign: float) -> list[Comparison | None]:
    """Compare rows pairwise; ``None`` if two share no unit with a score."""
    differences = [_differences(found[one], found[other], sign=sign) for one, other in pairs]
    compared: list[Comparison | None] = [None] * len(pairs)
    for n_units in sorted({len(values) for values in differences} - {0}):
        places = [place for place, values in enumerate(differences) if len(values) == n_units]
        table = np.array([differences[place] for place in places])
        tests, means = paired_tests(table), table.mean(axis=1)
        for row, (place, interval) in enumerate(zip(places, mean_intervals(table), strict=True)):
            one, other = pairs[place]
            compared[place] = Comparison(
                one=found[one].label,
                other=found[other].label,
                difference=float(means[row]),
                low=interval.low,
                high=interval.high,
                n_units=n_units,
                p=float(tests.p[row]),
                wilcoxon=float(tests.wilcoxon[row]),
                cohens_d=float(tests.cohens_d[row]),
                rank_biserial=float(tests.rank_biserial[row]),
            )
    adjusted = holm([comparison.p if comparison else np.nan for comparison in compared])
    return [replace(c, p_holm=float(p)) if c else None for c, p in zip(compared, adjusted, strict=True)]


def _differences(one: Standing, other: Standing, *, sign: float) -> list[float]:
    return [sign * (one.per_unit[unit] - other.per_unit[unit]) for unit in _shared(one, other)]


def _shared(*rows: Standing) -> list[str]:
    """Return the units on which all rows have a score."""
    return [unit for unit in rows[0].per_unit if all(np.isfinite(row.per_unit.get(unit, np.nan)) for row in rows)]


def _normalised(
    found: Sequence[Standing], place: int, controls: dict[int, Comparison], *, sign: float, bound: float
) -> float:
    """Return the position of a row between its best control (0) and the ceiling (1) on the units that they share."""
    if not controls:
        return float("nan")
    best = min(controls, key=lambda other: controls[other].difference)
    oracle = next((row for row in found if row.oracle), None)
    units = _shared(found[place], found[best])
    if oracle and set(units) <= set(_shared(oracle)):
        bound = float(np.mean([oracle.per_unit[unit] for unit in units]))
    room = sign * (bound - float(np.mean([found[best].per_unit[unit] for unit in units])))
    return controls[best].difference / room if room > 0 else float("nan")


def _rank(
    rows: list[Standing], in_order: Sequence[int], compared: dict[Pair, Comparison | None], *, sign: float
) -> None:
    """Set rank, rank interval and tie groups of the ranked rows, which are given the best first."""
    if not in_order:
        return
    units = sorted(rows[in_order[0]].per_unit)
    table = sign * np.array([[rows[place].per_unit[unit] for unit in units] for place in in_order])
    apart = np.zeros((len(in_order), len(in_order)), dtype=bool)
    for (i, one), (j, other) in combinations(enumerate(in_order), 2):
        comparison = compared[one, other]
        apart[i, j] = apart[j, i] = comparison is not None and comparison.is_clear
    facts = zip(ranks(table.mean(axis=1)), rank_intervals(table), tie_letters(apart), strict=True)
    for place, (rank, (best, worst), letters) in zip(in_order, facts, strict=True):
        rows[place] = replace(
            rows[place],
            rank=int(rank),
            rank_range=(min(int(best), int(rank)), max(int(worst), int(rank))),
            ties=letters,
            versus_leader=_turned(compared[in_order[0], place]) if place != in_order[0] else None,
        )


def _turned(comparison: Comparison | None) -> Comparison | None:
    """Swap the two rows of a comparison."""
    if comparison is None:
        return None
    return replace(
        comparison,
        one=comparison.other,
        other=comparison.one,
        difference=-comparison.difference,
        low=-comparison.high,
        high=-comparison.low,
        cohens_d=-comparison.cohens_d,
        rank_biserial=-comparison.rank_biserial,
    )
