"""The analysis of robustness, on scores that are stored already."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from histobench.contracts.protocols import PatchGeometry
from histobench.images.shifts import PANEL
from histobench.reports.analyses import robustness
from histobench.reports.analyses.findings import StudyResults
from histobench.reports.analyses.robustness import analyse_robustness
from histobench.results.records import RunRecord
from histobench.results.statistics import standings
from histobench.results.store import Store

COLUMNS = ("image to expression at 5", "image to expression at 10", "chance at 10")


@pytest.fixture
def finished(tmp_path: Path, make_record: Any) -> tuple[Store, list[RunRecord]]:
    """Jobs of two seeds that retrieve, with scores under every shift; the headline is the second column."""
    store = Store(tmp_path)
    records = []
    for seed, headline in enumerate((0.8, 1.0)):
        plain = {"A1": [0.3, headline, 0.1], "A2": [0.3, headline, 0.1], "B1": [0.3, headline, 0.1]}
        one = make_record(
            {"retrieval-recall": plain},
            kind="retrieve",
            target="retrieve",
            encoder="toy",
            mode="frozen",
            patch=PatchGeometry(),
            seed=seed,
        )
        table = one.scores["retrieval-recall"].model_copy(update={"columns": COLUMNS, "headline": COLUMNS[1]})
        record = one.model_copy(update={"scores": {"retrieval-recall": table}})
        folder = store.folder(record.job_id)
        folder.path.mkdir(parents=True)
        shifted = {slide: [None, 0.5, 0.1] for slide in plain}
        scores = {f"retrieval-recall 1 {shift}": shifted for shift in PANEL}
        (folder.path / "robustness.json").write_text(json.dumps(scores))
        records.append(record)
    return store, records


def test_a_score_is_the_headline_as_on_a_board(finished: tuple[Store, list[RunRecord]]) -> None:
    store, records = finished
    cards = SimpleNamespace(get=lambda name: SimpleNamespace(name=name, revision="1"))
    registry: Any = SimpleNamespace(metrics=cards)
    study = StudyResults(store=store, records=tuple(records), metric="retrieval-recall", registry=registry)
    rows = analyse_robustness(study).tables["robustness"]
    assert len(rows) == len(PANEL)
    (board,) = standings(records, "retrieval-recall")
    for row in rows:
        assert row["score"] == pytest.approx(0.9) == board.rows[0].score
        assert row["score shifted"] == pytest.approx(0.5)
        assert row["change"] == pytest.approx(-0.4)
        assert row["patients"] == 2


def test_targets_undefined_on_either_side_count_on_neither(make_record: Any) -> None:
    record = make_record({"A1": [0.2, 0.4, float("nan")]})
    found = robustness._compared(record, PANEL[0], {"A1": [None, 0.3, 0.9]}, metric="pearson")
    assert (found.plain, found.shifted) == ({"A1": 0.4}, {"A1": 0.3})
