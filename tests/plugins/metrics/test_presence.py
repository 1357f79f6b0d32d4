"""Presence, dominance and zeros, against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score, top_k_accuracy_score

from histobench_metrics.presence.auprc import auprc
from histobench_metrics.presence.auroc import auroc
from histobench_metrics.presence.columns import PUBLISHED
from histobench_metrics.presence.top import top1, top3
from histobench_metrics.presence.zeros import (
    mae_of_nonzeros,
    published_zero_inflation,
    zero_accuracy,
    zero_f1,
    zero_rate_difference,
    zero_sensitivity,
    zero_specificity,
)

SHAPES = st.tuples(st.integers(2, 12), st.integers(1, 4))
FEW = st.sampled_from([0.0, 0.0, 0.25, 1.0, 2.0, 7.0])
TABLES = SHAPES.flatmap(lambda shape: st.tuples(*[arrays(np.float32, shape, elements=FEW)] * 2))
COUNTS = SHAPES.flatmap(
    lambda shape: st.tuples(
        arrays(np.float32, shape, elements=st.floats(0, 9, width=32)),
        arrays(np.float32, shape, elements=st.integers(0, 4)),
    )
)


def _by_column(reference, predicted, observed):
    """Apply a reference to each target that is somewhere but not everywhere; the others are undefined."""
    columns = zip(predicted.T, observed.T > 0, strict=True)
    return [reference(y, p) if 0 < y.sum() < len(y) else np.nan for p, y in columns]


@given(TABLES)
def test_auroc_is_sklearns(tables):
    np.testing.assert_allclose(auroc(*tables), _by_column(roc_auc_score, *tables), atol=1e-12)


@given(TABLES)
def test_auprc_is_sklearns_average_precision(tables):
    np.testing.assert_allclose(auprc(*tables), _by_column(average_precision_score, *tables), atol=1e-12)


@given(TABLES, st.sampled_from([np.exp, np.sqrt, lambda p: 3 * p - 7]))
def test_areas_depend_on_the_order_of_predictions_only(tables, rise):
    predicted, observed = tables
    np.testing.assert_array_equal(auroc(rise(predicted), observed), auroc(predicted, observed))
    np.testing.assert_array_equal(auprc(rise(predicted), observed), auprc(predicted, observed))


@pytest.mark.parametrize(("metric", "k"), [(top1, 1), (top3, 3)])
def test_top_k_is_sklearns_where_nothing_ties(metric, k):
    rng = np.random.default_rng(0)
    predicted, observed = rng.random((30, 6)), rng.random((30, 6))
    theirs = top_k_accuracy_score(observed.argmax(axis=1), predicted, k=k, labels=range(6))
    assert metric(predicted, observed)[0] == pytest.approx(theirs)


def test_predicting_all_types_alike_is_right_by_chance():
    observed = np.eye(4)[[0, 1, 2, 3, 3]]
    assert top1(np.ones((5, 4)), observed)[0] == pytest.approx(1 / 4)
    assert top3(np.ones((5, 4)), observed)[0] == pytest.approx(3 / 4)


def test_a_tie_that_the_border_cuts_counts_by_its_chance():
    # two places are left for three targets that tie, the dominant among them
    assert top3(np.array([[9.0, 1, 1, 1, 0]]), np.array([[0.0, 5, 0, 0, 0]]))[0] == pytest.approx(2 / 3)


def test_spots_without_a_dominant_type_do_not_count():
    observed = np.array([[1.0, 1.0], [0.0, 2.0]])
    assert top1(np.array([[0.0, 1.0], [0.0, 1.0]]), observed)[0] == 1.0
    assert np.isnan(top1(observed, np.ones((2, 2)))[0])


def test_what_cannot_be_missed_is_undefined():
    assert np.isnan(top1(np.ones((3, 1)), np.ones((3, 1)))[0])
    assert np.isnan(top3(np.eye(3), np.eye(3))[0])


@given(COUNTS)
def test_zeros_of_counts_are_sklearns_at_one_half(tables):
    predicted, observed = tables
    said, seen = predicted > 0.5, observed > 0
    np.testing.assert_allclose(
        zero_accuracy(*tables), [accuracy_score(y, p) for p, y in zip(said.T, seen.T, strict=True)]
    )
    theirs = [f1_score(y, p, zero_division=np.nan) for p, y in zip(said.T, seen.T, strict=True)]
    np.testing.assert_allclose(zero_f1(*tables), theirs)
    np.testing.assert_allclose(zero_rate_difference(*tables), np.abs(said.mean(axis=0) - seen.mean(axis=0)), atol=1e-12)


@given(TABLES)
def test_predicting_the_truth_tells_every_zero(tables):
    observed = tables[1]
    for metric in (zero_accuracy, zero_sensitivity, zero_specificity, zero_f1):
        scores = metric(observed, observed)
        assert set(scores[~np.isnan(scores)]) <= {1.0}


def test_zeros_by_hand():
    predicted, observed = np.array([[0.6], [0.4], [2.0], [0.0]]), np.array([[0.0], [3.0], [1.0], [0.0]])
    assert zero_sensitivity(predicted, observed)[0] == 0.5
    assert zero_specificity(predicted, observed)[0] == 0.5
    assert mae_of_nonzeros(predicted, observed)[0] == pytest.approx((2.6 + 1.0) / 2)


def test_a_gene_that_is_nowhere_expressed_has_no_sensitivity():
    assert np.isnan(zero_sensitivity(np.ones((3, 1)), np.zeros((3, 1)))[0])
    assert np.isnan(zero_specificity(np.ones((3, 1)), np.ones((3, 1)))[0])
    assert np.isnan(mae_of_nonzeros(np.ones((3, 1)), np.zeros((3, 1)))[0])


@given(COUNTS)
def test_hist2scrnas_zeros_are_as_the_protocol_says(tables):
    predicted, observed = (table.astype(np.float64).ravel() for table in tables)
    scores = dict(zip(PUBLISHED, published_zero_inflation(*tables), strict=True))
    said, seen = predicted > 0.5, observed > 0.5
    hits, passes = (said & seen).sum(), (~said & ~seen).sum()
    assert scores["detection accuracy"] == pytest.approx((hits + passes) / len(said))
    assert scores["zero rate difference"] == pytest.approx(abs((observed == 0).mean() - (predicted < 0.5).mean()))
    assert scores["sensitivity"] == pytest.approx(hits / (seen.sum() + 1e-10))
    assert scores["specificity"] == pytest.approx(passes / ((~seen).sum() + 1e-10))
    assert scores["F1 of non-zeros"] == pytest.approx(f1_score(seen, said, zero_division=0))
    errors = np.abs(predicted - observed)[observed > 0]
    assert scores["MAE of non-zeros"] == pytest.approx(errors.mean() if errors.size else 0.0)
