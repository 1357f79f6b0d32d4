"""How much of a finished method's score is left when the images of the test slides are shifted; nothing is trained.

Every job's method is loaded from its folder and predicts its own test slides under every shift of the panel. Scores
are stored in the job's folder, so that an interrupted panel resumes with the next job.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure

from histobench.contracts.cards import MetricCard
from histobench.data import Slide, SlideResult
from histobench.errors import DataError, HistobenchError
from histobench.files import write_atomically
from histobench.images.shifts import PANEL, HeldDataset, Shift, ShiftedDataset
from histobench.reports.analyses.findings import Cell, Findings, StudyResults, label_of
from histobench.results.evaluation import score
from histobench.results.provenance import limit_threads
from histobench.results.records import RunRecord
from histobench.results.scores import Score
from histobench.results.statistics import mean_intervals
from histobench.results.statistics.averages import nan_mean, slide_scores, unit_scores
from histobench.results.store import JobFolder
from histobench.study.fitted import load_fitted
from histobench.study.samples import Assembler, open_assembler
from histobench.study.tasks import open_reading, task_module

__all__ = ["ShiftedScores", "Summary", "analyse_robustness", "shifted_scores", "summarise"]

_FILE = "robustness.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedScores:
    """One job under one shift.

    Attributes
    ----------
    plain, shifted
        Test slide → score as on a board: the metric's headline column, or the mean over the targets that are defined on
        both sides; NaN where there are none.
    """

    record: RunRecord
    shift: Shift
    plain: Mapping[str, float]
    shifted: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One method on one encoder under one shift, over all its jobs.

    Attributes
    ----------
    plain, shifted
        Mean over seeds, slides and patients; NaN where there are none.
    change, low, high
        Shifted minus plain, with the 95 % interval over patients; NaN with one patient.
    """

    who: str
    shift: Shift
    plain: float
    shifted: float
    change: float
    low: float
    high: float
    n_patients: int


def analyse_robustness(study: StudyResults, /) -> Findings:
    """Run the panel over every finished job that reads images.

    Raises
    ------
    DataError
        If there are none.
    """
    jobs = [record for record in study.done() if record.job.patch is not None and not record.job.judge]
    if not jobs:
        raise DataError("no finished job of this study reads images, so no shift can change a score.")
    notes: list[str] = []
    found: list[ShiftedScores] = []
    for record in jobs:
        name = study.metric_of(record)
        metric = study.registry.metrics.get(name)
        try:
            found += shifted_scores(study, record, PANEL, metric)
        except HistobenchError as error:
            notes.append(f"job {record.job_id} ({record.job.method}) is left out: {error}")
    summaries = summarise(found)
    rows: list[dict[str, Cell]] = [
        {
            "method": one.who,
            "shift": one.shift.kind,
            "strength": one.shift.strength,
            "score": one.plain,
            "score shifted": one.shifted,
            "change": one.change,
            "low": one.low,
            "high": one.high,
            "patients": one.n_patients,
        }
        for one in summaries
    ]
    notes.append("change: shifted minus plain, per slide, then patient; 95 % interval over patients.")
    figures = {"robustness": _draw(summaries)} if summaries else {}
    return Findings(tables={"robustness": rows}, figures=figures, notes=notes)


