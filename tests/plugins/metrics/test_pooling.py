"""Where pooling lies: slides that differ in level make a method look good that knows nothing of their spots."""

from dataclasses import dataclass

import numpy as np
import pytest

from histobench import Prediction, Targets
from histobench.data import SlideResult
from histobench.results.evaluation import score
from histobench.results.statistics import standings
from histobench_metrics.catalogue import CARDS

LEVELS = {"A1": 0.0, "B1": 10.0, "C1": 20.0}
NAMES = ("a", "b")
(PEARSON,) = [card for card in CARDS if card.name == "pearson"]


@dataclass
class Scores:
    """One method's scores on the three slides."""

    table: object

    @property
    def per_slide(self):
        return float(np.mean(self.table.table()[1]))

    @property
    def pooled(self):
        return self.table.overall(self.table.pooled)


def _scored(predict):
    rng = np.random.default_rng(0)
    results = []
    for slide, level in LEVELS.items():
        truth = rng.normal(level, 1.0, (50, 2)).astype(np.float32)
        said = predict(level, truth, rng).astype(np.float32)
        results.append(
            SlideResult(
                slide_id=slide,
                spot_ids=np.arange(50).astype(str),
                xy_um=np.zeros((50, 2)),
                predicted=Prediction(names=NAMES, values=said),
                observed=Targets(kind="cell_abundance", names=NAMES, values=truth),
            )
        )
    return Scores(score(results, [PEARSON]).scores["pearson"])


@pytest.fixture(scope="module")
def knows_slides():
    return _scored(lambda level, truth, rng: level + rng.normal(0, 1.0, truth.shape))


@pytest.fixture(scope="module")
def knows_spots():
    return _scored(lambda level, truth, rng: truth - level + rng.normal(0, 1.0, truth.shape))


def test_pooled_the_method_wins_that_only_tells_slides_apart(knows_slides, knows_spots):
    assert knows_slides.pooled > 0.95
    assert knows_spots.pooled < 0.5


def test_per_slide_it_has_nothing_to_show(knows_slides, knows_spots):
    assert abs(knows_slides.per_slide) < 0.2
    assert knows_spots.per_slide > 0.6


def test_the_board_follows_the_slides(knows_slides, knows_spots, make_record):
    entries = {"knows-slides": knows_slides, "knows-spots": knows_spots}
    records = [
        make_record({slide: [0.0, 0.0] for slide in LEVELS}, method=method).model_copy(
            update={"scores": {"pearson": scores.table}, "targets": NAMES}
        )
        for method, scores in entries.items()
    ]
    (board,) = standings(records, "pearson")
    assert [row.method for row in board.rows] == ["knows-spots", "knows-slides"]
    assert board.rows[0].pooled < board.rows[1].pooled
