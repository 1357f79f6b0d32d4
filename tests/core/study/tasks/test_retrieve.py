"""How a method that retrieves is asked: neither vector of a spot can be derived from the other."""

import numpy as np
import pytest

from histobench.data import Counts, Float, Pairing, Samples
from histobench.study.tasks import enhance, retrieve

N = 40
COUNTS = np.random.default_rng(0).poisson(5.0, (N, 6)).astype(np.float32)
SPOTS = Samples(
    slide_ids=np.full(N, "a"),
    spot_ids=np.arange(N).astype(str),
    xy_um=np.arange(2.0 * N).reshape(N, 2),
    array=np.arange(2 * N).reshape(N, 2),
    embeddings=np.random.default_rng(1).normal(size=(N, 6)).astype(np.float32),
    counts=Counts(names=tuple("abcdef"), values=COUNTS),
)


class Retriever:
    """Returns what it was made to look at in the samples."""

    def __init__(self, image: str, expression: str) -> None:
        self.sides = (image, expression)

    def predict(self, samples: Samples) -> Pairing:
        image, expression = (self._see(side, samples) for side in self.sides)
        return Pairing(image=image, expression=expression)

    def _see(self, side: str, samples: Samples) -> Float:
        assert samples.embeddings is not None
        assert samples.counts is not None
        rows = np.random.default_rng(2).normal(size=(len(samples), 6))
        seen = {"image": samples.embeddings, "expression": samples.counts.values, "place": samples.xy_um, "row": rows}
        return seen[side].astype(np.float32)


def test_each_side_is_of_the_spot_itself_in_the_order_of_the_table() -> None:
    answer = retrieve.ask(Retriever("image", "expression"), SPOTS)  # type: ignore[arg-type]  # it predicts, no more
    assert SPOTS.embeddings is not None
    np.testing.assert_array_equal(answer.image, SPOTS.embeddings)
    np.testing.assert_array_equal(answer.expression, COUNTS)


@pytest.mark.parametrize("side", ["image", "expression", "place", "row"])
def test_whatever_both_sides_could_be_derived_from_is_of_different_spots(side: str) -> None:
    answer = retrieve.ask(Retriever(side, side), SPOTS)  # type: ignore[arg-type]  # it predicts, no more
    same = (answer.image == answer.expression).all(axis=1)
    assert same.mean() <= 0.1


def test_an_answer_for_other_spots_is_returned_as_it_is_to_be_refused() -> None:
    class Half(Retriever):
        def predict(self, samples: Samples) -> Pairing:
            return super().predict(samples.take(np.arange(N // 2)))

    answer = retrieve.ask(Half("image", "expression"), SPOTS)  # type: ignore[arg-type]  # it predicts, no more
    assert len(answer) == N // 2


def test_other_tasks_are_asked_once_as_they_are() -> None:
    answer = enhance.ask(Retriever("expression", "row"), SPOTS)  # type: ignore[arg-type]  # it predicts, no more
    np.testing.assert_array_equal(answer.image, COUNTS)
