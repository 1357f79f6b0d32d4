"""What the publications' scripts compute, against those scripts' own libraries and the protocol's worked values."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, spearmanr
from sklearn.feature_selection import mutual_info_regression
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from histobench.contracts.registry import Registry
from histobench_metrics.distribution.jensen_shannon import (
    distance_with_offset,
    distance_without_offset,
    squared_with_offset,
)
from histobench_metrics.distribution.mutual_information import mutual_information, mutual_information_of_all
from histobench_metrics.regression.auc_rch import auc_rch
from histobench_metrics.regression.columns import CORRELATIONS
from histobench_metrics.regression.hist2scrna import (
    mae_of_levels,
    mse_everywhere,
    mse_of_levels,
    pearson_everywhere,
    pearson_of_levels,
    r2_overall,
    rmse_overall,
    spearman_everywhere,
)

METRICS = Registry.load().metrics
SHAPES = st.tuples(st.integers(2, 12), st.integers(1, 4))
AMOUNTS = SHAPES.flatmap(
    lambda shape: st.tuples(*[arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.5, 1.0, 3.0, 20.0]))] * 2)
)


@given(AMOUNTS)
def test_cucas_distances_are_scipys_with_the_offset(tables):
    predicted, observed = (table.astype(np.float64) + 1e-8 for table in tables)
    with np.errstate(invalid="ignore"):  # theirs takes the root of a zero that rounding made negative
        theirs = np.nan_to_num(jensenshannon(predicted, observed, axis=0))
    np.testing.assert_allclose(distance_with_offset(*tables), theirs, atol=1e-7)
    np.testing.assert_allclose(squared_with_offset(*tables), theirs**2, atol=1e-12)


@given(AMOUNTS)
def test_hist2cells_distance_is_scipys_and_undefined_without_mass(tables):
    predicted, observed = (table.astype(np.float64) for table in tables)
    massless = (predicted.sum(axis=0) == 0) | (observed.sum(axis=0) == 0)
    scores = distance_without_offset(*tables)
    assert np.isnan(scores[massless]).all()
    with np.errstate(invalid="ignore"):
        theirs = np.nan_to_num(jensenshannon(predicted[:, ~massless], observed[:, ~massless], axis=0))
    np.testing.assert_allclose(scores[~massless], theirs, atol=1e-7)


@pytest.mark.reference
def test_cucas_distances_have_the_protocols_worked_values():
    predicted, observed = np.array([[0.0], [1.0], [2.0], [3.0]]), np.ones((4, 1))
    assert distance_with_offset(predicted, observed)[0] == pytest.approx(0.339208, abs=1e-6)
    assert squared_with_offset(predicted, observed)[0] == pytest.approx(0.115062, abs=1e-6)


def test_cuca_takes_a_target_without_mass_for_an_even_one():
    assert distance_with_offset(np.ones((4, 1)), np.zeros((4, 1)))[0] == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("ties", [False, True])
def test_mutual_information_is_sklearns(ties):
    rng = np.random.default_rng(0)
    observed = rng.gamma(2.0, 1.0, (300, 3))
    predicted = observed + rng.normal(0, [0.2, 1.0, 5.0], observed.shape)
    if ties:
        predicted, observed = predicted.round(), observed.round()
    theirs = [
        mutual_info_regression(p[:, None], y, n_neighbors=3, random_state=0)[0]
        for p, y in zip(predicted.T, observed.T, strict=True)
    ]
    # ties are parted by noise, theirs by other numbers than ours
    np.testing.assert_allclose(mutual_information(predicted, observed), theirs, atol=0.1 if ties else 1e-6)


def test_mutual_information_of_a_normal_pair_is_near_the_closed_form():
    rng = np.random.default_rng(1)
    pair = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 4000)
    assert mutual_information(pair[:, :1], pair[:, 1:])[0] == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.05)


def test_mutual_information_depends_on_no_order_of_tied_spots():
    rng = np.random.default_rng(0)
    predicted, observed, order = rng.integers(0, 3, (60, 1)), rng.integers(0, 3, (60, 1)), rng.permutation(60)
    once = mutual_information(predicted, observed)
    np.testing.assert_array_equal(mutual_information(predicted[order], observed[order]), once)


def test_a_constant_tells_nothing_and_only_the_script_says_zero():
    varying, constant = np.random.default_rng(0).random((50, 1)), np.full((50, 1), 3.0)
    assert np.isnan(mutual_information(constant, varying)[0])
    assert mutual_information_of_all(constant, varying)[0] < 0.2


def test_three_spots_have_no_mutual_information():
    assert np.isnan(mutual_information_of_all(np.eye(3), np.eye(3))).all()


def _correlations(reference, predicted, observed):
    """Follow the protocol word by word, in float64 and one column after the other."""

    def correlate(p, y):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.nan if np.ptp(p) == 0 or np.ptp(y) == 0 else reference(p, y).statistic

    genes = [correlate(p, y) for p, y in zip(predicted.T, observed.T, strict=True) if min(p.var(), y.var()) >= 1e-10]
    spots = [correlate(p, y) for p, y in zip(predicted, observed, strict=True)]
    spots = [r for r in spots if not np.isnan(r)]
    return {
        "overall": correlate(predicted.ravel(), observed.ravel()),
        "gene mean": np.mean(genes) if genes else np.nan,
        "gene median": np.median(genes) if genes else np.nan,
        "gene mean, left out as 0": np.sum(genes) / predicted.shape[1],
        "spot mean": np.mean(spots) if spots else np.nan,
        "spot median": np.median(spots) if spots else np.nan,
        "spot lowest": min(spots, default=np.nan),
        "spot highest": max(spots, default=np.nan),
    }


@pytest.mark.parametrize(
    ("metric", "reference"), [(pearson_everywhere, pearsonr), (spearman_everywhere, spearmanr)], ids=["pearson", "rank"]
)
@given(tables=AMOUNTS)
def test_hist2scrnas_correlations_are_as_the_protocol_says(metric, reference, tables):
    expected = _correlations(reference, *(table.astype(np.float64) for table in tables))
    scores = dict(zip(CORRELATIONS, metric(*tables), strict=True))
    np.testing.assert_allclose([scores[name] for name in expected], list(expected.values()), atol=1e-7)


@given(AMOUNTS)
def test_hist2scrnas_errors_are_sklearns(tables):
    predicted, observed = (table.astype(np.float64).ravel() for table in tables)
    theirs = mean_squared_error(observed, predicted)
    assert mse_everywhere(*tables)[0] == pytest.approx(theirs, abs=1e-12)
    assert rmse_overall(*tables)[0] == pytest.approx(math.sqrt(theirs), abs=1e-9)
    if np.ptp(observed) > 0:
        assert r2_overall(*tables)[0] == pytest.approx(r2_score(observed, predicted), rel=1e-9, abs=1e-9)


def test_levels_with_ten_values_or_fewer_are_left_out():
    observed = np.repeat([0.0, 2.0, 60.0], [11, 11, 10])[:, None]
    predicted = observed + np.linspace(0, 1, 32)[:, None]
    errors = mae_of_levels(predicted, observed)
    np.testing.assert_array_equal(np.isnan(errors), [False, False, True, True, True])
    assert errors[0] == pytest.approx(np.linspace(0, 1, 32)[:11].mean())
    assert pearson_of_levels(predicted, observed)[:2].tolist() == [0.0, 0.0]  # no variance within: 0, as published


@pytest.mark.parametrize(
    ("metric", "reference"), [(mae_of_levels, mean_absolute_error), (mse_of_levels, mean_squared_error)]
)
def test_errors_of_levels_are_sklearns_within_each_bin(metric, reference):
    rng = np.random.default_rng(0)
    observed = rng.gamma(0.5, 40.0, (60, 4))
    predicted = observed + rng.normal(0, 2.0, observed.shape)
    bins = [(observed >= low) & (observed < high) for low, high in ((0, 1), (1, 5), (5, 10), (10, 50), (50, np.inf))]
    assert [inside.sum() > 10 for inside in bins] == [True] * 5
    expected = [reference(observed[inside], predicted[inside]) for inside in bins]
    np.testing.assert_allclose(metric(predicted, observed), expected)


def test_the_area_is_that_of_the_protocols_histogram():
    rng = np.random.default_rng(0)
    observed = rng.random((40, 30))
    predicted = observed + rng.normal(0, 0.5, observed.shape)
    areas = []
    for one, other in ((predicted.T, observed.T), (predicted, observed)):
        coefficients = [spearmanr(p, y).statistic for p, y in zip(one, other, strict=True)]
        density, edges = np.histogram(coefficients, bins=1000, range=(-1, 1), density=True)
        reverse = np.cumsum(density[::-1])[::-1]
        areas.append((reverse / reverse[0] * np.diff(edges)).sum() / 2)
    np.testing.assert_allclose(auc_rch(predicted, observed), areas, atol=2e-3)  # ours rounds at the edges of bins


def test_the_area_of_perfect_and_of_opposite_ranks():
    table = np.random.default_rng(0).random((20, 6))
    np.testing.assert_allclose(auc_rch(table, table), 1.0)
    np.testing.assert_allclose(auc_rch(-table, table), 1 / 1000)  # all in the first of a thousand bins


def test_published_scores_of_a_split_only_pool_and_of_a_slide_never():
    pools = {name: METRICS.get(name).pools for name in METRICS.names() if name.endswith(("-split]", "-slide]"))}
    assert pools == {
        "jsd[cuca-slide]": "never",
        "jsd[cuca-split]": "only",
        "pearson[cuca-slide]": "never",
        "pearson[cuca-split]": "only",
    }


def test_cuca_clips_for_all_but_pearson():
    clipped = {name for name in METRICS.names() if METRICS.get(name).clips_predictions and "[cuca" in name}
    assert clipped == {"spearman[cuca]", "jsd[cuca-split]", "jsd[cuca-slide]", "mi[cuca]"}
