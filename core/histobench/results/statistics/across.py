"""Several boards together: mean skill, mean rank, and which differences of mean ranks are significant.

A method that is missing on a board has no mean rank, because ranks among other methods, or on fewer boards, are not
comparable. Nothing is imputed; each number is reported with its number of boards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, rankdata, studentized_range

from histobench.results.statistics.averages import nan_mean
from histobench.results.statistics.boards import ALPHA, Board, Standing
from histobench.results.statistics.ranking import rank_intervals, tie_letters
from histobench.results.statistics.resampling import FEW_UNITS, mean_intervals

__all__ = ["Across", "AcrossRow", "across", "critical_difference", "friedman"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcrossRow:
    """One method over all boards.

    Attributes
    ----------
    n_ranked, n_skill
        Number of boards on which it has a rank, and a normalised skill.
    skill, low, high
        Mean of its normalised skills, and a 95 % interval over boards.
    mean_rank
        Mean of its ranks among the methods that are ranked on every board; ``None`` if it is not one of them.
    rank_range
        Interval of its place by mean rank when boards are resampled.
    ties
        Letters of its tie groups: methods that share a letter differ by less than the critical difference.
    """

    label: str
    n_ranked: int
    n_skill: int
    skill: float
    low: float
    high: float
    mean_rank: float | None = None
    rank_range: tuple[int, int] | None = None
    ties: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """The summary of several boards.

    Attributes
    ----------
    boards
        Names of the boards used.
    rows
        Sorted by mean rank, then, without one, by skill.
    n_complete
        Number of methods that are ranked on every board.
    friedman_p
        p of Friedman's test that these do not differ; NaN with fewer than two methods or boards.
    critical_difference
        Mean ranks that are further apart differ by Nemenyi's test; NaN with fewer than two methods or boards.
    """

    boards: tuple[str, ...]
    rows: tuple[AcrossRow, ...]
    n_complete: int
    friedman_p: float
    critical_difference: float
    warnings: tuple[str, ...]


def across(boards: Iterable[Board]) -> Across:
    """Summarise boards with equal weights; boards of leaking schemes are left out.

    References
    ----------
    Demsar (2006), *J. Mach. Learn. Res.* 7:1-30: Friedman's test, then Nemenyi's critical difference where it rejects.
    """
    given = [board for board in boards if any(row.rank for row in board.rows)]
    used = [board for board in given if not board.ground.leaks]
    methods = [{row.label: row for row in board.rows if not row.control} for board in used]
    labels = sorted({label for rows in methods for label in rows})
    whole = [label for label in labels if all(label in rows and rows[label].rank for rows in methods)]
    scores = np.array(
        [
            [
                (1 if board.higher_is_better else -1) * rows[label].score
                for board, rows in zip(used, methods, strict=True)
            ]
            for label in whole
        ]
    ).reshape(len(whole), len(used))
    placed, p, critical = _placed(whole, scores)
    found = [_row(label, methods, placed.get(label)) for label in labels]
    found.sort(key=lambda row: (row.mean_rank is None, row.mean_rank or 0, -np.nan_to_num(row.skill), row.label))
    return Across(
        boards=tuple(f"{b.ground.dataset} {b.ground.target} {b.ground.scheme} {b.metric}" for b in used),
        rows=tuple(found),
        n_complete=len(whole),
        friedman_p=p,
        critical_difference=critical,
        warnings=tuple(_warnings(used, len(given) - len(used), n_left_out=len(labels) - len(whole))),
    )


def friedman(rank_table: npt.ArrayLike) -> float:
    """Test whether methods differ, by their ranks on several boards.

    Parameters
    ----------
    rank_table : (k, b) float
        Ranks of k methods within each of b boards; ties share the mean of their ranks.

    Returns
    -------
    float
        p by the chi-squared distribution, corrected for ties, conservative with few boards; 1 if all are tied; NaN
        with fewer than two methods or boards.

    References
    ----------
    Friedman (1937), *J. Am. Stat. Assoc.* 32:675-701; Conover (1999), *Practical Nonparametric Statistics*, 5.8.
    """
    table = np.asarray(rank_table, dtype=np.float64)
    n_methods, n_boards = table.shape
    if n_methods < 2 or n_boards < 2:
        return float("nan")
    centred = table - (n_methods + 1) / 2
    spread = float((centred**2).sum())
    if spread == 0:
        return 1.0
    statistic = (n_methods - 1) * float((centred.sum(axis=1) ** 2).sum()) / spread
    return float(chi2.sf(statistic, n_methods - 1))


def critical_difference(n_methods: int, n_boards: int) -> float:
    """Return Nemenyi's critical difference of mean ranks at 0.05.

    References
    ----------
    Nemenyi (1963); Demsar (2006), *J. Mach. Learn. Res.* 7:1-30, table 5.
    """
    if n_methods < 2 or n_boards < 2:
        return float("nan")
    quantile = float(studentized_range.ppf(1 - ALPHA, n_methods, np.inf)) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_boards)))


_Place = tuple[float, tuple[int, int], str]


def _placed(labels: Sequence[str], scores: npt.NDArray[np.float64]) -> tuple[dict[str, _Place], float, float]:
    """Rank the methods that are complete; scores are (k, boards), larger is better."""
    if not scores.size:
        return {}, float("nan"), float("nan")
    table = rankdata(-scores, axis=0)
    means = table.mean(axis=1)
    p, critical = friedman(table), critical_difference(*table.shape)
    order = np.argsort(means, kind="stable")
    differ = bool(p <= ALPHA)  # pairs are compared only then
    letters = tie_letters(differ & (np.abs(means[order][:, None] - means[order]) > critical))
    ranges = rank_intervals(-table)
    placed = {
        labels[place]: (float(means[place]), (int(ranges[place][0]), int(ranges[place][1])), letter)
        for place, letter in zip(order, letters, strict=True)
    }
    return placed, p, critical


def _row(label: str, methods: Sequence[dict[str, Standing]], placed: _Place | None) -> AcrossRow:
    rows = [rows[label] for rows in methods if label in rows]
    skills = [row.normalised_skill for row in rows if np.isfinite(row.normalised_skill)]
    (interval,) = mean_intervals([skills])
    mean_rank, rank_range, ties = placed or (None, None, "")
    return AcrossRow(
        label=label,
        n_ranked=sum(row.rank is not None for row in rows),
        n_skill=len(skills),
        skill=nan_mean(skills),
        low=interval.low,
        high=interval.high,
        mean_rank=mean_rank,
        rank_range=rank_range,
        ties=ties,
    )


def _warnings(boards: Sequence[Board], n_leaking: int, *, n_left_out: int) -> Iterable[str]:
    if n_leaking:
        yield f"{n_leaking} boards of leaking schemes are left out."
    if len(boards) < 2:
        yield "fewer than two boards: there is nothing to compare across."
    elif len(boards) < FEW_UNITS:
        yield f"{len(boards)} boards only: intervals and tests over so few are not reliable."
    if len({board.ground.dataset for board in boards}) < len(boards):
        yield "some boards share a dataset, and so are not independent: differences look more certain than they are."
    if n_left_out:
        yield f"{n_left_out} methods are missing on a board, or on slides of one: they have no mean rank."
