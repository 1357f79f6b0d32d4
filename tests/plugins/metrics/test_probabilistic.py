"""Likelihoods of counts and predictive intervals, against SciPy and the protocol's worked values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom, norm

from histobench import ScoreContext
from histobench_metrics.presence.auroc import auroc
from histobench_metrics.probabilistic.interval import interval_coverage, interval_score, interval_width
from histobench_metrics.probabilistic.log_likelihood import nb_log_likelihood, zinb_log_likelihood
from histobench_metrics.probabilistic.zero_brier import zero_auroc, zero_brier


def _context(**parameters):
    tables = {name: np.atleast_2d(np.asarray(values, dtype=np.float64)).T for name, values in parameters.items()}
    n = len(next(iter(tables.values())))
    return ScoreContext(names=("a",), slide_ids=np.full(n, "A1"), xy_um=np.zeros((n, 2)), parameters=tables)


def _column(values):
    return np.atleast_2d(np.asarray(values, dtype=np.float64)).T


PARAMETERS = st.tuples(
    st.floats(0.01, 100), st.floats(0.05, 50), st.floats(0, 0.95), st.lists(st.integers(0, 200), min_size=1, max_size=8)
)


@given(PARAMETERS)
def test_likelihoods_are_scipys(drawn):
    mean, dispersion, zero, counts = drawn
    n = len(counts)
    context = _context(mean=[mean] * n, dispersion=[dispersion] * n, zero=[zero] * n)
    logs = nbinom.logpmf(counts, dispersion, dispersion / (dispersion + mean))
    empty = np.log(zero + (1 - zero) * nbinom.pmf(0, dispersion, dispersion / (dispersion + mean)))
    zinb = np.where(np.asarray(counts) == 0, empty, np.log1p(-zero) + logs)
    seen = _column(counts)
    assert nb_log_likelihood(seen, seen, context=context)[0] == pytest.approx(logs.mean(), rel=1e-8, abs=1e-9)
    assert zinb_log_likelihood(seen, seen, context=context)[0] == pytest.approx(zinb.mean(), rel=1e-8, abs=1e-9)


@given(PARAMETERS)
def test_probabilities_of_any_are_scipys(drawn):
    mean, dispersion, zero, counts = drawn
    n = len(counts)
    context = _context(mean=[mean] * n, dispersion=[dispersion] * n, zero=[zero] * n)
    chance = (1 - zero) * (1 - nbinom.pmf(0, dispersion, dispersion / (dispersion + mean)))
    brier = np.mean((chance - (np.asarray(counts) > 0)) ** 2)
    assert zero_brier(_column(counts), _column(counts), context=context)[0] == pytest.approx(brier, abs=1e-9)


def test_the_roc_of_any_is_that_of_its_probability():
    rng = np.random.default_rng(0)
    counts, means = rng.poisson(1.0, 30), rng.random(30) * 3
    context = _context(mean=means, dispersion=np.ones(30), zero=np.zeros(30))
    assert zero_auroc(_column(counts), _column(counts), context=context)[0] == auroc(_column(means), _column(counts))[0]


@pytest.mark.reference
@pytest.mark.parametrize(
    ("mean", "dispersion", "zero", "count", "loss"),
    [
        (2, 1, 0.5, 0, 0.40546511),
        (2, 1, 0.5, 3, 3.00815479),
        (5, 2, 0.3, 0, 1.02961942),
        (5, 2, 0.3, 7, 3.13806500),
        (0.5, 0.8, 0.9, 1, 3.86964634),
        (100, 2, 0.1, 0, 2.29913086),
        (100, 2, 0.1, 250, 7.39421567),
    ],
)
def test_zinb_has_the_specifications_worked_values(mean, dispersion, zero, count, loss):
    context = _context(mean=[mean], dispersion=[dispersion], zero=[zero])
    assert zinb_log_likelihood(_column([count]), _column([count]), context=context)[0] == pytest.approx(-loss, abs=1e-8)


@pytest.mark.parametrize("extreme", [{"mean": [0.0]}, {"dispersion": [0.0]}, {"zero": [1.0]}, {"mean": [1e30]}])
@pytest.mark.parametrize("count", [0, 3])
def test_extreme_parameters_cost_much_but_not_infinitely(extreme, count):
    context = _context(**{"mean": [1.0], "dispersion": [1.0], "zero": [0.1], **extreme})
    for metric in (zinb_log_likelihood, nb_log_likelihood):
        assert np.isfinite(metric(_column([count]), _column([count]), context=context)[0])


def test_amounts_that_are_no_counts_have_no_likelihood():
    context = _context(mean=[1.0, 1.0], dispersion=[1.0, 1.0], zero=[0.1, 0.1])
    assert np.isnan(zinb_log_likelihood(_column([0.5, 1]), _column([0.5, 1]), context=context)[0])
    assert np.isnan(nb_log_likelihood(_column([-1, 1]), _column([-1, 1]), context=context)[0])


def test_intervals_by_hand():
    context = _context(low=[0.0, 0.0, 0.0, 5.0], high=[1.0, 1.0, 2.0, 4.0])  # the last one has its ends turned round
    seen = _column([1.0, 3.0, -1.0, 4.5])
    assert interval_coverage(seen, seen, context=context)[0] == 0.5
    assert interval_width(seen, seen, context=context)[0] == pytest.approx((1 + 1 + 2 + 1) / 4)
    assert interval_score(seen, seen, context=context)[0] == pytest.approx((1 + (1 + 20 * 2) + (2 + 20 * 1) + 1) / 4)


def test_the_true_interval_covers_nine_tenths_and_scores_best():
    seen = _column(np.random.default_rng(0).normal(size=20_000))
    scores = {}
    for scale in (0.5, 1.0, 2.0):
        reach = scale * norm.ppf(0.95)
        context = _context(low=np.full(len(seen), -reach), high=np.full(len(seen), reach))
        scores[scale] = interval_score(seen, seen, context=context)[0]
        if scale == 1.0:
            assert interval_coverage(seen, seen, context=context)[0] == pytest.approx(0.9, abs=0.01)
    assert min(scores, key=scores.__getitem__) == 1.0
