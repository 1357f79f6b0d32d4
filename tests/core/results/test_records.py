"""Records survive JSON with their undefined scores, and nothing else is taken for a record."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from histobench.contracts.cards import MetricCard
from histobench.errors import DataError
from histobench.results.records import JobSpec, MetricScores, PanelRecord, RunRecord, SideScores, read_record

CARD = MetricCard(
    name="pearson", title="t", build=lambda: np.add, kinds=("cell_abundance",), higher_is_better=True, revision="3"
)


def job() -> JobSpec:
    return JobSpec(
        method="ridge",
        encoder="colour-stats",
        mode="frozen",
        dataset="toy",
        target="cell_abundance",
        kind="cell_abundance",
        scheme="leave-one-patient-out",
        leaks=False,
        fold="A",
        train=("B1",),
        val=(),
        test=("A1", "A2"),
        patients={"A1": "A", "A2": "A", "B1": "B"},
        seed=0,
        options={"alpha": 1.0},
        precision="32-true",
        device="cpu",
        threads=1,
        edition="e",
        versions={"histobench:heads": "0.1.0 r1"},
    )


def scores() -> MetricScores:
    per_slide = {"A1": np.array([0.5, math.nan]), "A2": np.array([0.25, -0.5])}
    return MetricScores.from_arrays(per_slide, np.array([0.4, math.nan]), card=CARD)


def record(**facts: Any) -> RunRecord:  # Any: fields of different types
    plain: dict[str, Any] = {
        "job_id": "abc",
        "job": job(),
        "status": "done",
        "targets": ("t-cell", "b-cell"),
        "n_spots": {"A1": 60, "A2": 60},
        "panel": PanelRecord(hash="h", unit="cells", fitted_on=("B1",)),
        "scores": {"pearson": scores()},
        "epochs": ({"loss": 1.0, "val_score": math.nan},),
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:01+00:00",
    }
    return RunRecord(**{**plain, **facts})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "record.json"


def test_record_survives_json(path: Path) -> None:
    path.write_text(record().model_dump_json())
    assert read_record(path) == record()


def test_undefined_score_is_null_on_disk_and_nan_in_a_table(path: Path) -> None:
    path.write_text(record().model_dump_json())
    assert json.loads(path.read_text())["scores"]["pearson"]["per_slide"]["A1"] == [0.5, None]
    slides, table = read_record(path).scores["pearson"].table()
    assert slides == ("A1", "A2")
    assert np.array_equal(table, [[0.5, math.nan], [0.25, -0.5]], equal_nan=True)
    assert table.dtype == np.float64


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_epoch_numbers_that_json_has_not_become_null(value: float) -> None:
    assert record(epochs=({"loss": value},)).epochs == ({"loss": None},)


def test_undefined_scores_are_counted_per_slide() -> None:
    assert scores().undefined == 1


def test_scores_say_how_to_read_them_where_the_metric_is_not_installed() -> None:
    assert scores().higher_is_better
    assert scores().revision == "3"


def test_records_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        record().status = "failed"  # type: ignore[misc]  # the offence


def test_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        record(score=1.0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        record().model_dump_json().encode()[:-20],
        record().model_dump_json().replace('"schema_version":1', '"schema_version":2').encode(),
        record().model_dump_json().replace('"status":"done"', '"status":"perhaps"').encode(),
        record().model_dump_json().replace('"job_id":"abc",', "").encode(),
    ],
    ids=["empty", "open", "list", "null", "not-text", "truncated", "other-schema", "other-status", "no-id"],
)
def test_what_is_no_whole_record_is_refused_by_name(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(DataError, match=r"record\.json is not a record of a job: "):
        read_record(path)


def test_refusal_says_where_the_record_is_wrong(path: Path) -> None:
    path.write_text(record().model_dump_json().replace('"job_id":"abc",', ""))
    with pytest.raises(DataError, match=r"record\.json is not a record of a job: job_id: Field required\.$"):
        read_record(path)


def test_missing_record_is_refused_by_name(path: Path) -> None:
    with pytest.raises(DataError, match=r"record\.json is not a record of a job: .*No such file"):
        read_record(path)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"n_spots": {"A1": 60}}, "scored on slides that differ from the predicted ones"),
        ({"targets": ("t-cell",)}, "does not have one score per target"),
    ],
)
def test_record_that_contradicts_itself_is_refused(path: Path, facts: dict[str, object], sentence: str) -> None:
    whole = record().model_dump(mode="json")
    path.write_text(json.dumps({**whole, **facts}))
    with pytest.raises(DataError, match=sentence):
        read_record(path)


def _metric(**facts: object) -> MetricCard:
    made = {"name": "bias", "title": "", "build": lambda: None, "kinds": ("cell_abundance",), "higher_is_better": True}
    return MetricCard(**{**made, **facts})  # type: ignore[arg-type]  # facts of several types


def test_a_record_lacks_metrics_of_its_kind_that_it_has_not(make_record) -> None:
    record = make_record({"A1": [0.5]})
    assert record.lacks(_metric())
    assert not record.lacks(_metric(name="pearson"))
    assert record.lacks(_metric(name="pearson", revision="2"))
    assert not record.lacks(_metric(kinds=("label",)))


def test_a_record_does_not_lack_what_was_passed_over(make_record) -> None:
    record = make_record({"A1": [0.5]}, record={"passed_over": {"bias": "the spots are not annotated"}})
    assert not record.lacks(_metric())


def test_a_record_may_lack_scores_of_what_stands_beside(make_record) -> None:
    beside = {"label": SideScores(kind="label", n_targets=2, passed_over={"other": "it needs more"})}
    record = make_record({"A1": [0.5]}, record={"beside": beside})
    assert record.lacks(_metric(kinds=("label",)))
    assert not record.lacks(_metric(name="other", kinds=("label",)))


def test_columns_must_be_as_many_as_scores(make_record) -> None:
    record = make_record({"A1": [0.5, 0.25]})
    scores = record.scores["pearson"].model_copy(update={"columns": ("mean",)})
    with pytest.raises(ValidationError, match="pearson does not have one score per column"):
        RunRecord.model_validate({**record.model_dump(), "scores": {"pearson": scores.model_dump()}})


def test_the_headline_speaks_for_all_columns() -> None:
    table = {"per_slide": {}, "pooled": (None, 0.5), "columns": ("x", "y"), "higher_is_better": True, "revision": "1"}
    scores = MetricScores(**table, headline="x")
    assert math.isnan(scores.overall(scores.pooled))
    assert MetricScores(**table).overall(scores.pooled) == 0.5
