"""Building the site: files, safety, repeatability."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from histobench.contracts.registry import Registry
from histobench.errors import ConfigError, StoreError
from histobench_leaderboard.cli import leaderboard
from histobench_leaderboard.site import MARKER, build_site
from histobench_metrics.catalogue import CARDS


class _Links(HTMLParser):
    """Collects what a page refers to, and the tags it holds."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.targets += [value for name, value in attrs if name in ("href", "src")]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _job(study, method, status="done"):
    for path in sorted(study.glob("jobs/*/record.json")):
        record = json.loads(path.read_text())
        if (record["job"]["method"], record["status"]) == (method, status):
            return record["job_id"]
    raise LookupError(method)


def test_every_job_has_a_page_and_its_record(study, site):
    for folder in (study / "jobs").iterdir():
        assert (site / "jobs" / f"{folder.name}.html").is_file()
        assert (site / "jobs" / f"{folder.name}.json").read_bytes() == (folder / "record.json").read_bytes()


def test_every_link_resolves_and_none_leaves_the_site(site):
    for page in site.rglob("*.html"):
        for target in _Links(page.read_text()).targets:
            if not target.startswith(("data:", "#")):
                assert "://" not in target
                assert (page.parent / target).is_file(), f"{page.name} -> {target}"


def test_every_row_leads_to_its_jobs(study, site):
    index = _Links((site / "index.html").read_text())
    assert {f"jobs/{folder.name}.html" for folder in (study / "jobs").iterdir()} <= set(index.targets)


def test_same_records_give_the_same_files(study, site, tmp_path):
    again = build_site(study, tmp_path / "site")
    assert _files(again.index.parent) == _files(site)


def test_building_twice_replaces_the_site(study, site, tmp_path):
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / "jobs" / "gone.html").write_text("old")
    build_site(study, tmp_path / "site")
    assert not (tmp_path / "site" / "jobs" / "gone.html").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".site.lock", "site"]


def test_maps_of_unchanged_records_are_kept(study, site, tmp_path, monkeypatch):
    shutil.copytree(site, tmp_path / "site")

    def draws(*_args, **_kwargs):
        raise AssertionError("a map was drawn again")

    monkeypatch.setattr("histobench_leaderboard.site.job_picture", draws)
    build_site(study, tmp_path / "site")
    assert _files(tmp_path / "site") == _files(site)


@pytest.mark.parametrize("changed", [MARKER, "jobs/{job}.json"])
def test_maps_of_another_version_or_record_are_drawn_again(study, site, tmp_path, changed):
    job = _job(study, "cuca")
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / changed.format(job=job)).write_text("older")
    (tmp_path / "site" / "jobs" / f"{job}.png").write_text("old picture")
    build_site(study, tmp_path / "site")
    assert _files(tmp_path / "site") == _files(site)


def test_the_site_stands_in_the_output_folder_by_default(write_study, tmp_path):
    out = write_study(tmp_path / "out")
    assert build_site(out).index == out / "site" / "index.html"


def test_leftovers_of_a_killed_build_are_cleared(write_study, tmp_path):
    (tmp_path / ".site-building-new-1").mkdir()
    build_site(write_study(tmp_path / "out"), tmp_path / "site")
    assert not (tmp_path / ".site-building-new-1").exists()


def test_a_build_that_fails_keeps_the_old_site(study, site, tmp_path, monkeypatch):
    shutil.copytree(site, tmp_path / "site")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("histobench_leaderboard.site._write", full)
    with pytest.raises(StoreError, match=r"site '.*' cannot be written: .*No space left.*--site"):
        build_site(study, tmp_path / "site")
    assert _files(tmp_path / "site") == _files(site)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".site.lock", "site"]


