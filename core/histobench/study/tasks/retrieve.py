"""Retrieve: find a spot's image by its expression among the slide's spots, and the reverse."""

from dataclasses import replace
from typing import Any

import numpy as np

from histobench.contracts.protocols import Method
from histobench.data import Pairing, Prediction, Samples, SlideResult, Targets
from histobench.study.tasks.slides import Reading, SlideSamples, expect, expect_rows
from histobench.study.tasks.table import make_samples

__all__ = ["ask", "make_samples", "read"]


def ask(method: Method, samples: Samples, /) -> Any:  # Any: a third-party method may return anything
    """Let a method embed each spot's image and its expression, each without the other.

    The method is asked twice: for the images' vectors with the counts of other spots, and for the expressions' vectors
    with the images and positions of other spots; each time in another order. So neither vector can be derived from the
    other, nor both from a position or a row that they share.
    """
    if samples.counts is None:
        return method.predict(samples)
    n, draw = len(samples), np.random.default_rng(0)
    ring = draw.permutation(n)
    others = np.empty_like(ring)
    others[ring] = np.roll(ring, 1)  # one ring through all spots: no spot is its own other
    orders = [draw.permutation(n) for _ in ("image", "expression")]
    asked = (replace(samples, counts=samples.counts.take(others)), replace(samples.take(others), counts=samples.counts))
    found: list[Pairing] = []
    for part, order in zip(asked, orders, strict=True):
        answer = method.predict(part.take(order))
        if not isinstance(answer, Pairing) or len(answer) != n:
            return answer  # `read` refuses it
        back = np.argsort(order)
        found.append(Pairing(image=answer.image[back], expression=answer.expression[back]))
    return Pairing(image=found[0].image, expression=found[1].expression)


def read(answer: Any, given: SlideSamples, reading: Reading, /) -> SlideResult:  # Any: as above
    """Store the two vectors of each spot as tables, with the dimensions of the method's space as columns."""
    pairing = expect(answer, Pairing)
    expect_rows(len(pairing), len(given.labelled))
    names = tuple(str(number) for number in range(1, pairing.image.shape[1] + 1))
    return reading.result(
        given,
        Prediction(names=names, values=pairing.image.copy()),
        Targets(kind=given.observed.kind, names=names, values=pairing.expression.copy()),
    )
