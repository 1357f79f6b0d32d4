"""Descriptions and warnings that accompany a board."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from histobench.contracts.tasks import TASKS
from histobench.results.statistics.boards import ALPHA, Board
from histobench.results.statistics.paired import smallest_p
from histobench.results.statistics.ranking import MANY_GROUPS
from histobench.results.statistics.resampling import FEW_UNITS

__all__ = ["board_warnings", "ceiling_told", "gallery_told", "task_told", "told_apart"]


def task_told(board: Board) -> str:
    """Describe the task of a board; empty if the name of the target explains it."""
    return TASKS[board.ground.kind].question


def gallery_told(board: Board) -> str:
    """Describe the gallery of a retrieval board: the spots that each spot is searched in; else empty."""
    sizes = sorted({board.n_spots[slide] for slide in board.slides if slide in board.n_spots})
    if TASKS[board.ground.kind].has_targets or not sizes:
        return ""
    return f"one slide, {sizes[0]} spots" if len(sizes) == 1 else f"one slide, {sizes[0]} to {sizes[-1]} spots"


def ceiling_told(board: Board) -> str:
    """Describe what a skill of 1 means; empty if there is no skill."""
    if not board.ceiling_name or board.describes:
        return ""
    shown = f"{board.ceiling_name}, {board.ceiling:.3f}"
    if any(row.oracle and row.label == board.ceiling_name for row in board.rows):
        return f"the ceiling ({shown})"
    return f"{shown}, which may not be reachable with these data"


def told_apart(boards: Sequence[Board]) -> list[Board]:
    """Set `Board.apart` of boards that share a title and a metric."""
    found: list[Board] = []
    for board in boards:
        alike = [other for other in boards if (other.title, other.metric) == (board.title, board.metric)]
        found.append(replace(board, apart=_apart(board, alike)) if len(alike) > 1 else board)
    return found


def _apart(board: Board, alike: Sequence[Board]) -> str:
    mine = _terms(board)
    differing = [name for name in mine if len({_terms(other)[name] for other in alike}) > 1]
    terms = ", ".join(f"{name} {mine[name]}" for name in differing if mine[name])
    same = [other for other in alike if all(_terms(other)[name] == mine[name] for name in differing)]
    number = f"set {1 + same.index(board)} of {len(same)}" if len(same) > 1 else ""
    return ", ".join(filter(None, [terms, number]))


def _terms(board: Board) -> dict[str, str]:
    ground = board.ground
    slides = sorted(board.slides)
    return {
        "judge": board.judge,
        "edition": ground.edition,
        "dataset revision": ground.dataset_revision,
        "panel": board.panel,
        "unit": board.panel_unit,
        "leaks": "yes" if ground.leaks else "no",
        "slides": " ".join(slides) if len(slides) <= 8 else f"{len(slides)} from {slides[0]} to {slides[-1]}",
    }


def _range(board: Board) -> str:
    if not np.isfinite(board.lowest):
        return f"{board.highest:g} at most"
    if not np.isfinite(board.highest):
        return f"{board.lowest:g} at least"
    return f"{board.lowest:g} to {board.highest:g}"


def board_warnings(board: Board, *, unranked: bool) -> Iterable[str]:
    """Yield warnings for readers of a board, one sentence each.

    Parameters
    ----------
    unranked
        Whether some methods have no rank because a score is missing.
    """
    n_units = len(set(board.slides.values())) if board.unit == "patients" else len(board.slides)
    if n_units == 1:
        yield f"one {board.unit[:-1]} only: there is no interval, and no difference can be tested."
    elif n_units < FEW_UNITS:
        yield (f"{n_units} {board.unit} only: intervals are not reliable, no difference is clear, no rank is excluded.")
    yield from _weak_tests(board)
    if any(row.low < board.lowest or row.high > board.highest for row in board.rows):
        yield (
            f"some intervals exceed the range of {board.metric!r} ({_range(board)}), because the {board.unit} are few."
        )
    if all(np.isnan(row.score) for row in board.rows) and any(np.isfinite(row.pooled) for row in board.rows):
        yield f"{board.metric!r} is defined over all slides together only: it has neither an interval nor a rank."
    if board.ground.leaks:
        yield f"scheme {board.ground.scheme!r} leaks: slides of one patient are in both training and test."
    for encoder, seen in sorted({(row.encoder or "", row.contamination) for row in board.rows if row.contamination}):
        yield f"{encoder} was pretrained on {' and '.join(seen)}, where tested slides come from: it may look too good."
    if unranked:
        yield "methods without a score on every slide of the board have no rank."
    if board.unscored:
        yield (
            f"{len(board.unscored)} finished jobs have no score under {board.metric!r}; "
            "`histobench score` computes it from their stored predictions."
        )
    for why, n in sorted(Counter(board.passed_over.values()).items()):
        yield f"{n} finished jobs cannot have a score under {board.metric!r}: {why}."


def _weak_tests(board: Board) -> Iterable[str]:
    """Warn if no comparison can become significant, whatever the scores."""
    tested = [c for c in (*board.pairs, *(c for row in board.rows for c in row.skill)) if np.isfinite(c.p)]
    most = max((comparison.n_units for comparison in tested), default=0)
    if most >= FEW_UNITS and smallest_p(most) > ALPHA:
        yield (
            f"with {most} {board.unit} the two-sided sign-flip test cannot go below p = 2/{2**most} = "
            f"{smallest_p(most):.3g}: no difference can be significant, whatever the scores."
        )
    elif most >= FEW_UNITS and smallest_p(most) * len(tested) > ALPHA:
        yield (
            f"{len(tested)} comparisons on {most} {board.unit}: p cannot go below {smallest_p(most):.2g}, so "
            "after Holm's correction few or none are significant; compare fewer methods, or read the intervals."
        )
    if len(board.rows) > MANY_GROUPS and board.pairs and not any(row.ties for row in board.rows):
        yield f"there would be more than {MANY_GROUPS} tie groups, so they are left out."
