"""What the tasks share: one slide as a method is given it, and what is needed to read the method's answers."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from histobench.contracts.protocols import Method
from histobench.contracts.tasks import TASKS
from histobench.data import Hidden, LabelledSamples, Prediction, Samples, Slide, SlideResult, Targets
from histobench.errors import ShapeError, explain
from histobench.results.records import JobSpec
from histobench.study.judge import Judge
from histobench.study.samples import Assembler
from histobench.study.side_targets import read_regions

__all__ = ["Reading", "SlideSamples", "TaskModule", "expect", "expect_rows"]

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideSamples:
    """One slide of a job.

    Attributes
    ----------
    labelled
        What ``fit`` is given if it is a training or validation slide.
    observed
        What the answer is scored against if it is a test slide.
    hidden
        Counts that are held out from the method, where the task holds out any.
    """

    slide: Slide
    labelled: LabelledSamples
    observed: Targets
    hidden: Hidden | None = None

    def shown(self) -> Samples:
        """Make what ``predict`` is given if it is a test slide: no targets, and arrays of its own to identify spots."""
        columns = {column.name: getattr(self.labelled, column.name) for column in fields(Samples)}
        if not TASKS[self.observed.kind].shows_test_patches:
            columns["patches"] = None
        samples = Samples(**columns)
        return replace(samples, spot_ids=samples.spot_ids.copy(), xy_um=samples.xy_um.copy())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is needed to read the answers of a job.

    Attributes
    ----------
    judge
        Judges generated patches; ``None`` if the task generates none.
    warn
        Receives a sentence for each part of a result that cannot be read.
    """

    spec: JobSpec
    assembler: Assembler
    warn: Callable[[str], None]
    judge: Judge | None = None

    def result(
        self, given: SlideSamples, predicted: Prediction, observed: Targets, **more: Any
    ) -> SlideResult:  # Any: other fields of a result
        """Make the result of a test slide."""
        return SlideResult(
            slide_id=given.slide.id,
            spot_ids=given.labelled.spot_ids,
            xy_um=given.labelled.xy_um,
            mpp=given.slide.mpp,
            hidden=given.hidden,
            regions=self._regions(given),
            predicted=predicted,
            observed=observed,
            **more,
        )

    def _regions(self, given: SlideSamples) -> npt.NDArray[np.str_] | None:
        """Read a slide's annotation; one that cannot be read costs the scores of regions, not the job."""
        source, slide = self.assembler.annotation, given.slide
        try:
            spot_ids = given.labelled.spot_ids.tolist()
            return read_regions(self.assembler.dataset, source, slide, spot_ids) if source else None
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a third-party dataset raises
            self.warn(f"slide {slide.id!r} is scored without its annotation: {explain(error)}")
            return None


class TaskModule(Protocol):
    """The three functions that each task's module has: make the samples of a slide, ask the method, read its answer.

    ``read`` raises ``ShapeError`` if the answer is not what the task asks for, or is for other spots or targets.
    """

    @property
    def make_samples(self) -> Callable[[Assembler, Slide], SlideSamples]: ...  # noqa: D102 -- documented above
    @property
    def ask(self) -> Callable[[Method, Samples], Any]: ...  # noqa: D102 -- Any: a third-party method's answer
    @property
    def read(self) -> Callable[[Any, SlideSamples, Reading], SlideResult]: ...  # noqa: D102 -- Any: the same


def expect(answer: Any, wanted: type[AnswerT]) -> AnswerT:  # Any: a third-party method's answer
    """Return the answer, or raise `ShapeError` if it has another type."""
    if not isinstance(answer, wanted):
        raise ShapeError(f"predict must return a {wanted.__name__}, got {type(answer).__name__}.")
    return answer


def expect_rows(found: int, n: int) -> None:
    """Raise `ShapeError` unless a method answered for every spot."""
    if found != n:
        raise ShapeError(f"predict must answer for {n} spots, got {found}.")
