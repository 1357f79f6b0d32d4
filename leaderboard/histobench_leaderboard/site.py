"""Write the site: read the records, write every page into a new folder, and replace the old folder with it."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import filelock
from jinja2 import Environment, PackageLoader, StrictUndefined

from histobench import MetricCard
from histobench.errors import ConfigError, DataError, StoreError
from histobench.reports.maps import job_picture
from histobench.results.records import RunRecord, read_record
from histobench.results.store import read_predictions
from histobench_leaderboard.jobs import job_page
from histobench_leaderboard.model import index_page

__all__ = ["MARKER", "Built", "build_site"]

MARKER = ".histobench-site"
"""File that marks a folder as a site that a newer one may replace."""

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The result of a build.

    Attributes
    ----------
    left_out
        File that is not a record → reason.
    """

    index: Path
    n_jobs: int
    left_out: dict[str, str] = field(default_factory=dict)


def build_site(out: Path, site: Path | None = None, cards: Mapping[str, MetricCard] = MappingProxyType({})) -> Built:
    """Build the site of a study; the same records give the same files.

    Parameters
    ----------
    out
        Output folder with ``jobs/*/record.json``. Nothing in it but the site is written.
    site
        Folder of the site, ``<out>/site`` by default; an older site there is replaced as a whole.
    cards
        Cards of the installed metrics, which explain the metrics on the pages.

    Raises
    ------
    StoreError
        If there are no jobs, or the site cannot be written.
    ConfigError
        If ``site`` has files that are not a site.
    """
    if not (out / "jobs").is_dir():
        raise StoreError(f"{str(out)!r} is not a study: it has no folder 'jobs'.")
    site = out / "site" if site is None else site
    _refuse_foreign(site)
    records, left_out = _read(out)
    with _replacing(site) as fresh:
        _write(fresh, out, read=(records, left_out), old=site, cards=cards)
    return Built(index=site / "index.html", n_jobs=len(records), left_out=left_out)


def _refuse_foreign(site: Path) -> None:
    if site.exists() and not site.is_dir():
        raise ConfigError(f"the site {str(site)!r} is a file; choose a folder with --site.")
    if site.is_dir() and any(site.iterdir()) and not (site / MARKER).exists():
        raise ConfigError(
            f"the folder {str(site)!r} is not empty and not a leaderboard, so it is not replaced; "
            "choose an empty or new folder with --site."
        )


def _read(out: Path) -> tuple[list[RunRecord], dict[str, str]]:
    records: list[RunRecord] = []
    left_out: dict[str, str] = {}
    for path in sorted((out / "jobs").glob("*/record.json")):
        try:
            record = read_record(path)
            _check_identity(record, path)
        except DataError as error:
            left_out[f"jobs/{path.parent.name}/record.json"] = _without_path(error, out)
            continue
        records.append(record)
    return records, left_out


def _without_path(error: DataError, folder: Path) -> str:
    """Return the text of an error without local paths, which must not be published."""
    return str(error).replace(f"{folder}{os.sep}", "")


def _check_identity(record: RunRecord, path: Path) -> None:
    # The id becomes a file name: refuse an id that is not a plain name.
    if record.job_id != path.parent.name or not _JOB_ID.fullmatch(record.job_id):
        raise DataError(f"{path} has the job id {record.job_id!r}, which is not the name of its folder.")


@contextmanager
def _replacing(site: Path) -> Iterator[Path]:
    """Yield a new folder that replaces the site at the end; on an error the old site stays."""
    prefix = f".{site.name}-building-"
    fresh, old = (site.parent / f"{prefix}{word}-{os.getpid()}" for word in ("new", "old"))
    try:
        site.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(site.parent / f".{site.name}.lock"):
            for stale in site.parent.glob(f"{prefix}*"):  # left by killed builds
                shutil.rmtree(stale)
            fresh.mkdir()
            try:
                yield fresh
                if site.exists():
                    site.rename(old)
                fresh.rename(site)
            finally:
                for folder in (fresh, old):
                    shutil.rmtree(folder, ignore_errors=True)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"the site {str(site)!r} cannot be written: {error}; choose another with --site.") from error


def _write(
    folder: Path,
    out: Path,
    *,
    read: tuple[list[RunRecord], dict[str, str]],
    old: Path,
    cards: Mapping[str, MetricCard],
) -> None:
    records, left_out = read
    templates = Environment(
        loader=PackageLoader("histobench_leaderboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    (folder / MARKER).write_text(_made_by(), encoding="utf-8")
    index = templates.get_template("index.html").render(page=index_page(records, left_out, cards))
    (folder / "index.html").write_text(index, encoding="utf-8")
    (folder / "jobs").mkdir()
    for record in records:
        source = out / "jobs" / record.job_id
        shutil.copyfile(source / "record.json", folder / "jobs" / f"{record.job_id}.json")
        if _picture_stays(folder, old, job_id=record.job_id):
            shutil.copyfile(old / "jobs" / f"{record.job_id}.png", folder / "jobs" / f"{record.job_id}.png")
            picture, why_not = f"{record.job_id}.png", ""
        else:
            picture, why_not = _picture(record, source, target=folder / "jobs" / f"{record.job_id}.png")
        page = job_page(record, cards, picture=picture, no_picture=why_not)
        html = templates.get_template("job.html").render(page=page)
        (folder / "jobs" / f"{record.job_id}.html").write_text(html, encoding="utf-8")


def _made_by() -> str:
    return f"made by `histobench leaderboard build` {version('histobench')}; the next build replaces this folder\n"


def _picture_stays(fresh: Path, old: Path, *, job_id: str) -> bool:
    """Return whether the old site has the picture of the same record from this version; drawing is slow."""
    name = Path("jobs") / f"{job_id}.json"
    same = [(old / name, fresh / name), (old / MARKER, fresh / MARKER)]
    return (old / name.with_suffix(".png")).is_file() and all(
        before.is_file() and before.read_bytes() == now.read_bytes() for before, now in same
    )


def _picture(record: RunRecord, source: Path, *, target: Path) -> tuple[str, str]:
    """Draw the spot map from the stored predictions; return its file name, or an empty one and the reason."""
    if record.status != "done":
        return "", ""
    job = record.job
    try:
        results = read_predictions(source / "predictions.h5")
        title = f"{job.method} on {job.dataset}, {job.target}, fold {job.fold}"
        drawn = job_picture(results, target, title=title, unit=record.panel.unit if record.panel else "")
    except DataError as error:
        return "", _without_path(error, source)
    return (target.name if drawn else "", "")  # there is no map of a method's own space
