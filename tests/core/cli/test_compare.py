"""``histobench compare``, and what ``histobench results`` says of ties, p and skill, on records written by hand."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

Say = Callable[..., object]

PATIENTS = "ABCDEFGHIJ"


@pytest.fixture
def study(tmp_path: Path, make_record: Callable) -> Path:
    """Two datasets of ten patients: ``good`` is better than ``bad``, and ``late`` was tried on one of them."""
    scores = {"mean": 0.1, "good": 0.8, "bad": 0.4}
    for dataset, methods in {"d1": scores, "d2": {**scores, "late": 0.6}}.items():
        for method, score in methods.items():
            for place, p in enumerate(PATIENTS):
                values = {f"{p}1": [score + 0.01 * place * (-1) ** (place + len(method))]}
                _write(tmp_path, make_record(values, dataset=dataset, method=method, fold=p, control=method == "mean"))
    return tmp_path


def _write(out: Path, record) -> None:
    scores = {name: table.model_copy(update={"highest": 1.0}) for name, table in record.scores.items()}
    folder = out / "jobs" / record.job_id
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(record.model_copy(update={"scores": scores}).model_dump_json())


def test_pairs_and_summary_are_printed(say: Say, study: Path) -> None:
    said = say("compare", "--out", study)
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines()]
    assert ["good", "bad"] in [line[:2] for line in lines]
    assert "Holm-corrected for 3 comparisons" in said.out
    assert "Holm-corrected for 6 comparisons" in said.out
    assert "across 2 boards" in said.out
    assert "2 methods are ranked on every board; Friedman p = " in said.out


def test_a_method_that_misses_a_board_says_so(say: Say, study: Path) -> None:
    said = say("compare", "--out", study)
    (late,) = [line for line in said.out.splitlines() if "1 of 2 boards" in line]
    assert late.split()[:4] == ["-", "-", "-", "late"]
    assert "note: 1 methods are missing on a board" in said.err


def test_comparison_as_json_holds_pairs_and_the_summary(say: Say, study: Path) -> None:
    told = json.loads(say("compare", "--out", study, "--json").out)
    assert len(told["pairs"]) == 9
    assert {pair["unit"] for pair in told["pairs"]} == {"patients"}
    by_method = {row["method"]: row for row in told["across"]["methods"]}
    assert (by_method["good"]["mean_rank"], by_method["bad"]["mean_rank"]) == (1, 2)
    assert by_method["good"]["skill"] == pytest.approx(0.7 / 0.9, abs=0.02)
    assert told["across"]["critical_difference"] == pytest.approx(1.386, abs=0.001)


def test_pairs_as_csv(say: Say, study: Path) -> None:
    table = list(csv.DictReader(io.StringIO(say("compare", "--out", study, "--csv").out)))
    assert len(table) == 9
    assert {row["is_clear"] for row in table} == {"True"}
    assert all(float(row["p_holm"]) >= float(row["p"]) for row in table)


def test_one_board_has_no_summary(say: Say, tmp_path: Path, make_record: Callable) -> None:
    _write(tmp_path, make_record({"A1": [0.1]}, method="a"))
    said = say("compare", "--out", tmp_path)
    assert "no two methods have scores on the same slides." in said.out
    assert "across" not in said.out
    assert json.loads(say("compare", "--out", tmp_path, "--json").out)["across"]["critical_difference"] is None


def test_without_scores_there_is_nothing_to_compare(say: Say, tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    assert "no job has a score yet." in say("compare", "--out", tmp_path).out
    assert say("compare", "--out", tmp_path, "--csv").out == ""


def test_a_metric_that_no_record_has_is_refused(say: Say, study: Path) -> None:
    assert say("compare", "--out", study, "--metric", "pearsen").code == 2


def test_results_show_places_ties_p_and_skill(say: Say, study: Path) -> None:
    said = say("results", "--out", study)
    rows = {line.split()[3]: line for line in said.out.splitlines() if line[:1].isdigit()}
    assert rows["good"].split()[:4] == ["1", "1-1", "a", "good"]
    assert rows["bad"].split()[:4] == ["3", "3-3", "c", "bad"]
    assert ", p 0.012" in rows["bad"]
    assert (
        "skill: 0 at the best control, 1 at the metric's bound, 1.000, which may not be reachable with these data."
        in said.out
    )
