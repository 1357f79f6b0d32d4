"""Published numbers from the command line: listed, run again, and what is missing for it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

Say = Callable[..., object]


@pytest.mark.usefixtures("published")
def test_published_numbers_are_listed(say: Say) -> None:
    said = say("reproduce", "plane")
    assert said.code == 0
    assert "rmse per slide" in said.out
    assert "2 ± 5" in said.out
    assert "Anyone (2020), table 1" in said.out


@pytest.mark.usefixtures("published")
def test_number_within_its_tolerance_is_confirmed(say: Say, tmp_path: Path) -> None:
    said = say("reproduce", "plane", "field", "--out", tmp_path)
    assert said.code == 0, said.out + said.err
    assert said.out.count("paper 2 (Anyone (2020), table 1), here ") == 2
    assert said.out.count(": within 5") == 2
    assert "remains different: the paper's stain is not ours" in said.out


@pytest.mark.usefixtures("published")
def test_number_outside_its_tolerance_ends_with_one(say: Say, tmp_path: Path) -> None:
    said = say("reproduce", "plane", "strict", "--out", tmp_path)
    assert said.code == 1
    assert "paper -100" in said.out
    assert "gap +1" in said.out
    assert "not within 5" in said.out


@pytest.mark.usefixtures("published")
def test_number_of_some_folds_runs_these_alone(say: Say, tmp_path: Path) -> None:
    say("reproduce", "plane", "strict", "--out", tmp_path)
    jobs = [json.loads(path.read_text())["job"] for path in tmp_path.glob("jobs/*/record.json")]
    assert {job["fold"] for job in jobs if job["method"] == "plane"} == {"toy:1"}


@pytest.mark.usefixtures("published")
def test_everything_that_is_missing_is_said_at_once(say: Say, tmp_path: Path) -> None:
    said = say("reproduce", "plane", "toy-slides", "--out", tmp_path)
    assert said.code == 2
    for words in (
        "5 things are missing",
        "offers the targets cell_abundance, gene_expression, not rna",
        "offers the schemes leave-one-patient-out, not random",
        "only 4 of 5 slides of toy-slides are available",
        "only 4 of 9 patients of toy-slides are available",
        "metric 'guess' is not installed",
    ):
        assert words in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("published")
def test_dataset_that_is_not_installed_is_missing(say: Say) -> None:
    said = say("reproduce", "plane", "elsewhere")
    assert said.code == 2
    assert "dataset 'elsewhere' is not installed" in said.err


@pytest.mark.usefixtures("published")
def test_dataset_without_a_number_gets_a_suggestion(say: Say) -> None:
    assert "Did you mean 'field'?" in say("reproduce", "plane", "feild").err
    assert "method 'silent' has no published numbers" in say("reproduce", "silent").err


def test_what_is_missing_for_cuca_on_the_real_sections_is_said(say: Say, her2st_root: Path) -> None:
    said = say("reproduce", "cuca", "her2st", "--data-root", her2st_root)
    assert said.code == 2
    for words in (
        "not cell_abundance:cell2location",
        "5 of 36 slides",
        "2 of 8 patients",
        "weights of encoder 'virchow2'",
    ):
        assert words in said.err


# show


@pytest.mark.usefixtures("published")
def test_page_of_a_method_tells_what_its_card_knows(say: Say) -> None:
    said = say("show", "plane")
    assert said.code == 0
    for words in (
        "plane: a plane over the slide",
        "paper:       Anyone (2020)",
        "reads:       single spots; no image",
        "predicts:    cell_abundance, gene_expression",
        "convert published ones with",
        "bias    True",
        "--preset quick  halve=True",
        "5 cell types   15",
        "published numbers",
    ):
        assert words in said.out


def test_pages_of_the_published_methods_tell_their_encoders(say: Say) -> None:
    page = say("show", "cuca").out
    slot = "encoder:     virchow2 (lora) as published; any other encoder, lora or full or frozen; vit-tiny (full) where"
    assert slot in page
    assert "patches of 224 × 224 px from 224 px of the image" in page
    assert "trains with: gene_expression" in page
    assert "635,649,185" in page


def test_pages_say_what_options_mean_also_those_that_a_method_extends(say: Say) -> None:
    page = say("show", "clip-gan").out
    assert re.search(r"^start_from +Folder of a saved method, from whose generator", page, re.MULTILINE)
    assert re.search(r"^dropout +0.8 +Share of hidden units", page, re.MULTILINE)
