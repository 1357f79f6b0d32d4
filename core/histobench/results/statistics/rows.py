"""Boards as rows for JSON and CSV, one dict per row; undefined numbers are ``None``."""

import numpy as np

from histobench.results.statistics.across import Across
from histobench.results.statistics.boards import Board, Standing

__all__ = ["Flat", "across_rows", "pair_rows", "rows"]

Flat = dict[str, str | int | float | bool | None]
"""Column → value of one row."""


def rows(board: Board) -> list[Flat]:
    """Flatten the rows of a board."""
    return [_flat(board, row) for row in board.rows]


def pair_rows(board: Board) -> list[Flat]:
    """Flatten the comparisons of a board's ranked methods, and of each method with each control."""
    against = [comparison for row in board.rows for comparison in row.skill]
    controls = {row.label for row in board.rows if row.control}
    return [
        {
            "dataset": board.ground.dataset,
            "target": board.ground.target,
            "scheme": board.ground.scheme,
            "metric": board.metric,
            "one": pair.one,
            "other": pair.other,
            "with_control": pair.other in controls,
            "difference": _number(pair.difference),
            "low": _number(pair.low),
            "high": _number(pair.high),
            "unit": board.unit,
            "n_units": pair.n_units,
            "p": _number(pair.p),
            "p_holm": _number(pair.p_holm),
            "wilcoxon": _number(pair.wilcoxon),
            "cohens_d": _number(pair.cohens_d),
            "rank_biserial": _number(pair.rank_biserial),
            "is_clear": pair.is_clear,
        }
        for pair in (*board.pairs, *against)
    ]


def across_rows(summary: Across) -> list[Flat]:
    """Flatten the summary of several boards, one dict per method."""
    return [
        {
            "method": row.label,
            "mean_rank": row.mean_rank,
            "rank_best": row.rank_range[0] if row.rank_range else None,
            "rank_worst": row.rank_range[1] if row.rank_range else None,
            "ties": row.ties or None,
            "n_ranked": row.n_ranked,
            "skill": _number(row.skill),
            "skill_low": _number(row.low),
            "skill_high": _number(row.high),
            "n_skill": row.n_skill,
            "n_boards": len(summary.boards),
            "unit": "boards",
        }
        for row in summary.rows
    ]


def _flat(board: Board, row: Standing) -> Flat:
    return {
        "dataset": board.ground.dataset,
        "target": board.ground.target,
        "scheme": board.ground.scheme,
        "edition": board.ground.edition,
        "panel": board.panel,
        "metric": board.metric,
        "ceiling": _number(board.ceiling),
        "rank": row.rank,
        "rank_best": row.rank_range[0] if row.rank_range else None,
        "rank_worst": row.rank_range[1] if row.rank_range else None,
        "method": row.method,
        "encoder": row.encoder,
        "mode": row.mode,
        "stands_in_for": row.stands_in_for,
        "contamination": " ".join(row.contamination) or None,
        "variant": row.variant,
        "control": row.control,
        "oracle": row.oracle,
        "ties": row.ties or None,
        "score": _number(row.score),
        "low": _number(row.low),
        "high": _number(row.high),
        "unit": row.unit,
        "n_units": row.n_units,
        "undefined": row.undefined,
        "total": row.total,
        "pooled": _number(row.pooled),
        **_versus(row),
        "folds_done": " ".join(row.folds_done),
        "folds_failed": " ".join(row.folds_failed),
        "seeds": row.n_seeds,
        "seconds": _number(row.seconds),
        "peak_memory_mb": max(row.peak_memory_mb.values(), default=None),
        "leaks": row.leaks,
        "jobs": " ".join(row.job_ids),
        "failed_jobs": " ".join(row.failed_job_ids),
    }


def _versus(row: Standing) -> Flat:
    best, leader = row.best_control, row.versus_leader
    return {
        "best_control": best.other if best else None,
        "difference": best.difference if best else None,
        "difference_low": _number(best.low) if best else None,
        "difference_high": _number(best.high) if best else None,
        "difference_p": _number(best.p) if best else None,
        "difference_p_holm": _number(best.p_holm) if best else None,
        "difference_wilcoxon": _number(best.wilcoxon) if best else None,
        "difference_cohens_d": _number(best.cohens_d) if best else None,
        "difference_rank_biserial": _number(best.rank_biserial) if best else None,
        "beats_controls": row.beats_controls,
        "normalised_skill": _number(row.normalised_skill),
        "leader_difference": leader.difference if leader else None,
        "leader_p_holm": _number(leader.p_holm) if leader else None,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
