"""From what a method returns for a test slide to the result that is stored and scored, each task in its own way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from histobench.contracts.drawing import Viewer
from histobench.contracts.protocols import Method
from histobench.data import (
    Generated,
    Kind,
    LabelledSamples,
    Pairing,
    Prediction,
    Samples,
    Slide,
    SlideResult,
    Targets,
)
from histobench.errors import ShapeError, explain
from histobench.results.records import JobSpec
from histobench.study.checkpoint_evaluation import in_order
from histobench.study.judge import JUDGED, Judge, open_judge
from histobench.study.samples import Assembler, open_encoder, registry

__all__ = ["Outcomes", "ask", "open_outcomes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Turns what a method returns into results.

    Attributes
    ----------
    assembler
        Of the job; where patches are generated, with the real ones at the size that they are judged at.
    judge
        Of generated patches; ``None`` where nothing is generated.
    warn
        Told, a sentence each, what could not be had for a result.
    """

    spec: JobSpec
    assembler: Assembler
    warn: Callable[[str], None]
    judge: Judge | None = None

    def result(self, said: Any, samples: Samples, seen: LabelledSamples, slide: Slide) -> SlideResult:
        """Make the result of one slide.

        Parameters
        ----------
        said
            What the method's ``predict`` returned: a stranger's, so that it may be anything.
        samples, seen
            What it was given, and the same with all that was observed.

        Raises
        ------
        ShapeError
            If it is not what the task asks for, or of other spots or targets.
        """
        return SlideResult(
            slide_id=slide.id,
            spot_ids=samples.spot_ids,
            xy_um=samples.xy_um,
            mpp=slide.mpp,
            hidden=self.assembler.hidden(slide),
            regions=self._regions(slide, samples.spot_ids.tolist()),
            **_TASKS.get(self.spec.kind, _table)(self, said, seen, slide),
        )

    def finish(self, method: Method, results: Sequence[SlideResult], assembler: Assembler) -> list[SlideResult]:
        """Add what a method may only be asked for when all is predicted: the places of the real patches in its space.

        Parameters
        ----------
        assembler
            Of the job, with patches of the method's own size.

        Raises
        ------
        ShapeError
            If they are not places of these spots in that space.
        """
        if not isinstance(method, Viewer):
            return list(results)
        slides, finished = assembler.slides(), []
        for result in results:
            features = result.features
            real = None
            if features is not None and features.expression is not None:
                real = assembler.labelled([slides[result.slide_id]]).patches
            if features is not None and real is not None:
                features = replace(features, real_image=method.view(real))
            finished.append(replace(result, features=features))
        return finished

    def _regions(self, slide: Slide, spot_ids: list[str]) -> npt.NDArray[np.str_] | None:
        """Read a slide's annotation; one that cannot be read costs the scores of regions, not the job."""
        try:
            return self.assembler.regions(slide, spot_ids)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a stranger's dataset raises
            self.warn(f"slide {slide.id!r} is scored without its annotation: {explain(error)}")
            return None


def open_outcomes(spec: JobSpec, assembler: Assembler, warn: Callable[[str], None]) -> Outcomes:
    """Make ready to read a job's outcomes; where patches are generated their judge learns from the training slides."""
    if not spec.judge:
        return Outcomes(spec=spec, assembler=assembler, warn=warn)
    # one without weights is made for the patches as they are judged; another wants what it was trained on
    from_scratch = registry().encoders.get(spec.judge).weights is None
    encoder = open_encoder(spec.judge, JUDGED if from_scratch else None)
    at_one_size = replace(assembler, patch=JUDGED)
    slides = assembler.slides()
    judge = open_judge(encoder, at_one_size.labelled([slides[name] for name in spec.train]), device=spec.device)
    return Outcomes(spec=spec, assembler=at_one_size, warn=warn, judge=judge)


def ask(method: Method, samples: Samples, kind: Kind) -> Any:  # Any: a stranger's answer
    """Let a method predict.

    Where it is to ``retrieve`` it is asked twice: for the image's place with another spot's counts beside it, and for
    the expression's with another spot's image and position; and each time in another order. So neither can be told
    from the other, or both from the position or the row that they share.
    """
    if kind != "retrieve" or samples.counts is None:
        return method.predict(samples)
    n, draw = len(samples), np.random.default_rng(0)
    ring = draw.permutation(n)
    others = np.empty_like(ring)
    others[ring] = np.roll(ring, 1)  # one ring through all spots: none is its own other
    orders = [draw.permutation(n) for _ in ("image", "expression")]
    asked = (replace(samples, counts=samples.counts.take(others)), replace(samples.take(others), counts=samples.counts))
    found: list[Pairing] = []
    for part, order in zip(asked, orders, strict=True):
        said = method.predict(part.take(order))
        if not isinstance(said, Pairing) or len(said) != n:
            return said  # refused where it is read
        back = np.argsort(order)
        found.append(Pairing(image=said.image[back], expression=said.expression[back]))
    return Pairing(image=found[0].image, expression=found[1].expression)


def _table(outcomes: Outcomes, said: Any, seen: LabelledSamples, _slide: Slide) -> dict[str, Any]:
    predicted = _expect(said, Prediction)
    if outcomes.spec.checkpoint:
        predicted = in_order(predicted, seen.targets.names)
    predicted.check_against(len(seen), seen.targets.names)
    predicted = predicted.copy()  # it may reuse its buffer
    beside = {name: seen.beside[name] for name in predicted.beside if name in seen.beside}
    return {"predicted": predicted, "observed": seen.targets, "beside": beside}


def _pairing(_outcomes: Outcomes, said: Any, seen: LabelledSamples, _slide: Slide) -> dict[str, Any]:
    """Keep the two vectors of a spot as a table each, with the space's dimensions for columns."""
    pairing = _expect(said, Pairing)
    _check_rows(len(pairing), len(seen))
    names = tuple(str(number) for number in range(1, pairing.image.shape[1] + 1))
    return {
        "predicted": Prediction(names=names, values=pairing.image.copy()),
        "observed": Targets(kind="retrieve", names=names, values=pairing.expression.copy()),
    }


def _generated(outcomes: Outcomes, said: Any, seen: LabelledSamples, slide: Slide) -> dict[str, Any]:
    drawn = _expect(said, Generated)
    _check_rows(len(drawn), len(seen))
    real = outcomes.assembler.labelled([slide]).patches
    if outcomes.judge is None or real is None:
        raise ShapeError("a job that generates names no judge.")
    read, features = outcomes.judge.judge(drawn, real, seen.targets)
    return {"predicted": read, "observed": seen.targets, "features": features}


_TASKS: dict[str, Callable[[Outcomes, Any, LabelledSamples, Slide], dict[str, Any]]] = {
    "retrieve": _pairing,
    "generate": _generated,
}
"""Tasks whose answer is no table of targets."""


def _expect(said: Any, wanted: type) -> Any:  # Any: a stranger's answer, of the type wanted when it comes back
    if not isinstance(said, wanted):
        raise ShapeError(f"predict must return a {wanted.__name__}, got {type(said).__name__}.")
    return said


def _check_rows(found: int, n: int) -> None:
    if found != n:
        raise ShapeError(f"predict must answer for {n} spots, got {found}.")
