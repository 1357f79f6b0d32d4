"""Every metric against an independent implementation, on random and on awkward tables."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cosine as cosine_distance
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, pearsonr, rankdata, spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

from histobench_metrics.distribution.jensen_shannon import jensen_shannon_distance, jensen_shannon_divergence
from histobench_metrics.distribution.kl import kullback_leibler
from histobench_metrics.labels.accuracy import accuracy
from histobench_metrics.labels.class_auroc import class_auprc, class_auroc
from histobench_metrics.labels.confusion import confusion, confusion_columns
from histobench_metrics.labels.f1 import f1, f1_weighted
from histobench_metrics.labels.precision import precision
from histobench_metrics.labels.recall import recall
from histobench_metrics.regression.concordance import concordance
from histobench_metrics.regression.cosine import cosine
from histobench_metrics.regression.mae import mae
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.regression.r2 import nrmse, r2
from histobench_metrics.regression.rmse import rmse
from histobench_metrics.regression.spearman import average_ranks, spearman


def _table(elements: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    shapes = st.tuples(st.integers(2, 12), st.integers(1, 4))
    return shapes.flatmap(lambda shape: st.tuples(*[arrays(np.float32, shape, elements=elements)] * 2))


FEW_VALUES = _table(st.sampled_from([0.0, 0.5, 1.0, 2.0, 7.0]))
ANY_VALUES = _table(st.floats(-1e3, 1e3, width=32, allow_subnormal=False))
AMOUNTS = _table(st.floats(0, 1e3, width=32, allow_subnormal=False))


def _loop(reference: Callable[..., float], predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Apply a reference to one column after the other in float64; a column without variation is undefined."""
    scores = []
    for one, other in zip(predicted.T.astype(np.float64), observed.T.astype(np.float64), strict=True):
        constant = np.ptp(one) == 0 or np.ptp(other) == 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy says that a nearly constant input makes it inaccurate
            scores.append(np.nan if constant else reference(one, other))
    return np.asarray(scores)