def _draw(summaries: Sequence[Summary]) -> Figure:
    """Draw the change of score against strength, a panel for each kind of shift and a line for each method."""
    kinds = list(dict.fromkeys(one.shift.kind for one in summaries))
    figure = Figure(figsize=(9.0, 3.0 * ((len(kinds) + 2) // 3)), dpi=100, layout="constrained")
    for place, kind in enumerate(kinds):
        axes = figure.add_subplot((len(kinds) + 2) // 3, 3, place + 1)
        for who in dict.fromkeys(one.who for one in summaries):
            line = [one for one in summaries if (one.who, one.shift.kind) == (who, kind)]
            axes.plot([one.shift.strength for one in line], [one.change for one in line], marker="o", label=who)
        axes.axhline(0, color="0.6", linewidth=0.8)
        axes.set(title=kind, xlabel="strength", ylabel="change of score")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize="small")
    return figure


def shifted_scores(
    study: StudyResults, record: RunRecord, shifts: Iterable[Shift], metric: MetricCard
) -> Iterator[ShiftedScores]:
    """Score one finished job under shifts; scores that are already in its folder are not computed again.

    Raises
    ------
    DataError
        If the job's method, slides or weights are no longer available.
    """
    folder = study.store.folder(record.job_id)
    known = _read(folder)
    keys = {shift: f"{metric.name} {metric.revision} {shift}" for shift in shifts}
    missing = [shift for shift, key in keys.items() if key not in known]
    if missing:
        found = _Worker(study, record, metric).score(missing)
        known |= {keys[shift]: scores for shift, scores in found.items()}
        write_atomically(folder.path / _FILE, json.dumps(known, indent=1).encode())
    for shift, key in keys.items():
        yield _compared(record, shift, known[key], metric=metric.name)


def summarise(found: Iterable[ShiftedScores]) -> list[Summary]:
    """Average over seeds, slides and patients as boards do, with an interval of the change.

    Returns
    -------
    One summary for each method, encoder and shift, in the order in which they first appear.
    """
    groups: dict[tuple[str, Shift], list[ShiftedScores]] = {}
    for scores in found:
        groups.setdefault((label_of(scores.record), scores.shift), []).append(scores)
    return [_summary(who, shift, group) for (who, shift), group in groups.items()]


def _summary(who: str, shift: Shift, group: Sequence[ShiftedScores]) -> Summary:
    plain = unit_scores([(scores.record, scores.plain) for scores in group], "patients")
    shifted = unit_scores([(scores.record, scores.shifted) for scores in group], "patients")
    both = [patient for patient in plain if np.isfinite(plain[patient]) and np.isfinite(shifted[patient])]
    changes = [shifted[patient] - plain[patient] for patient in both]
    (interval,) = mean_intervals([changes])
    return Summary(
        who=who,
        shift=shift,
        plain=nan_mean([plain[patient] for patient in both]),
        shifted=nan_mean([shifted[patient] for patient in both]),
        change=nan_mean(changes),
        low=interval.low,
        high=interval.high,
        n_patients=len(both),
    )


def _compared(record: RunRecord, shift: Shift, rows: Mapping[str, Sequence[Score]], *, metric: str) -> ShiftedScores:
    """Reduce the scores of each slide to one number, from what is defined with and without the shift."""
    scores = record.scores[metric]
    before: dict[str, list[Score]] = {}
    after: dict[str, list[Score]] = {}
    for slide, row in scores.per_slide.items():
        pairs = [pair if None not in pair else (None, None) for pair in zip(row, rows[slide], strict=True)]
        before[slide], after[slide] = [one for one, _ in pairs], [other for _, other in pairs]
    plain, shifted = slide_scores(scores, before), slide_scores(scores, after)
    return ShiftedScores(record=record, shift=shift, plain=plain, shifted=shifted)


def _read(folder: JobFolder) -> dict[str, dict[str, list[float | None]]]:
    path = folder.path / _FILE
    if not path.exists():
        return {}
    try:
        known: dict[str, dict[str, list[float | None]]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): remove it to compute its scores again.") from error
    return known


class _Worker:
    """A finished job, opened once for all its shifts."""

    def __init__(self, study: StudyResults, record: RunRecord, metric: MetricCard) -> None:
        self._record, self._metric = record, metric
        self._assembler = open_assembler(record.job, study.registry, study.data_root)
        self._method = load_fitted(record, study.store.folder(record.job_id), self._assembler)

    def score(self, shifts: Sequence[Shift]) -> dict[Shift, dict[str, list[float | None]]]:
        """Score every test slide under every shift; each image is decoded once."""
        held = HeldDataset(self._assembler.dataset)
        results: dict[Shift, list[SlideResult]] = {shift: [] for shift in shifts}
        slides = self._assembler.slides()
        with limit_threads(self._record.job.threads):
            for name in self._record.job.test:
                for shift in shifts:
                    shifted = replace(self._assembler, dataset=ShiftedDataset(held, shift))
                    results[shift].append(self._predict(shifted, slides[name]))
        return {shift: self._scored(found) for shift, found in results.items()}

    def _scored(self, results: Sequence[SlideResult]) -> dict[str, list[float | None]]:
        scores = score(results, [self._metric], training=self._assembler.training).scores[self._metric.name]
        return {slide: list(row) for slide, row in scores.per_slide.items()}

    def _predict(self, assembler: Assembler, slide: Slide) -> SlideResult:
        task = task_module(self._record.job.kind)
        given = task.make_samples(assembler, slide)
        # the same warnings about these slides are in the job's record
        reading = open_reading(self._record.job, self._assembler, warn=lambda _: None)
        result = task.read(task.ask(self._method, given.shown()), given, reading)
        return replace(result, predicted=replace(result.predicted, beside={}), beside={})
