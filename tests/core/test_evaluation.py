"""From predictions to scores."""

import numpy as np
import pytest

from histobench import MetricCard, Prediction, ShapeError, Targets
from histobench.data import SlideResult
from histobench.errors import DataError
from histobench.evaluation import score


def _result(slide="A1", n=5, *, names=("a", "b"), kind="cell_abundance", shift=0.0, dtype=np.float32):
    observed = np.arange(n * len(names), dtype=dtype).reshape(n, -1)
    return SlideResult(
        slide_id=slide,
        spot_ids=np.array([str(i) for i in range(n)]),
        xy_um=np.zeros((n, 2), dtype=np.float32),
        predicted=Prediction(names=names, values=observed + dtype(shift)),
        observed=Targets(kind=kind, names=names, values=observed),
    )


def _card(function, name="bias", **facts):
    facts = {"kinds": ("cell_abundance",), "higher_is_better": False, "title": name, **facts}
    return MetricCard(name=name, build=lambda: function, **facts)


def _bias(predicted, observed):
    return (predicted - observed).mean(axis=0)


def test_every_slide_is_scored_and_all_spots_pooled():
    evaluation = score([_result("A1", 2, shift=1.0), _result("B1", 6, shift=5.0)], [_card(_bias)])
    assert evaluation.scores["bias"].per_slide == {"A1": (1.0, 1.0), "B1": (5.0, 5.0)}
    assert evaluation.scores["bias"].pooled == (4.0, 4.0)
    assert evaluation.warnings == ()


def test_metrics_of_other_kinds_are_passed_over():
    assert score([_result()], [_card(_bias, kinds=("label",))]).scores == {}


def test_facts_of_the_card_travel_with_the_scores():
    scores = score([_result()], [_card(_bias, higher_is_better=True, revision="7")]).scores["bias"]
    assert scores.higher_is_better
    assert scores.revision == "7"


def test_predictions_are_clipped_where_the_card_says_so():
    cards = [_card(_bias, "clipped", clips_predictions=True), _card(_bias, "free")]
    scores = score([_result(n=1, names=("a",), shift=-3.0)], cards).scores
    assert scores["clipped"].pooled == (0.0,)
    assert scores["free"].pooled == (-3.0,)


def test_a_metric_that_raises_is_undefined_and_told():
    def picky(predicted, observed):
        if len(predicted) < 3:
            raise ArithmeticError("too few\nspots")
        return _bias(predicted, observed)

    evaluation = score([_result("A1", 2, shift=1.0), _result("B1", 5, shift=1.0)], [_card(picky), _card(_bias, "well")])
    assert evaluation.scores["bias"].per_slide == {"A1": (None, None), "B1": (1.0, 1.0)}
    assert evaluation.scores["well"].undefined == 0
    assert evaluation.warnings == (
        "metric 'bias' failed on 1 of 3 evaluations, first on A1: ArithmeticError: too few spots; "
        "its scores there are undefined.",
    )


@pytest.mark.parametrize(("returned", "shape"), [(np.zeros(3), "(3,)"), (0.5, "()"), (np.zeros((2, 1)), "(2, 1)")])
def test_a_metric_of_the_wrong_shape_is_undefined_and_told(returned, shape):
    evaluation = score([_result()], [_card(lambda _predicted, _observed: returned)])
    assert evaluation.scores["bias"].pooled == (None, None)
    assert f"it returned {shape} where (2,) was expected" in evaluation.warnings[0]


def test_a_metric_that_returns_no_numbers_is_undefined():
    evaluation = score([_result()], [_card(lambda _predicted, _observed: ["x", "y"])])
    assert evaluation.scores["bias"].undefined == 2
    assert "ValueError" in evaluation.warnings[0]


def test_a_metric_that_cannot_be_built_is_undefined_and_told():
    def build():
        raise ImportError("no module named 'fancy'")

    card = MetricCard(name="fancy", title="", build=build, kinds=("cell_abundance",), higher_is_better=True)
    evaluation = score([_result()], [card])
    assert evaluation.scores["fancy"].pooled == (None, None)
    assert "it could not be built: ImportError: no module named 'fancy'" in evaluation.warnings[0]


def test_infinite_scores_are_undefined():
    assert score([_result()], [_card(lambda p, _o: np.full(p.shape[1], np.inf))]).scores["bias"].pooled == (None, None)


def test_a_metric_cannot_change_what_the_next_one_sees():
    def greedy(predicted, observed):
        predicted -= predicted
        return _bias(predicted, observed)

    result = _result(shift=1.0)
    evaluation = score([result], [_card(greedy, "greedy"), _card(_bias)])
    assert evaluation.scores["bias"].pooled == (1.0, 1.0)
    assert evaluation.scores["greedy"].pooled == (None, None)
    np.testing.assert_array_equal(result.predicted.values, result.observed.values + 1)


def test_scores_are_those_of_the_stored_precision():
    exact = _result(shift=1 / 3, dtype=np.float64)
    stored = _result(shift=1 / 3)
    cards = [_card(lambda p, _o: p.astype(np.float64).sum(axis=0))]
    assert score([exact], cards).scores["bias"].pooled[0] == pytest.approx(
        score([stored], cards).scores["bias"].pooled[0], abs=1e-5
    )
    seen = []
    score([exact], [_card(lambda p, _o: seen.append(p.dtype) or np.zeros(2))])
    assert set(seen) == {np.dtype(np.float32)}


def test_nothing_to_score_is_refused():
    with pytest.raises(DataError, match="nothing to score: no slide was predicted"):
        score([], [_card(_bias)])


def test_slides_of_different_panels_are_refused():
    with pytest.raises(ShapeError, match="slides 'A1' and 'B1' were not predicted for one panel"):
        score([_result("A1"), _result("B1", names=("a", "c"))], [_card(_bias)])


def test_a_slide_that_stands_twice_is_refused():
    with pytest.raises(ShapeError, match="slide 'A1' stands twice"):
        score([_result("A1"), _result("A1")], [_card(_bias)])