def _varies(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Leave out columns that vary by less than a few roundings: there scipy answers with rounding noise."""
    spread = [np.ptp(table.astype(np.float64), axis=0) for table in (predicted, observed)]
    largest = [np.abs(table).max(axis=0) for table in (predicted, observed)]
    return np.all([s > 1e-5 * top for s, top in zip(spread, largest, strict=True)], axis=0)


@given(FEW_VALUES | ANY_VALUES)
def test_pearson_is_scipys(tables):
    predicted, observed = tables
    ours, theirs = pearson(predicted, observed), _loop(lambda p, y: pearsonr(p, y).statistic, predicted, observed)
    compared = _varies(predicted, observed)
    np.testing.assert_allclose(ours[compared], theirs[compared], atol=1e-7)
    assert np.isnan(ours[np.isnan(theirs)]).all()


@given(FEW_VALUES | ANY_VALUES)
def test_spearman_is_scipys(tables):
    predicted, observed = tables
    ours, theirs = spearman(predicted, observed), _loop(lambda p, y: spearmanr(p, y).statistic, predicted, observed)
    compared = _varies(predicted, observed)
    np.testing.assert_allclose(ours[compared], theirs[compared], atol=1e-9)
    assert np.isnan(ours[np.isnan(theirs)]).all()


@given(FEW_VALUES | ANY_VALUES)
def test_ranks_are_scipys(tables):
    values = tables[0].astype(np.float64)
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=1))


@given(FEW_VALUES | ANY_VALUES)
def test_rmse_is_sklearns(tables):
    predicted, observed = (table.astype(np.float64) for table in tables)
    theirs = root_mean_squared_error(observed, predicted, multioutput="raw_values")
    np.testing.assert_allclose(rmse(*tables), theirs, rtol=1e-9, atol=1e-12)


@given(FEW_VALUES | ANY_VALUES)
def test_mae_is_sklearns(tables):
    predicted, observed = (table.astype(np.float64) for table in tables)
    theirs = mean_absolute_error(observed, predicted, multioutput="raw_values")
    np.testing.assert_allclose(mae(*tables), theirs, rtol=1e-9, atol=1e-12)


@given(FEW_VALUES)
def test_r2_is_sklearns(tables):
    predicted, observed = (table.astype(np.float64) for table in tables)
    theirs = r2_score(observed, predicted, multioutput="raw_values")
    theirs = np.where(np.ptp(observed, axis=0) == 0, np.nan, theirs)
    np.testing.assert_allclose(r2(*tables), theirs, rtol=1e-9, atol=1e-9)


@given(FEW_VALUES | AMOUNTS)
def test_jensen_shannon_is_scipys_distance(tables):
    predicted, observed = (table.astype(np.float64) for table in tables)
    with np.errstate(invalid="ignore"):  # theirs takes the root of a zero that rounding made negative
        theirs = np.nan_to_num(jensenshannon(predicted + 1e-8, observed + 1e-8, axis=0))
    theirs = np.where(observed.sum(axis=0) > 0, theirs, np.nan)
    np.testing.assert_allclose(jensen_shannon_distance(*tables), theirs, atol=1e-7)


@given(FEW_VALUES)
def test_concordance_is_lins_formula(tables):
    predicted, observed = (table.astype(np.float64) for table in tables)
    covariance = ((predicted - predicted.mean(axis=0)) * (observed - observed.mean(axis=0))).mean(axis=0)
    spread = predicted.var(axis=0) + observed.var(axis=0) + (predicted.mean(axis=0) - observed.mean(axis=0)) ** 2
    theirs = np.where(np.ptp(observed, axis=0) == 0, np.nan, 2 * covariance / np.where(spread > 0, spread, 1))
    np.testing.assert_allclose(concordance(*tables), theirs, atol=1e-9)


@given(FEW_VALUES)
def test_nrmse_is_the_error_over_the_observed_deviation(tables):
    deviation = tables[1].astype(np.float64).std(axis=0)
    theirs = np.where(deviation > 0, rmse(*tables) / np.where(deviation > 0, deviation, 1), np.nan)
    np.testing.assert_allclose(nrmse(*tables), theirs, rtol=1e-9, atol=1e-9)


@given(FEW_VALUES)
def test_cosine_is_scipys_spot_by_spot(tables):
    profiles = [(p, y) for p, y in zip(*(t.astype(np.float64) for t in tables), strict=True) if p.any() and y.any()]
    theirs = [1 - cosine_distance(p, y) for p, y in profiles]
    expected = [np.mean(theirs), np.median(theirs)] if theirs else [np.nan, np.nan]
    np.testing.assert_allclose(cosine(*tables), expected, atol=1e-9)


@given(FEW_VALUES | AMOUNTS)
def test_divergence_is_the_square_of_the_distance(tables):
    np.testing.assert_allclose(jensen_shannon_divergence(*tables), jensen_shannon_distance(*tables) ** 2, atol=1e-12)


@given(FEW_VALUES)
def test_kullback_leibler_is_scipys_entropy(tables):
    predicted, observed = (table.astype(np.float64) + 1e-8 for table in tables)
    theirs = np.where(tables[1].sum(axis=0) > 0, entropy(observed, predicted, axis=0), np.nan)
    np.testing.assert_allclose(kullback_leibler(*tables), theirs, rtol=1e-6, atol=1e-9)


LABELS = st.integers(2, 5).flatmap(
    lambda t: st.lists(st.tuples(st.integers(0, t - 1), st.integers(0, t - 1)), min_size=1, max_size=20).map(
        lambda pairs: (t, np.array(pairs))
    )
)


@given(LABELS)
def test_recall_is_sklearns_and_its_mean_is_balanced_accuracy(drawn):
    classes, (answer, truth) = drawn[0], drawn[1].T
    ours = recall(np.eye(classes, dtype=np.float32)[answer], np.eye(classes, dtype=np.float32)[truth])
    theirs = recall_score(truth, answer, labels=range(classes), average=None, zero_division=np.nan)
    np.testing.assert_allclose(ours, theirs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn remarks on answers of a class that is not there
        balanced = balanced_accuracy_score(truth, answer)
    assert np.nanmean(ours) == pytest.approx(balanced)


@given(LABELS)
def test_f1_is_sklearns(drawn):
    classes, (answer, truth) = drawn[0], drawn[1].T
    ours = f1(np.eye(classes, dtype=np.float32)[answer], np.eye(classes, dtype=np.float32)[truth])
    theirs = f1_score(truth, answer, labels=range(classes), average=None, zero_division=np.nan)
    np.testing.assert_allclose(ours, theirs)


@given(LABELS)
def test_precision_accuracy_and_weighted_f1_are_sklearns(drawn):
    classes, (answer, truth) = drawn[0], drawn[1].T
    given, right = np.eye(classes, dtype=np.float32)[answer], np.eye(classes, dtype=np.float32)[truth]
    theirs = precision_score(truth, answer, labels=range(classes), average=None, zero_division=np.nan)
    np.testing.assert_allclose(precision(given, right), theirs)
    assert accuracy(given, right)[0] == pytest.approx(accuracy_score(truth, answer))
    weighted = f1_score(truth, answer, labels=range(classes), average="weighted", zero_division=0)
    assert f1_weighted(given, right)[0] == pytest.approx(weighted)


@given(LABELS)
def test_confusion_is_sklearns_and_its_headline_balanced_accuracy(drawn):
    classes, (answer, truth) = drawn[0], drawn[1].T
    given, right = np.eye(classes, dtype=np.float32)[answer], np.eye(classes, dtype=np.float32)[truth]
    scores = confusion(given, right)
    matrix = confusion_matrix(truth, answer, labels=range(classes))
    there = matrix.sum(axis=1) > 0
    shares = scores[1:].reshape(classes, classes)
    np.testing.assert_allclose(shares[there], matrix[there] / matrix[there].sum(axis=1, keepdims=True))
    assert np.isnan(shares[~there]).all()
    assert scores[0] == pytest.approx(np.nanmean(recall(given, right)))
    assert len(confusion_columns(tuple("abcdefg"[:classes]))) == len(scores)


def test_areas_of_classes_are_sklearns_over_labelled_spots():
    rng = np.random.default_rng(0)
    truth, chances = rng.integers(0, 3, 40), rng.random((40, 3))
    labels = np.eye(3)[truth]
    labels[35:] = 0.0  # not labelled
    there = [(labels[:35, c], chances[:35, c]) for c in range(3)]
    np.testing.assert_allclose(class_auroc(chances, labels), [roc_auc_score(y, p) for y, p in there])
    np.testing.assert_allclose(class_auprc(chances, labels), [average_precision_score(y, p) for y, p in there])


@pytest.mark.reference
def test_jensen_shannon_has_the_protocols_worked_value():
    distance = jensen_shannon_distance(np.array([[0.0], [1.0], [2.0], [3.0]]), np.ones((4, 1)))
    assert distance[0] == pytest.approx(0.339208, abs=1e-6)
    assert distance[0] ** 2 == pytest.approx(0.115062, abs=1e-6)
