"""What metrics do where there is little or nothing to score."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from histobench import Hidden, ImageFeatures, ScoreContext, ShapeError, TrainingFacts
from histobench.contracts.registry import Registry
from histobench_metrics.catalogue import CARDS
from histobench_metrics.distribution.jensen_shannon import jensen_shannon_distance
from histobench_metrics.labels.f1 import f1
from histobench_metrics.labels.recall import recall
from histobench_metrics.regression.mae import mae
from histobench_metrics.regression.pearson import pearson, pearson_or_zero
from histobench_metrics.regression.r2 import r2
from histobench_metrics.regression.rmse import rmse
from histobench_metrics.regression.spearman import spearman

ALL = [pearson, spearman, rmse, mae, r2, jensen_shannon_distance, recall, f1]
CORRELATIONS = [pearson, spearman]


@pytest.fixture(params=CARDS, ids=lambda card: card.name)
def card(request):
    return request.param


def _features(predicted, observed):
    images = np.zeros((len(observed), 8, 8, 3), dtype=np.uint8)
    return ImageFeatures(
        generated=observed,  # of the real ones' shape whatever was predicted
        real=observed,
        read_real=observed,
        nearest_generated=np.zeros(len(observed)),
        nearest_real=np.zeros(len(observed)),
        images=images,
        patches=images,
        image=observed,
        expression=observed,
        real_image=observed,
    )


def _call(card, predicted, observed):
    n = len(observed)
    context = ScoreContext(
        names=tuple("abcd"[: observed.shape[1]]),
        slide_ids=np.full(n, "A1"),
        xy_um=np.stack([np.arange(n) % 3, np.arange(n) // 3], axis=1) * 200.0,
        mpp=0.5,
        training=TrainingFacts(mean=np.arange(4.0), deviation=np.ones(4), prevalence=np.linspace(0, 1, 4)),
        regions=np.full(n, "tumour"),
        parameters={
            "low": predicted,
            "high": predicted,
            "mean": predicted,
            "dispersion": predicted,
            "zero": predicted * 0,
        },
        latent=predicted,
        hidden=Hidden(depth=np.arange(n) * 10.0, truth=observed, masked=observed >= 0, oracle=observed),
        features=_features(predicted, observed),
    )
    return card.build()(predicted, observed, **({"context": context} if card.needs else {}))


VARYING = np.array([[0.0], [1.0], [2.0], [5.0]], dtype=np.float32)
CONSTANT = np.full((4, 1), 3.0, dtype=np.float32)


@pytest.mark.parametrize("metric", ALL)
def test_tables_of_different_shape_are_refused(metric):
    with pytest.raises(ShapeError, match=r"must both be \(n_spots, n_targets\), got \(4, 1\) and \(4, 2\)"):
        metric(VARYING, np.zeros((4, 2)))


@pytest.mark.parametrize("metric", ALL)
def test_a_single_column_without_its_axis_is_refused(metric):
    with pytest.raises(ShapeError, match=r"got \(4,\) and \(4,\)"):
        metric(VARYING[:, 0], VARYING[:, 0])


def test_no_spots_score_nan(card):
    assert np.isnan(_call(card, np.zeros((0, 4)), np.zeros((0, 4)))).all()


def test_values_beyond_all_measure_score_something_finite_or_nothing(card):
    rng = np.random.default_rng(0)
    for predicted, observed in itertools.product((rng.random((9, 4)), rng.random((9, 4)) * 1e38), repeat=2):
        scores = _call(card, predicted.astype(np.float32), observed.astype(np.float32))
        assert not np.isinf(scores).any()


def test_all_zero_tables_score_something_finite_or_nothing(card):
    assert not np.isinf(_call(card, np.zeros((9, 4)), np.zeros((9, 4)))).any()


def test_another_shape_is_refused_whatever_the_metric(card):
    with pytest.raises(ShapeError, match="must both be"):
        _call(card, np.zeros((4, 3)), np.zeros((4, 4)))


@pytest.mark.parametrize("metric", ALL)
def test_no_targets_give_no_scores(metric):
    assert metric(np.zeros((4, 0)), np.zeros((4, 0))).shape == (0,)


@pytest.mark.parametrize("metric", ALL)
def test_inputs_are_left_as_they_are(metric):
    predicted, observed = -VARYING.copy(), VARYING.copy()
    metric(predicted, observed)
    np.testing.assert_array_equal(predicted, -VARYING)
    np.testing.assert_array_equal(observed, VARYING)


@pytest.mark.parametrize("metric", [pearson, spearman, r2, jensen_shannon_distance])
def test_one_spot_scores_nan(metric):
    assert np.isnan(metric(VARYING[1:2], VARYING[2:3])).all()


@pytest.mark.parametrize("metric", [rmse, mae])
def test_one_spot_has_an_error(metric):
    assert metric(VARYING[1:2], VARYING[3:]).tolist() == [4.0]


@pytest.mark.parametrize("metric", CORRELATIONS)
@pytest.mark.parametrize(("predicted", "observed"), [(CONSTANT, VARYING), (VARYING, CONSTANT), (CONSTANT, CONSTANT)])
def test_constant_target_scores_nan(metric, predicted, observed):
    assert np.isnan(metric(predicted, observed)).all()


def test_a_constant_prediction_of_what_varies_is_zero_where_it_is_not_left_out():
    predicted, observed = np.hstack([CONSTANT, VARYING, CONSTANT]), np.hstack([VARYING, VARYING, CONSTANT])
    np.testing.assert_array_equal(np.isnan(pearson(predicted, observed)), [True, False, True])
    np.testing.assert_array_equal(pearson_or_zero(predicted, observed).round(9), [0.0, 1.0, np.nan])


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_a_constant_up_to_rounding_scores_nan(metric):
    jitter = np.nextafter(CONSTANT, np.float32(np.inf)) * np.array([[1], [0], [1], [0]], dtype=np.float32)
    predicted = np.where(jitter > 0, jitter, CONSTANT)
    assert np.ptp(predicted) > 0
    assert np.isnan(metric(predicted, VARYING)).all()


def test_a_small_variation_on_a_large_value_is_no_constant_in_float64():
    assert pearson(1e6 + VARYING.astype(np.float64) * 1e-6, VARYING)[0] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 1e30])
def test_pearson_does_not_depend_on_the_unit(factor):
    rng = np.random.default_rng(0)
    predicted, observed = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    expected = pearson(predicted, observed)
    np.testing.assert_allclose(pearson(predicted * factor, observed / factor), expected, rtol=1e-12)


def test_pearson_at_the_ends_of_float64():
    rng = np.random.default_rng(0)
    predicted, observed = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    scaled = pearson(predicted * 1e307, observed * 1e-300)
    np.testing.assert_allclose(scaled, pearson(predicted, observed), rtol=1e-12)


def test_rmse_of_values_whose_squares_overflow():
    assert rmse(np.array([[1e200], [1e200]]), np.zeros((2, 1)))[0] == pytest.approx(1e200)


def test_r2_of_a_constant_truth_is_nan():
    assert np.isnan(r2(VARYING, CONSTANT)).all()


def test_r2_of_a_constant_prediction_is_defined():
    assert r2(np.full((4, 1), VARYING.mean()), VARYING)[0] == pytest.approx(0.0)


def test_r2_of_an_error_beyond_all_bounds_stays_a_number():
    assert r2(VARYING.astype(np.float64) * 1e300, VARYING)[0] == -np.finfo(np.float64).max


def test_jensen_shannon_without_observed_mass_is_nan():
    assert np.isnan(jensen_shannon_distance(VARYING, np.zeros((4, 1)))).all()


def test_jensen_shannon_of_a_negative_truth_is_nan():
    assert np.isnan(jensen_shannon_distance(VARYING, VARYING - 1)).all()


def test_jensen_shannon_clips_predictions_at_zero():
    negative = np.where(VARYING == 0, -9.0, VARYING)
    np.testing.assert_array_equal(
        jensen_shannon_distance(negative, CONSTANT), jensen_shannon_distance(VARYING, CONSTANT)
    )


def test_jensen_shannon_takes_no_prediction_for_an_even_one():
    assert jensen_shannon_distance(np.zeros((4, 1)), CONSTANT)[0] == pytest.approx(0.0, abs=1e-6)


def test_jensen_shannon_of_disjoint_places_is_its_largest():
    left, right = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    assert jensen_shannon_distance(left, right)[0] == pytest.approx(np.sqrt(np.log(2)), abs=1e-3)


def test_one_broken_column_costs_only_itself():
    rng = np.random.default_rng(0)
    predicted, observed = rng.random((20, 3)), rng.random((20, 3))
    spoilt = predicted.copy()
    spoilt[3, 1] = np.nan
    for metric in (pearson, spearman, jensen_shannon_distance):
        scores, whole = metric(spoilt, observed), metric(predicted, observed)
        assert np.isnan(scores[1])
        np.testing.assert_array_equal(scores[[0, 2]], whole[[0, 2]])


def test_scores_do_not_depend_on_the_order_of_spots():
    rng = np.random.default_rng(0)
    predicted, observed, order = rng.random((50, 3)), rng.random((50, 3)), rng.permutation(50)
    for metric in (pearson, spearman, rmse, mae, r2, jensen_shannon_distance):
        np.testing.assert_allclose(metric(predicted[order], observed[order]), metric(predicted, observed), rtol=1e-12)


def test_answering_the_most_frequent_class_reaches_only_one_over_the_classes():
    truth = np.eye(2, dtype=np.float32)[[0] * 95 + [1] * 5]
    assert recall(np.tile([1.0, 0.0], (100, 1)), truth).mean() == 0.5


def test_a_class_that_is_not_there_has_no_recall():
    truth = np.eye(3, dtype=np.float32)[[0, 1, 1]]
    np.testing.assert_array_equal(recall(truth, truth), [1.0, 1.0, np.nan])


def test_unlabelled_spots_do_not_count():
    truth = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(recall(np.array([[1.0, 0], [0, 1], [0, 1]]), truth), [1.0, 1.0])


def test_listing_metrics_imports_no_implementation():
    program = "import sys, histobench_metrics; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split())
    assert not loaded & {"scipy", "sklearn", "torch", "igraph"}
    assert not loaded & {card.build.target.partition(":")[0] for card in CARDS}


def test_every_card_says_where_its_score_is_undefined():
    assert [card.name for card in CARDS if not card.undefined] == []


def test_every_card_cites_a_source():
    assert [card.name for card in CARDS if not card.citation] == []


def test_a_metric_that_can_be_gamed_never_ranks():
    ranking = {card.name for card in CARDS if card.ranks}
    assert ranking == {"heldout-pearson", "pearson", "recall", "retrieval"}
    assert not any(card.ranks and card.gamed_by for card in CARDS)


def test_every_metric_is_installed():
    assert {card.name for card in CARDS} <= set(Registry.load().metrics.names())