def test_a_folder_that_is_no_site_is_not_replaced(study, tmp_path):
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ConfigError, match=r"is not empty and not a leaderboard"):
        build_site(study, tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_site_that_is_a_file_is_refused(study, tmp_path):
    (tmp_path / "site").write_text("")
    with pytest.raises(ConfigError, match=r"the site '.*' is a file; choose a folder with --site"):
        build_site(study, tmp_path / "site")


def test_a_folder_without_jobs_is_refused(tmp_path):
    with pytest.raises(StoreError, match="is not a study: it has no folder 'jobs'"):
        build_site(tmp_path)


def test_a_study_without_scores_gives_a_page_that_says_so(tmp_path):
    (tmp_path / "jobs").mkdir()
    assert "No job has a score yet." in build_site(tmp_path).index.read_text()


# damage


def test_a_corrupt_record_is_named_and_left_out(write_study, tmp_path):
    out = write_study(tmp_path / "out")
    broken = out / "jobs" / _job(out, "ridge") / "record.json"
    broken.write_text(broken.read_text()[:100])
    built = build_site(out)
    assert list(built.left_out) == [f"jobs/{broken.parent.name}/record.json"]
    assert broken.parent.name in built.index.read_text()
    assert not (built.index.parent / "jobs" / f"{broken.parent.name}.html").exists()
    assert broken.exists()


@pytest.mark.parametrize("job_id", ["../../escaped", "other"])
def test_a_record_that_is_not_its_folders_is_left_out(write_study, tmp_path, job_id):
    out = write_study(tmp_path / "out")
    path = out / "jobs" / _job(out, "ridge") / "record.json"
    path.write_text(path.read_text().replace(path.parent.name, job_id))
    built = build_site(out)
    (why,) = built.left_out.values()
    assert f"has the job id {job_id!r}, which is not the name of its folder" in why
    assert not (tmp_path / "escaped.html").exists()


def test_damaged_predictions_cost_only_the_map(write_study, tmp_path):
    out = write_study(tmp_path / "out", mapped=("ridge",))
    job = _job(out, "ridge")
    (out / "jobs" / job / "predictions.h5").write_bytes(b"no hdf5")
    page = (build_site(out).index.parent / "jobs" / f"{job}.html").read_text()
    assert "No map:" in page
    assert "<img" not in page


# content


def test_scores_and_controls_stand_on_the_index(site):
    text = (site / "index.html").read_text()
    shown = ("below its control", "stands in for virchow2", "ceiling", "2 patients only", "16 of 16", "Failed jobs")
    assert [part for part in shown if part not in text] == []


def test_job_page_shows_configuration_scores_history_and_map(study, site):
    job = _job(study, "cuca")
    text = (site / "jobs" / f"{job}.html").read_text()
    shown = ("edition e0", "epithelium", "<polyline", f'src="{job}.png"', "epochs", "virchow2", "epoch kept")
    assert [part for part in shown if part not in text] == []


def test_what_a_metric_says_beside_its_score_stands_on_the_jobs_page(site, study):
    """A distance means nothing without its bias, nor a recall without chance."""
    assert "<strong>cosine</strong>; the score is “mean over spots”; per slide" in (site / "index.html").read_text()
    text = (site / "jobs" / f"{_job(study, 'cuca')}.html").read_text()
    assert [column for column in ("mean over spots", "median over spots") if f"cosine: {column}" not in text] == []


def test_page_of_a_failed_job_shows_its_error(study, site):
    text = (site / "jobs" / f"{_job(study, 'cuca', 'failed')}.html").read_text()
    assert "the loss is NaN" in text


def test_text_from_records_is_escaped(write_study, tmp_path):
    evil = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>"
    out = write_study(
        tmp_path / "out",
        dataset=evil,
        target=evil,
        scheme=evil,
        edition=evil,
        encoder=evil,
        mode="full",
        stands_in_for=evil,
        options={evil: evil},
        versions={evil: evil},
    )
    site = build_site(out).index.parent
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert evil not in text
        assert _Links(text).tags.count("script") == 1
        assert "onerror=alert(1)>" not in text
        assert "x" not in _Links(text).targets
    assert "&lt;img src=x" in (site / "index.html").read_text()


def test_pages_hold_no_path_of_the_machine(write_study, tmp_path):
    out = write_study(tmp_path / "out")
    (out / "jobs" / _job(out, "ridge") / "record.json").write_text("{}")
    for page in build_site(out).index.parent.rglob("*.html"):
        assert str(out) not in page.read_text()


def test_two_datasets_are_two_sections_with_links_to_them(write_study, tmp_path):
    out = write_study(tmp_path / "out")
    shutil.copytree(write_study(tmp_path / "other", dataset="lung"), out, dirs_exist_ok=True)
    text = build_site(out).index.read_text()
    assert re.findall(r'<section id="(board-\d)"', text) == ["board-0", "board-1"]
    assert {"#board-0", "#board-1"} <= set(_Links(text).targets)


def test_two_judges_are_two_sections_named_apart(write_study, tmp_path):
    out = write_study(tmp_path / "out", kind="generate", target="generate", judge="one-net")
    shutil.copytree(
        write_study(tmp_path / "other", kind="generate", target="generate", judge="other-net"), out, dirs_exist_ok=True
    )
    text = build_site(out).index.read_text()
    titles = [re.sub(r"<.*?>", "", title) for title in re.findall(r"<h2 id.*?</h2>", text)]
    assert titles == ["toy · generate · judge one-net", "toy · generate · judge other-net"]
    assert "all patches are judged at 64 px" in text


def test_metrics_and_their_columns_are_explained_by_their_cards(study, site, tmp_path):
    cards = {card.name: replace(card, meanings={"median over spots": "half are better"}) for card in CARDS}
    explained = build_site(study, tmp_path / "site", cards).index.parent
    for page in ("index.html", f"jobs/{_job(study, 'cuca')}.html"):
        text = (explained / page).read_text()
        assert cards["pearson"].title in text
        assert "half are better" in text
        assert cards["pearson"].title not in (site / page).read_text()


# the command


def test_command_builds_and_prints_the_page(write_study, tmp_path):
    out, site = write_study(tmp_path / "out"), tmp_path / "site"
    shown = CliRunner().invoke(leaderboard, ["build", "--out", str(out), "--site", str(site)])
    assert shown.exit_code == 0
    assert shown.output.strip() == f"13 jobs on {site / 'index.html'}"
    assert (site / MARKER).exists()


def test_command_names_what_it_left_out(write_study, tmp_path):
    out = write_study(tmp_path / "out")
    (out / "jobs" / "extra").mkdir()
    (out / "jobs" / "extra" / "record.json").write_text("{}")
    shown = CliRunner().invoke(leaderboard, ["build", "--out", str(out)])
    assert shown.exit_code == 0
    assert "left out jobs/extra/record.json:" in shown.stderr


def test_the_plugin_adds_its_command():

    cli = click.Group()
    Registry.load().add_commands(cli)
    assert "leaderboard" in cli.commands


def test_an_encoder_that_has_seen_the_tested_slides_is_marked(write_study, tmp_path):
    out = write_study(tmp_path / "out", contamination=("TCGA",))
    site = build_site(out).index.parent
    assert ">saw TCGA</span>" in (site / "index.html").read_text()
    assert "encoder pretrained on TCGA" in (site / "jobs" / f"{_job(out, 'ridge')}.html").read_text()
