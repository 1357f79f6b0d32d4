"""``histobench compare``: tests between methods, on each board and across boards."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import STUDY, PluginNames
from histobench.cli.results import make_boards, read_records

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.results.statistics import Across, Board, Comparison

__all__ = ["compare"]


@click.command()
@STUDY
@click.option("--metric", type=PluginNames("metrics"), help="Metric to compare by. [the main metric of each task]")
@click.option("--json", "as_json", is_flag=True, help="Print pairs and the summary as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the pairs as CSV.")
@click.pass_obj
def compare(app: "App", study: Path, metric: str | None, as_json: bool, as_csv: bool) -> None:
    """Compare methods pair by pair, on each board and across boards."""
    from histobench.results.statistics import across, across_rows, pair_rows
    from histobench.results.store import Store

    boards = make_boards(read_records(app, Store(study, write=False)), metric)
    summary = across(boards)
    pairs = [row for board in boards for row in pair_rows(board)]
    if as_json:
        table = {
            "boards": summary.boards,
            "methods": across_rows(summary),
            "warnings": summary.warnings,
            **{name: _plain(getattr(summary, name)) for name in ("friedman_p", "critical_difference")},
        }
        app.output.json({"pairs": pairs, "across": table})
    elif as_csv:
        app.output.csv(pairs)
    else:
        _print(app, boards, summary)


def _print(app: "App", boards: "list[Board]", summary: "Across") -> None:
    if not boards:
        app.output.result("no job has a score yet.")
        return
    for board in boards:
        pairs = [*board.pairs, *(comparison for row in board.rows for comparison in row.skill)]
        title = f"{board.title} | {board.metric} per slide"
        if not pairs:
            app.output.result(f"{title}\nno two methods have scores on the same {board.unit}.")
        else:
            _print_pairs(app, board, pairs, title=title)
        for warning in board.warnings:
            app.output.warn(warning)
        app.output.result()
    if len(summary.boards) > 1:
        _print_across(app, summary)


def _print_pairs(app: "App", board: "Board", pairs: "list[Comparison]", *, title: str) -> None:
    app.output.table([_pair(pair) for pair in pairs], _PAIR_HEADER, title=title)
    app.output.result(
        f"differences over {board.unit}, positive if the first is better; 95 % by bootstrap-t; p of a two-sided "
        f"sign-flip test, Holm-corrected for {len(pairs)} comparisons; d in standard deviations of the differences."
    )


def _print_across(app: "App", summary: "Across") -> None:
    n_boards = len(summary.boards)
    rows = [
        [
            "-" if row.mean_rank is None else f"{row.mean_rank:.2f}",
            f"{row.rank_range[0]}-{row.rank_range[1]}" if row.rank_range else "-",
            row.ties or "-",
            row.label,
            f"{row.n_ranked} of {n_boards} boards",
            _number(row.skill),
            f"{_number(row.low)} to {_number(row.high)}" if math.isfinite(row.low) else "-",
            f"{row.n_skill} of {n_boards} boards",
        ]
        for row in summary.rows
    ]
    header = ("mean rank", "places", "ties", "method", "ranked on", "skill", "95 %", "skill on")
    app.output.table(rows, header, title=f"across {n_boards} boards: {', '.join(summary.boards)}")
    if math.isfinite(summary.critical_difference):
        app.output.result(
            f"{summary.n_complete} methods are ranked on every board; Friedman p = {summary.friedman_p:.2g}; mean "
            f"ranks differ if they are more than {summary.critical_difference:.2f} apart (Nemenyi, 0.05), and only "
            "where Friedman's p is 0.05 or less; places and 95 % are over boards; skill is 0 for the best control and "
            "1 for the ceiling, or the metric's bound where none is known."
        )
    for warning in summary.warnings:
        app.output.warn(warning)


_PAIR_HEADER = ("method", "against", "difference", "95 %", "p", "p (Holm)", "Wilcoxon p", "d", "rank-biserial", "units")


def _pair(pair: "Comparison") -> list[str]:
    return [
        pair.one,
        pair.other,
        f"{pair.difference:+.3f}",
        f"{pair.low:+.3f} to {pair.high:+.3f}" if math.isfinite(pair.low) else "-",
        *(_number(value, ".2g") for value in (pair.p, pair.p_holm, pair.wilcoxon)),
        *(_number(value, "+.2f") for value in (pair.cohens_d, pair.rank_biserial)),
        str(pair.n_units),
    ]


def _number(value: float, shape: str = ".3f") -> str:
    return format(value, shape) if math.isfinite(value) else "-"


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
