"""From predictions to scores."""

from dataclasses import replace

import numpy as np
import pytest

import histobench.results.evaluation.scoring
from histobench import MetricCard, Prediction, ShapeError, Targets, TrainingFacts
from histobench.data import SlideResult
from histobench.errors import DataError
from histobench.results.evaluation import score


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
    with pytest.raises(ShapeError, match="slides 'A1' and 'B1' have different targets"):
        score([_result("A1"), _result("B1", names=("a", "c"))], [_card(_bias)])


def test_a_slide_that_stands_twice_is_refused():
    with pytest.raises(ShapeError, match="slide 'A1' occurs twice"):
        score([_result("A1"), _result("A1")], [_card(_bias)])


def test_columns_are_scored_and_named():
    card = _card(lambda p, _o: np.array([p.min(), p.max()]), columns=("least", "most"), headline="most")
    scores = score([_result(n=3)], [card]).scores["bias"]
    assert (scores.columns, scores.headline) == (("least", "most"), "most")
    assert scores.per_slide == {"A1": (0.0, 5.0)}
    assert scores.overall(scores.per_slide["A1"]) == 5.0


def test_columns_can_follow_from_the_targets():
    card = _card(
        lambda p, _o: np.zeros(p.shape[1] ** 2), columns=lambda names: tuple(a + b for a in names for b in names)
    )
    assert score([_result()], [card]).scores["bias"].columns == ("aa", "ab", "ba", "bb")


def test_without_a_headline_the_mean_of_what_is_defined_speaks():
    scores = score([_result()], [_card(lambda p, _o: np.array([1.0, np.nan, 3.0]), columns=("x", "y", "z"))])
    assert scores.scores["bias"].overall(scores.scores["bias"].pooled) == 2.0


def test_a_metric_that_only_pools_is_undefined_per_slide_and_counts_as_complete():
    scores = score([_result("A1"), _result("B1")], [_card(_bias, pools="only")]).scores["bias"]
    assert scores.per_slide == {"A1": (None, None), "B1": (None, None)}
    assert scores.pooled == (0.0, 0.0)
    assert scores.undefined == 0


def test_a_metric_that_never_pools_is_not_given_the_slides_together():
    seen = []
    card = _card(lambda p, _o: seen.append(len(p)) or np.zeros(2), pools="never")
    assert score([_result("A1", 3), _result("B1", 4)], [card]).scores["bias"].pooled == (None, None)
    assert seen == [3, 4]


def test_needs_are_met_from_the_results():
    given = {}

    def metric(predicted, observed, *, context):
        given[len(predicted)] = context
        return _bias(predicted, observed)

    needs = ("place", "pixels", "training", "regions", "interval")
    results = [_annotated(_result("A1", 2, shift=1.0), mpp=0.5), _annotated(_result("B1", 3, shift=1.0), mpp=0.25)]
    training = TrainingFacts.of(results[0].observed)
    evaluation = score(results, [_card(metric, needs=needs)], training)
    assert evaluation.scores["bias"].per_slide == {"A1": (1.0, 1.0), "B1": (1.0, 1.0)}
    assert given[2].mpp == 0.5
    assert given[5].mpp is None  # slides of different resolution, pooled
    assert given[5].slide_ids.tolist() == ["A1", "A1", "B1", "B1", "B1"]
    assert given[2].regions.tolist() == ["tumour", ""]
    np.testing.assert_array_equal(given[2].training.mean, training.mean)
    np.testing.assert_array_equal(given[2].parameters["low"], results[0].predicted.parameters["low"])


def _annotated(result, *, mpp):
    n = len(result.spot_ids)
    labels = np.eye(2, dtype=np.float32)[[0] * n]
    labels[-1] = 0.0  # the last spot is not annotated
    named = ("tumour", "stroma")
    ends = {"low": result.predicted.values - 1, "high": result.predicted.values + 1}
    said = replace(result.predicted, parameters=ends, beside={"label": Prediction(names=named, values=labels)})
    beside = {"label": Targets(kind="label", names=named, values=labels)}
    regions = np.array([*["tumour"] * (n - 1), ""])
    return replace(result, mpp=mpp, predicted=said, beside=beside, regions=regions)


def test_a_slide_without_annotation_is_undefined_beside_annotated_ones():
    results = [_annotated(_result("A1", 3), mpp=0.5), _result("B1", 3)]
    results[0] = replace(results[0], beside={}, predicted=replace(results[0].predicted, beside={}))
    share = _card(
        lambda p, _o, *, context: np.full(p.shape[1], (context.regions != "").mean() or np.nan), needs=("regions",)
    )
    scores = score(results, [share]).scores["bias"]
    assert scores.per_slide == {"A1": (pytest.approx(2 / 3),) * 2, "B1": (None, None)}
    assert scores.undefined == 2


@pytest.mark.parametrize(
    ("need", "reason"),
    [
        ("training", "nothing is known of the training spots"),
        ("pixels", "the microns per pixel are not known"),
        ("regions", "the spots are not annotated"),
        ("interval", "the method predicts no low and no high"),
        ("nb", "the method predicts no mean and no dispersion"),
        ("zinb", "the method predicts no mean and no dispersion and no zero"),
    ],
)
def test_a_metric_whose_needs_are_not_met_is_passed_over_with_the_reason(need, reason):
    evaluation = score(
        [_result()], [_card(lambda p, _o, *, context: _bias(p, p), needs=(need,)), _card(_bias, "plain")]
    )
    assert set(evaluation.scores) == {"plain"}
    assert evaluation.passed_over == {"bias": reason}
    assert evaluation.warnings == ()


def test_what_stands_beside_is_scored_by_its_own_kind():
    result = _annotated(_result(shift=2.0), mpp=1.0)
    agreement = _card(lambda p, o: (p == o).mean(axis=0), "agreement", kinds=("label",), higher_is_better=True)
    evaluation = score([result], [_card(_bias), agreement])
    assert set(evaluation.scores) == {"bias"}
    side = evaluation.beside["label"]
    assert (side.kind, side.n_targets, set(side.scores)) == ("label", 2, {"agreement"})
    assert side.scores["agreement"].per_slide == {"A1": 1.0}
    assert side.scores["agreement"].higher_is_better


def test_targets_are_scored_in_blocks_and_each_comes_out_once(monkeypatch):
    monkeypatch.setattr(histobench.results.evaluation.scoring, "_BLOCK", 10)
    names = tuple("abcdefg")
    widths = []

    def metric(predicted, observed, *, context):
        widths.append((predicted.shape[1], context.names, len(context.training.mean)))
        return predicted.astype(np.float64).sum(axis=0)

    result = _result(n=5, names=names, shift=1.0)
    training = TrainingFacts.of(result.observed)
    card = _card(metric, needs=("training",), pools="never")
    scores = score([result], [card], training).scores["bias"]
    np.testing.assert_allclose(scores.per_slide["A1"], result.predicted.values.sum(axis=0))
    assert widths[0] == (2, ("a", "b"), 2)
    assert [width for width, *_ in widths] == [2, 2, 2, 1]


def test_what_looks_across_targets_is_given_them_together(monkeypatch):
    monkeypatch.setattr(histobench.results.evaluation.scoring, "_BLOCK", 1)
    shapes = []
    looking = {"columns": ("all",), "view": "slide", "pools": "never"}
    score([_result(n=5)], [_card(lambda p, _o: shapes.append(p.shape) or np.zeros(1), **looking)])
    assert shapes == [(5, 2)]
