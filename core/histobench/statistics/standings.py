"""From records to boards: averages, intervals, skill and ranks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from histobench.records import RunRecord, ranking_metric
from histobench.statistics.boards import Board, Comparison, Ground, Standing
from histobench.statistics.grouping import Entry, comparable_groups, ground_of, nan_mean
from histobench.statistics.resampling import FEW_UNITS, mean_intervals

__all__ = ["standings"]


def standings(records: Iterable[RunRecord], metric: str | None) -> list[Board]:
    """Rank what may be ranked.

    Parameters
    ----------
    metric
        Its name; ``None`` takes the one that ranks each kind of target. Records without a score under it give no
        rows.

    Returns
    -------
    One board for each dataset, target, scheme, edition and panel, sorted by these.
    """
    by_ground: dict[Ground, list[RunRecord]] = {}
    for record in records:
        by_ground.setdefault(ground_of(record), []).append(record)
    boards: list[Board] = []
    for ground in sorted(by_ground):
        name = metric or ranking_metric(by_ground[ground]) or ""
        boards += [_board(group, name, ground=ground) for group in comparable_groups(by_ground[ground], name)]
    return boards


def _board(entries: Sequence[Entry], metric: str, *, ground: Ground) -> Board:
    slides = dict(sorted({slide: patient for e in entries for slide, patient in e.patients(metric).items()}.items()))
    unit = "patients" if len(set(slides.values())) > 1 else "slides"
    scored = [record for entry in entries for record in entry.scored]
    higher = all(record.scores[metric].higher_is_better for record in scored)
    found = [_standing(entry, metric, unit=unit) for entry in entries]
    found = _with_skill(found, higher_is_better=higher)
    # a score that is undefined somewhere is a mean over other units: it must not be ranked against the others'
    complete = [
        set(entry.patients(metric)) == set(slides) and bool(np.isfinite(list(row.per_unit.values())).all())
        for entry, row in zip(entries, found, strict=True)
    ]
    unranked = any(not row.control and not whole for row, whole in zip(found, complete, strict=True))
    found = _with_ranks(found, complete, higher_is_better=higher)
    sign = -1.0 if higher else 1.0
    found.sort(
        key=lambda row: (not np.isfinite(row.score), sign * row.score if np.isfinite(row.score) else 0, row.label)
    )
    board = Board(
        ground=ground,
        metric=metric,
        ranks=any(record.scores[metric].ranks for record in scored),
        higher_is_better=higher,
        panel=_panel(scored),
        panel_unit=next((r.panel.unit for r in scored if r.panel), ""),
        unit=unit,
        folds=tuple(sorted({record.job.fold for entry in entries for record in entry.records})),
        slides=slides,
        n_targets=tuple(sorted({len(record.targets) for record in scored})),
        rows=tuple(found),
        unscored=tuple(record.job_id for entry in entries for record in entry.unscored),
    )
    return replace(board, warnings=tuple(_warnings(board, unranked=unranked)))


def _panel(scored: Sequence[RunRecord]) -> str:
    panels = [record.panel for record in scored if record.panel]
    if any(panel.fitted_on for panel in panels):
        return "fitted per fold"
    return panels[0].hash if panels else ""


def _standing(entry: Entry, metric: str, *, unit: str) -> Standing:
    job = entry.records[0].job
    per_unit = entry.unit_scores(metric, unit)
    defined = [score for score in per_unit.values() if np.isfinite(score)]
    (interval,) = mean_intervals([defined])
    tables = [record.scores[metric] for record in entry.scored]
    done = {record.job.fold for record in entry.scored + entry.unscored}
    return Standing(
        method=job.method,
        encoder=job.encoder,
        mode=job.mode,
        stands_in_for=job.stands_in_for,
        variant=entry.variant,
        control=job.control,
        oracle=job.oracle,
        leaks=job.leaks,
        score=nan_mean(defined),
        low=interval.low,
        high=interval.high,
        unit=unit,
        per_unit=per_unit,
        undefined=sum(table.undefined for table in tables),
        total=sum(len(scores) for table in tables for scores in table.per_slide.values()),
        pooled=entry.pooled_score(metric),
        folds_done=tuple(sorted(done)),
        folds_failed=tuple(sorted({record.job.fold for record in entry.failed} - done)),
        n_seeds=len({record.job.seed for record in entry.scored}),
        seconds=nan_mean([sum(record.seconds.values()) for record in entry.scored]),
        peak_memory_mb=entry.peak_memory_mb(),
        job_ids=tuple(record.job_id for record in entry.scored + entry.unscored),
        failed_job_ids=tuple(record.job_id for record in entry.failed),
    )


def _compare(pairs: Sequence[tuple[Standing, Standing]], *, higher_is_better: bool) -> list[Comparison | None]:
    """Compare rows pairwise; ``None`` where two have no unit with a score in common."""
    sign = 1.0 if higher_is_better else -1.0
    differences = [
        [sign * (one.per_unit[u] - other.per_unit[u]) for u in one.per_unit if u in other.per_unit]
        for one, other in pairs
    ]
    differences = [[value for value in values if np.isfinite(value)] for values in differences]
    found: list[Comparison | None] = [None] * len(pairs)
    for n_units in {len(values) for values in differences} - {0}:
        places = [place for place, values in enumerate(differences) if len(values) == n_units]
        intervals = mean_intervals([differences[place] for place in places])
        for place, interval in zip(places, intervals, strict=True):
            found[place] = Comparison(
                other=pairs[place][1].label,
                difference=float(np.mean(differences[place])),
                low=interval.low,
                high=interval.high,
                n_units=n_units,
            )
    return found


def _with_skill(found: Sequence[Standing], *, higher_is_better: bool) -> list[Standing]:
    baselines = [row for row in found if row.control and not row.oracle]
    compared: list[Standing] = []
    for row in found:
        against = [] if row.control else _compare([(row, c) for c in baselines], higher_is_better=higher_is_better)
        compared.append(replace(row, skill=tuple(comparison for comparison in against if comparison)))
    return compared


def _with_ranks(found: Sequence[Standing], complete: Sequence[bool], *, higher_is_better: bool) -> list[Standing]:
    """Rank the complete rows of methods; pairs are compared one by one, without correction for their number."""
    ranked = [
        place
        for place, (row, whole) in enumerate(zip(found, complete, strict=True))
        if whole and not row.control and not row.oracle and np.isfinite(row.score)
    ]
    pairs = list(combinations(ranked, 2))
    compared = _compare([(found[one], found[other]) for one, other in pairs], higher_is_better=higher_is_better)
    won, lost = Counter[int](), Counter[int]()
    for pair, comparison in zip(pairs, compared, strict=True):
        if comparison and comparison.is_clear:
            winner, loser = pair if comparison.difference > 0 else pair[::-1]
            won[winner] += 1
            lost[loser] += 1
    sign = 1.0 if higher_is_better else -1.0
    result = list(found)
    for place in ranked:
        rank = 1 + sum(sign * found[other].score > sign * found[place].score for other in ranked)
        span = (min(rank, 1 + lost[place]), max(rank, len(ranked) - won[place]))
        result[place] = replace(found[place], rank=rank, rank_range=span)
    return result


def _warnings(board: Board, *, unranked: bool) -> Iterable[str]:
    n_units = len(set(board.slides.values())) if board.unit == "patients" else len(board.slides)
    if n_units == 1:
        yield f"one {board.unit[:-1]} only: there is no interval, and no difference can be told from chance."
    elif n_units < FEW_UNITS:
        yield f"{n_units} {board.unit} only: intervals over so few say little, and no difference counts as clear."
    if board.ground.leaks:
        yield f"scheme {board.ground.scheme!r} leaks: slides of one patient stand in training and test."
    if unranked:
        yield "methods without a score on every slide of the board have no rank."
    if board.unscored:
        yield (
            f"{len(board.unscored)} finished jobs have no score under {board.metric!r}; "
            "`histobench score` computes it from their stored predictions."
        )
