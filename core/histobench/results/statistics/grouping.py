"""Groups jobs into configurations, and configurations into boards."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from histobench.results.records import JobSpec, RunRecord
from histobench.results.statistics.averages import Unit, nan_mean, slide_scores, unit_scores
from histobench.results.statistics.boards import Ground

__all__ = ["Entry", "comparable_groups", "ground_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The jobs of one configuration on one board, from which a row is computed.

    Attributes
    ----------
    scored, unscored, failed
        Jobs that finished with a score under the board's metric, finished without one, and failed.
    variant
        The settings in which it differs from others of the same method and encoder.
    """

    scored: tuple[RunRecord, ...]
    unscored: tuple[RunRecord, ...]
    failed: tuple[RunRecord, ...]
    variant: str = ""

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """All of its jobs."""
        return self.scored + self.unscored + self.failed

    def patients(self, metric: str) -> dict[str, str]:
        """Return the tested and scored slides → patient."""
        return {slide: r.job.patients[slide] for r in self.scored for slide in r.scores[metric].per_slide}

    def unit_scores(self, metric: str, unit: Unit, *, column: str = "") -> dict[str, float]:
        """Average its scores for each unit; `column` is read in place of the headline."""
        return unit_scores(((r, slide_scores(r.scores[metric], column=column)) for r in self.scored), unit)

    def column_scores(self, metric: str, unit: Unit) -> dict[str, float]:
        """Average every column over units; empty if the metric has one, or jobs differ in them."""
        found = {record.scores[metric].columns for record in self.scored}
        columns = found.pop() if len(found) == 1 else ()
        if len(columns) < 2:
            return {}
        return {name: nan_mean(self.unit_scores(metric, unit, column=name).values()) for name in columns}

    def pooled_score(self, metric: str) -> float:
        """Average the pooled scores over targets, seeds and folds, in that order."""
        by_fold: dict[str, list[float]] = {}
        for record in self.scored:
            table = record.scores[metric]
            by_fold.setdefault(record.job.fold, []).append(table.overall(table.pooled))
        return nan_mean([nan_mean(seeds) for seeds in by_fold.values()])

    def peak_memory_mb(self) -> dict[str, float]:
        """Return the peak of each kind of memory over its jobs."""
        peaks: dict[str, float] = {}
        for record in self.scored:
            for name, peak in record.peak_memory_mb.items():
                peaks[name] = max(peak, peaks.get(name, peak))
        return peaks


def ground_of(record: RunRecord) -> Ground:
    """Return what a job shares with all jobs of its board."""
    job = record.job
    return Ground(
        dataset=job.dataset,
        target=job.target,
        kind=job.kind,
        scheme=job.scheme,
        leaks=job.leaks,
        edition=job.edition,
        dataset_revision=_revision(job, "dataset"),
    )


@dataclass(slots=True)
class _Group:
    """Jobs that agree on their terms so far."""

    terms: dict[str, str] = field(default_factory=dict)
    records: list[RunRecord] = field(default_factory=list)

    def takes(self, terms: dict[str, str]) -> bool:
        return all(self.terms.get(name, value) == value for name, value in terms.items())

    def add(self, record: RunRecord, terms: dict[str, str]) -> None:
        self.terms.update(terms)
        self.records.append(record)


def comparable_groups(records: Sequence[RunRecord], metric: str) -> list[list[Entry]]:
    """Divide the jobs on one ground into groups that may be ranked together, and these into configurations.

    A scored job joins the first group that it does not contradict, the oldest jobs first. A failed or unscored job has
    no terms, and joins the group of its configuration, else the first. Without any score there is no group.
    """
    groups: list[_Group] = []
    in_order = sorted(records, key=lambda record: (record.started, record.job_id))
    scored = [record for record in in_order if record.status == "done" and metric in record.scores]
    for record in scored:
        terms = _terms(record, metric)
        group = next((group for group in groups if group.takes(terms)), None)
        if group is None:
            group = _Group()
            groups.append(group)
        group.add(record, terms)
    if not groups:
        return []
    homes = {_configuration(r.job): group for group in reversed(groups) for r in group.records}
    others = [record for record in in_order if record.status == "failed" or metric not in record.scores]
    for record in others:
        homes.get(_configuration(record.job), groups[0]).records.append(record)
    return [_with_variants(list(_entries(group.records, metric))) for group in groups]


def _terms(record: RunRecord, metric: str) -> dict[str, str]:
    """Return what must be the same in all jobs of a board, or of a fold."""
    job, panel = record.job, record.panel
    terms = {f"fold {job.fold}: test slides": " ".join(sorted(job.test)), "metric": record.scores[metric].revision}
    if job.judge:
        terms["judge"] = f"{job.judge} {job.judge_weights}"
    if panel is not None:
        fitted = bool(panel.fitted_on)
        terms["rule"] = f"{'fitted' if fitted else 'fixed'}, {panel.unit}"
        terms[f"fold {job.fold}: panel" if fitted else "panel"] = panel.hash
    return terms


def _entries(records: Iterable[RunRecord], metric: str) -> Iterator[Entry]:
    by_configuration: dict[str, list[RunRecord]] = {}
    for record in records:
        by_configuration.setdefault(_configuration(record.job), []).append(record)
    for name in sorted(by_configuration):
        jobs = sorted(by_configuration[name], key=lambda record: (record.job.fold, record.job.seed, record.job_id))
        done = [record for record in jobs if record.status == "done"]
        yield Entry(
            scored=tuple(record for record in done if metric in record.scores),
            unscored=tuple(record for record in done if metric not in record.scores),
            failed=tuple(record for record in jobs if record.status == "failed"),
        )


_PUBLISHED = "published weights"


def _configuration(job: JobSpec) -> str:
    return json.dumps([_who(job), _settings(job)], sort_keys=True)


def _who(job: JobSpec) -> tuple[str | None, ...]:
    return job.method, job.encoder, job.mode, job.stands_in_for


def _settings(job: JobSpec) -> dict[str, Any]:  # Any: JSON values
    """Return everything that defines a configuration in addition to its method and encoder."""
    return {
        **{f"option {name}": value for name, value in job.options.items()},
        "precision": job.precision,
        "weights": job.weights,
        _PUBLISHED: job.checkpoint,
        "revision": _revision(job, "method"),
        "encoder revision": _revision(job, "encoder"),
    }


def _revision(job: JobSpec, part: str) -> str:
    # planning writes "distribution:plugin 1.2.0 revision 3"; only the revision can change a score
    return job.versions.get(part, "").rpartition(" revision ")[2]


def _with_variants(entries: list[Entry]) -> list[Entry]:
    """Add to rows of the same method and encoder the settings in which they differ."""
    jobs = [entry.records[0].job for entry in entries]
    settings = [_settings(job) for job in jobs]
    named: list[Entry] = []
    for entry, job, mine in zip(entries, jobs, settings, strict=True):
        who = (job.method, job.encoder, job.mode)
        rivals = [
            s for other, s in zip(jobs, settings, strict=True) if (other.method, other.encoder, other.mode) == who
        ]
        names = [name for name in mine if any(rival.get(name) != mine[name] for rival in rivals)]
        if job.checkpoint and _PUBLISHED not in names:  # shown even if nothing else is compared with it
            names.append(_PUBLISHED)
        variant = ", ".join(f"{name.removeprefix('option ')}={mine[name]}" for name in names)
        named.append(replace(entry, variant=variant))
    return named
