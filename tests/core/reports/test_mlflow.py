"""MLflow as a view: a real SQLite store, logged once, rebuilt when lost, never in the way."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from histobench.data import Prediction, SlideResult, Targets
from histobench.reports.mlflow import EXPERIMENT, MlflowTracker, tracking_uri
from histobench.results.records import RunRecord
from histobench.results.store import Store, write_predictions

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; its migrations take seconds, so they are done once."""
    out = tmp_path_factory.mktemp("migrated")
    MlflowClient(tracking_uri(out)).search_experiments()
    return out / "mlflow.db"


@pytest.fixture
def out(migrated: Path, tmp_path: Path) -> Path:
    shutil.copy(migrated, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def finished(out: Path, make_record) -> list[RunRecord]:
    """Two jobs of one configuration, with predictions, history and log."""
    store = Store(out)
    records = []
    for fold in ("A", "B"):
        record = make_record(
            {f"{fold}1": [0.5, float("nan")]},
            fold=fold,
            record={"epochs": ({"loss": 2.0}, {"loss": 1.0, "val_score": 0.1})},
        )
        folder = store.folder(record.job_id)
        folder.path.mkdir()
        folder.log("done")
        values = np.arange(8, dtype=np.float32).reshape(4, 2)
        names = ("one", "two")
        result = SlideResult(
            slide_id=f"{fold}1",
            spot_ids=np.array(["1x1", "1x2", "2x1", "2x2"]),
            xy_um=np.array([[0, 0], [0, 200], [200, 0], [200, 200]], dtype=float),
            predicted=Prediction(names=names, values=values),
            observed=Targets(kind="cell_abundance", names=names, values=values[::-1].copy()),
        )
        write_predictions(folder.predictions, [result])
        folder.finish(record)
        records.append(record)
    return records


def track(out: Path, records: list[RunRecord]) -> str | None:
    tracker = MlflowTracker(out)
    for record in records:
        tracker.log(record, Store(out).folder(record.job_id))
    return tracker.close()


def runs(out: Path) -> list[Run]:
    client = MlflowClient(tracking_uri(out))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def nested(out: Path) -> list[Run]:
    return [run for run in runs(out) if "mlflow.parentRunId" in run.data.tags]


def test_jobs_are_nested_under_their_configuration(out: Path, finished: list[RunRecord]) -> None:
    assert track(out, finished) is None
    parents = {run.info.run_id for run in runs(out)} - {run.info.run_id for run in nested(out)}
    assert len(parents) == 1
    assert {run.data.tags["mlflow.parentRunId"] for run in nested(out)} == parents
    assert {run.data.tags["histobench.job"] for run in nested(out)} == {record.job_id for record in finished}


def test_run_holds_parameters_losses_scores_and_files(out: Path, finished: list[RunRecord]) -> None:
    track(out, finished)
    client, run = MlflowClient(tracking_uri(out)), nested(out)[0]
    assert run.data.params["method"] == "ridge"
    assert run.data.params["seed"] == "0"
    losses = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in sorted(losses, key=lambda m: m.step)] == [(0, 2.0), (1, 1.0)]
    assert run.data.metrics["score.pearson"] == 0.5
    assert run.data.metrics["undefined.pearson"] == 1
    assert run.data.metrics["pooled.pearson"] == 0.5
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"record.json", "predictions.h5", "history.csv", "spot_map.png", "log.txt"}


def test_a_score_is_the_headlines_over_slides_then_patients(out: Path, finished: list[RunRecord], make_record) -> None:
    record = make_record({"A1": [0.1, 9.0], "A2": [0.3, 9.0], "B1": [0.8, 9.0], "B2": [float("nan"), 9.0]}, fold="C")
    tables = {"pearson": record.scores["pearson"].model_copy(update={"columns": ("mean", "most"), "headline": "mean"})}
    folder = Store(out).folder(record.job_id)
    shutil.copytree(Store(out).folder(finished[0].job_id).path, folder.path)
    track(out, [record.model_copy(update={"scores": tables})])
    (run,) = nested(out)
    assert run.data.metrics["score.pearson"] == pytest.approx(((0.1 + 0.3) / 2 + 0.8) / 2)
    assert "score.pearson.B2" not in run.data.metrics


def test_job_is_logged_once(out: Path, finished: list[RunRecord]) -> None:
    track(out, finished)
    first = {run.info.run_id for run in runs(out)}
    track(out, finished)
    assert {run.info.run_id for run in runs(out)} == first


def test_half_logged_job_is_logged_anew(out: Path, finished: list[RunRecord]) -> None:
    track(out, finished)
    client, victim = MlflowClient(tracking_uri(out)), nested(out)[0]
    client.update_run(victim.info.run_id, status="RUNNING")
    track(out, finished)
    assert victim.info.run_id not in {run.info.run_id for run in runs(out)}
    assert {run.info.status for run in nested(out)} == {"FINISHED"}


def test_outage_is_told_in_one_sentence(out: Path, finished: list[RunRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    complaint = track(out, finished)
    assert complaint is not None
    assert "tracking failed" in complaint
    assert "the records are complete" in complaint
    assert "\n" not in complaint


def test_server_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert tracking_uri(tmp_path) == "https://mlflow.example.org"
