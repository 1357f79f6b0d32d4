"""Analyses of a finished study, from the command line."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Say = Callable[..., Any]  # Any: what was said, from tests/core/conftest.py


pytestmark = pytest.mark.usefixtures("trials")


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysed")


@pytest.fixture
def finished(say: Say, study: Path) -> Path:
    """A study of ridge and the controls on the toy dataset, run once for this file."""
    if not (study / "jobs").exists():
        said = say(
            *("run", "--datasets", "toy", "--methods", "ridge", "--encoders", "colour-stats"),
            *("--folds", "toy:1", "--out", study, "--no-tracking", "--threads", "1"),
        )
        assert said.code == 0, said.err
    return study


def test_spots_are_scored_within_the_regions_that_were_observed(finished: Path) -> None:
    records = [json.loads(path.read_text()) for path in finished.glob("jobs/*/record.json")]
    (ridge,) = [record for record in records if record["job"]["method"] == "ridge"]
    within = ridge["scores"]["pearson-within-regions"]["per_slide"]
    assert ridge["warnings"] == []
    assert all(score is not None for row in within.values() for score in row)


def test_robustness_scores_every_method_that_looks_at_images(say: Say, finished: Path) -> None:
    said = say("analyse", "--study", finished, "--what", "robustness", "--methods", "ridge,mean,colour")
    assert said.code == 0, said.err
    rows = read(finished / "analyses" / "robustness.csv")
    assert {row["method"].partition(" ")[0] for row in rows} == {"ridge", "colour"}
    assert {row["shift"] for row in rows} == {"stain", "brightness", "blur", "jpeg", "scale", "rotation"}
    assert all(int(row["patients"]) == 1 for row in rows)
    strongest = {
        row["strength"]: float(row["change"]) for row in rows if row["shift"] == "blur" and "ridge" in row["method"]
    }
    assert min(strongest.values()) < 0
    for ending in ("png", "svg"):
        assert (finished / "analyses" / f"robustness.{ending}").stat().st_size > 1000


def test_colour_statistics_do_not_mind_a_turn(say: Say, finished: Path) -> None:
    say("analyse", finished, "--what", "robustness", "--methods", "colour")
    rows = read(finished / "analyses" / "robustness.csv")
    turned = [abs(float(row["change"])) for row in rows if row["shift"] == "rotation"]
    recoloured = [abs(float(row["change"])) for row in rows if row["shift"] == "stain"]
    assert max(turned) < 0.02
    assert max(recoloured) > max(turned)


def test_an_interrupted_panel_goes_on_where_it_was(say: Say, finished: Path) -> None:
    say("analyse", finished, "--what", "robustness", "--methods", "colour")
    (kept,) = [
        path.parent / "robustness.json"
        for path in finished.glob("jobs/*/record.json")
        if json.loads(path.read_text())["job"]["method"] == "colour"
        and json.loads(path.read_text())["job"]["fold"] == "toy:1"
    ]
    known = json.loads(kept.read_text())
    key = next(name for name in known if name.endswith("blur 1"))
    known[key] = {slide: [0.25] * len(row) for slide, row in known[key].items()}
    kept.write_text(json.dumps(known))
    said = say("analyse", finished, "--what", "robustness", "--methods", "colour")
    assert said.code == 0
    assert json.loads(kept.read_text())[key] == known[key]


def test_a_damaged_panel_costs_its_job_alone_and_is_named(say: Say, finished: Path) -> None:
    say("analyse", finished, "--what", "robustness", "--methods", "colour")
    kept = sorted(finished.glob("jobs/*/robustness.json"))[0]
    kept.write_text("{")
    said = say("analyse", finished, "--what", "robustness", "--methods", "colour,ridge")
    assert said.code == 0
    assert "robustness.json cannot be read" in said.out + said.err
    kept.unlink()


def test_maps_show_every_job(say: Say, finished: Path) -> None:
    said = say("analyse", finished, "--what", "maps", "--methods", "ridge,mean")
    assert said.code == 0, said.err
    rows = read(finished / "analyses" / "maps.csv")
    assert len(rows) == 2
    for row in rows:
        assert (finished / "analyses" / f"{row['figure']}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (finished / "analyses" / f"{row['figure']}.svg").read_bytes()[:1000]


def test_colocalisation_compares_every_pair_of_targets(say: Say, finished: Path) -> None:
    said = say("analyse", finished, "--what", "colocalisation", "--methods", "ridge,mean")
    assert said.code == 0, said.err
    (row,) = read(finished / "analyses" / "colocalisation.csv")  # a constant prediction has no relations
    assert row["pairs"] == "10"
    assert -1 <= float(row["pearson of R"]) <= 1
    assert int(row["linked observed"]) <= 10
    pairs = read(finished / "analyses" / "colocalisation-pairs.csv")
    assert len({(pair["first"], pair["second"]) for pair in pairs}) == 10


def test_domains_of_a_good_prediction_are_the_observed_ones(say: Say, finished: Path) -> None:
    said = say("analyse", finished, "--what", "domains", "--methods", "ridge,mean")
    assert said.code == 0, said.err
    rows = {row["method"].partition(" ")[0]: row for row in read(finished / "analyses" / "domains.csv")}
    assert float(rows["ridge"]["ARI with observed"]) > 0.2
    assert float(rows["mean"]["ARI with observed"]) == 0.0
    assert -1 <= float(rows["ridge"]["ARI with labels"]) <= 1


def test_markers_of_the_tissue_are_recovered(say: Say, finished: Path) -> None:
    said = say("analyse", finished, "--what", "markers", "--methods", "ridge,mean")
    assert said.code == 0, said.err
    rows = read(finished / "analyses" / "markers.csv")
    ridge = [row for row in rows if row["method"].startswith("ridge")]
    assert {row["class"] for row in ridge} <= {"tumour", "stroma", "immune"}
    assert all(float(row["by chance"]) == 0.2 for row in ridge)
    assert {row["target"] for row in read(finished / "analyses" / "markers-targets.csv")} >= {"tumour", "t-cell"}
    details = read(finished / "analyses" / "markers-targets.csv")
    assert all(row["AUROC predicted"] == "0.5" for row in details if row["method"] == "mean")


def test_a_ceiling_that_cannot_be_estimated_says_so(say: Say, finished: Path) -> None:
    said = say("analyse", finished, "--what", "ceiling")
    assert said.code == 2
    assert "no noise ceiling can be estimated here" in said.err


def test_an_unknown_analysis_is_named(say: Say, finished: Path) -> None:
    said = say("analyse", finished, "--what", "robustnes")
    assert said.code == 2
    assert "no analysis named 'robustnes'. Did you mean 'robustness'?" in said.err


def test_a_method_that_was_not_run_is_named(say: Say, finished: Path) -> None:
    said = say("analyse", finished, "--methods", "cuca")
    assert said.code == 2
    assert "no method in this study named 'cuca'" in said.err


def test_a_folder_without_a_study_is_told(say: Say, tmp_path: Path) -> None:
    said = say("analyse", tmp_path)
    assert said.code == 2
    assert "holds no study" in said.err
