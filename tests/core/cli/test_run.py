"""Studies from the command line, on the toy dataset: what is done, what fails alone, what is done again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from histobench.results.store import read_predictions

Say = Callable[..., object]

pytestmark = pytest.mark.usefixtures("trials")

CONTROLS = ("mean", "position", "colour", "nearest-patch", "shuffled")


def run(say: Say, out: Path, *arguments: object):
    return say("run", "--datasets", "toy", "--out", out, "--no-tracking", *arguments)


def records(out: Path) -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(out.glob("jobs/*/record.json"))}


def test_controls_run_unasked(say: Say, tmp_path: Path) -> None:
    said = run(say, tmp_path, "--methods", "behaves")
    assert said.code == 0
    assert {r["job"]["method"] for r in records(tmp_path).values()} == {"behaves", *CONTROLS}
    assert "control" in said.out


def test_running_again_does_nothing(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("jobs/*/*") if path.name != ".lock"}
    said = run(say, tmp_path, "--methods", "behaves")
    assert said.code == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("raises", "RuntimeError: the flux capacitor is empty"),
        ("says-nan", "prediction must be finite, got 1 NaN"),
        ("says-short", "prediction must be (60, 5), got (59, 5)."),
        ("says-misnamed", "where the task has"),
        ("says-array", "predict must return a Prediction, got ndarray"),
        ("exits", "SystemExit: 7"),
    ],
)
def test_method_that_breaks_its_promise_costs_only_its_job(say: Say, tmp_path: Path, method: str, words: str) -> None:
    said = run(say, tmp_path, "--methods", f"behaves,{method}")
    by_method = {r["job"]["method"]: r for r in records(tmp_path).values()}
    assert said.code == 1
    assert by_method[method]["status"] == "failed"
    assert words in by_method[method]["error"]
    assert words in said.err
    assert "Traceback" not in said.err
    assert by_method["behaves"]["status"] == "done"


def test_traceback_of_a_failed_job_is_in_its_log(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "raises", "--folds", "toy:1")
    failed = next(name for name, r in records(tmp_path).items() if r["job"]["method"] == "raises")
    assert "flux capacitor" in (tmp_path / "jobs" / failed / "log.txt").read_text()
    assert "Traceback" in (tmp_path / "jobs" / failed / "log.txt").read_text()


def test_failed_job_is_tried_again(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "raises", "--folds", "toy:1")
    first = records(tmp_path)
    run(say, tmp_path, "--methods", "raises", "--folds", "toy:1")
    second = records(tmp_path)
    assert first.keys() == second.keys()
    assert any(first[name]["finished"] != second[name]["finished"] for name in first)


def test_corrupt_record_is_set_aside_and_its_job_redone(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves")
    before = records(tmp_path)
    victim = sorted(before)[0]
    (tmp_path / "jobs" / victim / "record.json").write_text('{"schema_version": 1, "job_')
    said = run(say, tmp_path, "--methods", "behaves")
    assert said.code == 0
    after = records(tmp_path)
    assert after[victim]["scores"] == before[victim]["scores"]
    assert list((tmp_path / "jobs" / victim).glob("record.corrupt-*.json"))


def test_worker_that_dies_costs_only_its_job(say: Say, tmp_path: Path) -> None:
    said = run(say, tmp_path, "--methods", "behaves,dies", "--workers", 2, "--folds", "toy:1")
    by_method = {r["job"]["method"]: r for r in records(tmp_path).values()}
    assert said.code == 1
    assert "its worker process ended with exit code 9" in by_method["dies"]["error"]
    assert by_method["behaves"]["status"] == "done"


def test_workers_give_the_scores_of_one_process(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path / "one", "--methods", "behaves", "--threads", 1)
    run(say, tmp_path / "two", "--methods", "behaves", "--threads", 1, "--workers", 2)
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert one.keys() == two.keys()
    assert all(one[name]["scores"] == two[name]["scores"] for name in one)


def test_new_metric_scores_old_predictions(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--metrics", "pearson")
    assert all(set(r["scores"]) == {"pearson"} for r in records(tmp_path).values())
    said = say("score", "--out", tmp_path, "--metrics", "rmse")
    assert said.code == 0
    assert all(set(r["scores"]) == {"pearson", "rmse"} for r in records(tmp_path).values())
    assert f"{len(records(tmp_path))} records were scored" in said.out


def test_metric_that_needs_what_is_not_there_says_so(say: Say, tmp_path: Path) -> None:
    genes = ("--datasets", "synthetic", "--targets", "gene_expression", "--folds", "synthetic:P1")
    say("run", "--methods", "mean", *genes, "--metrics", "pearson", "--out", tmp_path, "--no-tracking")
    why = "the method predicts no mean and no dispersion and no zero"
    for _ in range(2):  # the second time from the record
        said = say("score", "--out", tmp_path, "--metrics", "zinb-log-likelihood")
        assert said.code == 0
        assert f"zinb-log-likelihood is not computed: {why}." in said.err + said.out
    said = say("results", "--out", tmp_path, "--metric", "zinb-log-likelihood")
    assert said.code != 0
    assert f"could not be computed for these records: {why}" in said.err


def test_metric_of_a_publication_is_named_with_brackets(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1", "--metrics", "pearson[cuca-split],jsd[hist2cell]")
    assert all(set(r["scores"]) == {"pearson[cuca-split]", "jsd[hist2cell]"} for r in records(tmp_path).values())
    assert "jsd[hist2cell] per slide" in say("results", "--out", tmp_path, "--metric", "jsd[hist2cell]").out


def test_record_says_where_a_number_came_from(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1", "--seeds", "3", "--set", "behaves.scale=0.5")
    record = next(r for r in records(tmp_path).values() if r["job"]["method"] == "behaves")
    assert record["job"]["seed"] == 3
    assert record["job"]["options"] == {"epochs": 1, "scale": 0.5}
    assert record["job"]["versions"]["method"] == "histobench-trials:plugin 1.0 revision 1"
    assert record["job"]["edition"]
    assert record["panel"]["hash"]
    assert record["versions"]["numpy"]
    assert record["peak_memory_mb"]["resident"] > 10
    assert record["machine"]["device"] == "cpu"
    assert record["determinism"].startswith("bit for bit")


def test_results_come_as_table_json_and_csv(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves")
    table = say("results", "--out", tmp_path).out
    rows = json.loads(say("results", "--out", tmp_path, "--json").out)
    header = say("results", "--out", tmp_path, "--csv").out.splitlines()[0]
    assert "behaves" in table
    assert {row["method"] for row in rows} == {"behaves", *CONTROLS}
    assert header.startswith("dataset,target,scheme")


def test_plan_shows_the_grid_and_trains_nothing(say: Say, tmp_path: Path) -> None:
    said = say("plan", "--datasets", "toy", "--methods", "behaves", "--out", tmp_path / "out")
    assert said.code == 0
    assert "behaves" in said.out
    assert "24 jobs" in said.out
    assert not (tmp_path / "out").exists()


def test_config_file_and_command_line_meet(say: Say, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text("methods: [behaves]\ndatasets: toy\nseeds: 5\nset:\n  behaves.scale: 2\n")
    said = say("run", "--config", study, "--folds", "toy:2", "--out", tmp_path / "out", "--no-tracking")
    assert said.code == 0
    record = next(r for r in records(tmp_path / "out").values() if r["job"]["method"] == "behaves")
    assert (record["job"]["seed"], record["job"]["fold"], record["job"]["options"]["scale"]) == (5, "toy:2", 2.0)


def test_output_without_a_terminal_is_plain_lines(say: Say, tmp_path: Path) -> None:
    said = run(say, tmp_path, "--methods", "behaves")
    assert "\x1b" not in said.out + said.err
    assert all(ord(character) < 0x2500 for character in said.out)


def test_quiet_run_prints_the_table_alone(say: Say, tmp_path: Path) -> None:
    said = say("--quiet", "run", "--datasets", "toy", "--methods", "behaves", "--out", tmp_path, "--no-tracking")
    assert "done:" not in said.err
    assert "behaves" in said.out


def test_method_that_reuses_its_buffer_spoils_nothing(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "reuses", "--folds", "toy:1")
    job = next(name for name, r in records(tmp_path).items() if r["job"]["method"] == "reuses")
    (stored,) = read_predictions(tmp_path / "jobs" / job / "predictions.h5")
    assert "X" not in stored.spot_ids


def test_what_a_plugin_prints_goes_to_its_log(say: Say, tmp_path: Path) -> None:
    said = run(say, tmp_path, "--methods", "prints", "--folds", "toy:1")
    assert "hello from a plugin" not in said.out
    assert any("hello from a plugin" in path.read_text() for path in tmp_path.glob("jobs/*/log.txt"))


def test_dataset_that_cannot_be_read_leaves_the_others_whole(say: Say, tmp_path: Path) -> None:
    said = say("run", "--datasets", "unreadable,toy", "--methods", "behaves", "--out", tmp_path, "--no-tracking")
    assert said.code == 0
    assert "dataset 'unreadable' cannot be read: KeyError" in said.err
    assert {r["job"]["dataset"] for r in records(tmp_path).values()} == {"toy"}


def test_dataset_alone_that_cannot_be_read_is_refused(say: Say, tmp_path: Path) -> None:
    said = say("run", "--datasets", "unreadable", "--methods", "behaves", "--out", tmp_path)
    assert said.code == 2
    assert "dataset 'unreadable' cannot be read: KeyError" in said.err


def test_unreadable_checkpoint_is_set_aside_and_fitted_again(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1")
    job = next(name for name, r in records(tmp_path).items() if r["job"]["method"] == "behaves")
    folder = tmp_path / "jobs" / job
    before = records(tmp_path)[job]["scores"]
    (folder / "record.json").unlink()
    (folder / "checkpoint" / "fitted.json").write_text("{")
    said = run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1")
    assert said.code == 0
    assert records(tmp_path)[job]["scores"] == before
    assert list(folder.glob("checkpoint.unreadable-*"))


def test_lost_predictions_are_made_again(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1", "--metrics", "pearson")
    job = next(name for name, r in records(tmp_path).items() if r["job"]["method"] == "behaves")
    stored = tmp_path / "jobs" / job / "predictions.h5"
    stored.write_bytes(stored.read_bytes()[:100])
    scored = say("score", "--out", tmp_path, "--metrics", "rmse")
    assert scored.code == 1
    assert f"job {job} is not changed" in scored.err
    said = run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1", "--metrics", "pearson,rmse")
    assert said.code == 0
    assert set(records(tmp_path)[job]["scores"]) == {"pearson", "rmse"}


def test_reading_results_changes_nothing(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1")
    broken = sorted(tmp_path.glob("jobs/*/record.json"))[0]
    broken.write_text("{")
    said = say("results", "--out", tmp_path)
    assert said.code == 0
    assert "is not a record of a job" in said.err
    assert broken.read_text() == "{"


def test_another_machine_makes_no_other_job(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--threads", 1)
    first = set(records(tmp_path))
    run(say, tmp_path, "--methods", "behaves", "--threads", 2)
    assert set(records(tmp_path)) == first


def test_metric_that_no_record_has_gets_a_suggestion(say: Say, tmp_path: Path) -> None:
    run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1")
    said = say("results", "--out", tmp_path, "--metric", "pearsen")
    assert said.code == 2
    assert "Did you mean 'pearson'?" in said.err


def test_study_with_another_metric_alone_has_a_table(say: Say, tmp_path: Path) -> None:
    said = run(say, tmp_path, "--methods", "behaves", "--folds", "toy:1", "--metrics", "rmse")
    assert "rmse per slide" in said.out


def test_finished_job_keeps_no_training_checkpoints(say: Say, tmp_path: Path) -> None:
    arguments = ("--encoders", "colour-stats", "--folds", "toy:1", "--epochs", 1)
    said = run(say, tmp_path, "--methods", "linear-probe", *arguments)
    assert said.code == 0
    assert list(tmp_path.glob("jobs/*/checkpoint/*.safetensors"))
    assert not list(tmp_path.glob("jobs/*/resume"))
