"""Generate: draw a patch for each test spot's expression; an encoder judges the patches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from histobench.contracts.drawing import Viewer
from histobench.contracts.protocols import Method
from histobench.data import Generated, SlideResult
from histobench.errors import ShapeError
from histobench.study.judge import JUDGED, Judge, open_judge
from histobench.study.samples import Assembler, join, open_encoder
from histobench.study.tasks.slides import Reading, SlideSamples, expect, expect_rows
from histobench.study.tasks.table import ask, make_samples

__all__ = ["ask", "make_samples", "read", "teach_judge", "view_real_patches"]


def read(answer: Any, given: SlideSamples, reading: Reading, /) -> SlideResult:  # Any: a method may return anything
    """Judge the patches: what is predicted is the expression that is read off them."""
    drawn = expect(answer, Generated)
    expect_rows(len(drawn), len(given.labelled))
    if reading.judge is None:
        raise ShapeError("a job that generates patches must name a judge, and this one names none.")
    real = reading.assembler.patches(reading.assembler.table(given.slide), JUDGED)
    predicted, features = reading.judge.judge(drawn, real, given.observed)
    return reading.result(given, predicted, given.observed, features=features)


def teach_judge(assembler: Assembler, *, encoder: str, train: Sequence[str]) -> Judge:
    """Make the judge of a job's patches: an encoder by its name, and readers taught on the training slides."""
    # an encoder without weights is built for the patches as they are judged; another one has its own geometry
    from_scratch = assembler.registry.encoders.get(encoder).weights is None
    built = open_encoder(assembler.registry, encoder, JUDGED if from_scratch else None)
    slides, at_one_size = assembler.slides(), replace(assembler, patch=JUDGED)
    learned = join([make_samples(at_one_size, slides[name]).labelled for name in train])
    return open_judge(built, learned, device=assembler.device)


def view_real_patches(method: Method, results: Sequence[SlideResult], assembler: Assembler) -> list[SlideResult]:
    """Add where a method places the real patches in its own space, if it has one.

    Call it after the last prediction, because the method must not see the patches of test spots before.

    Raises
    ------
    ShapeError
        If the method does not return vectors of these spots in that space.
    """
    if not isinstance(method, Viewer) or assembler.patch is None:
        return list(results)
    slides, viewed = assembler.slides(), []
    for result in results:
        features = result.features
        if features is not None and features.expression is not None:
            real = assembler.patches(assembler.table(slides[result.slide_id]), assembler.patch)
            features = replace(features, real_image=method.view(real))
        viewed.append(replace(result, features=features))
    return viewed
