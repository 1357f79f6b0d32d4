"""Retrieval against sorting by hand, and what its tables may not tell."""

import numpy as np
import pytest
from scipy.stats import rankdata

from histobench_metrics.retrieval import retrieval as retrieval_module
from histobench_metrics.retrieval.columns import COSINES, RECALLS
from histobench_metrics.retrieval.median_rank import median_rank
from histobench_metrics.retrieval.paired_cosine import paired_cosine
from histobench_metrics.retrieval.retrieval import normalised_rank, own_ranks
from histobench_metrics.retrieval.retrieval_recall import retrieval_recall

RNG = np.random.default_rng(0)
EXPRESSION = RNG.normal(size=(60, 8)).astype(np.float32)
IMAGE = (EXPRESSION + RNG.normal(size=(60, 8))).astype(np.float32)


def _cosines(left, right):
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    return left @ right.T


def test_ranks_are_scipys_both_ways():
    cosines = _cosines(IMAGE.astype(float), EXPRESSION.astype(float))
    expected = [np.diagonal(rankdata(-table, axis=1)) for table in (cosines, cosines.T)]
    np.testing.assert_array_equal(own_ranks(IMAGE, EXPRESSION), expected)


def test_blocks_of_queries_change_nothing(monkeypatch):
    whole = own_ranks(IMAGE, EXPRESSION)
    monkeypatch.setattr(retrieval_module, "BLOCK", 7 * 60)
    np.testing.assert_array_equal(own_ranks(IMAGE, EXPRESSION), whole)


def test_length_of_a_vector_means_nothing():
    np.testing.assert_array_equal(
        own_ranks(IMAGE * RNG.uniform(1, 9, (60, 1)), EXPRESSION), own_ranks(IMAGE, EXPRESSION)
    )


def test_one_vector_for_all_is_chance_both_ways_whatever_the_order():
    everywhere = np.broadcast_to(IMAGE[:1], IMAGE.shape)
    np.testing.assert_allclose(normalised_rank(everywhere, EXPRESSION), 0.5)
    assert (own_ranks(everywhere, EXPRESSION)[1] == 30.5).all()


def test_rounding_of_float32_breaks_no_tie():
    nearly = IMAGE[:1] * (1 + np.float32(1e-7) * RNG.normal(size=(60, 8)))
    assert (own_ranks(nearly.astype(np.float32), EXPRESSION)[1] == 30.5).all()


def test_vectors_of_zeros_are_chance():
    np.testing.assert_allclose(normalised_rank(np.zeros_like(IMAGE), EXPRESSION), 0.5)


def test_own_partners_are_found_and_opposite_ones_never():
    np.testing.assert_array_equal(normalised_rank(EXPRESSION, EXPRESSION), 1.0)
    np.testing.assert_array_equal(median_rank(EXPRESSION, EXPRESSION), [1.0, 1.0, 60.0])
    assert (normalised_rank(-EXPRESSION, EXPRESSION) == 0.0).all()


def test_the_normalised_rank_of_chance_is_free_of_the_gallery_and_the_median_is_not():
    small, large = (RNG.normal(size=(2, n, 16)) for n in (50, 1000))
    assert normalised_rank(*small).mean() == pytest.approx(0.5, abs=0.1)
    assert normalised_rank(*large).mean() == pytest.approx(0.5, abs=0.03)
    assert median_rank(*large)[0] > 5 * median_rank(*small)[0]


def test_recall_says_chance_and_gallery_beside():
    scores = dict(zip(RECALLS, retrieval_recall(IMAGE, EXPRESSION), strict=True))
    way = own_ranks(IMAGE, EXPRESSION)
    assert scores["image to expression at 5"] == (way[0] <= 5).mean()
    assert scores["expression to image at 10"] == (way[1] <= 10).mean()
    assert scores["chance at 10"] == 10 / 60
    assert scores["gallery"] == 60


def test_a_depth_that_holds_the_whole_gallery_is_undefined():
    scores = dict(zip(RECALLS, retrieval_recall(IMAGE[:7], EXPRESSION[:7]), strict=True))
    assert np.isnan([scores["image to expression at 10"], scores["chance at 10"]]).all()
    assert scores["chance at 5"] == 5 / 7


def test_cosines_of_pairs_and_others_are_those_of_the_table():
    cosines = _cosines(IMAGE.astype(float), EXPRESSION.astype(float))
    others = cosines[~np.eye(60, dtype=bool)].mean()
    scores = dict(zip(COSINES, paired_cosine(IMAGE, EXPRESSION), strict=True))
    assert scores["paired"] == pytest.approx(np.trace(cosines) / 60)
    assert scores["unpaired"] == pytest.approx(others)
    assert scores["difference"] == pytest.approx(scores["paired"] - scores["unpaired"])


def test_the_modality_gap_is_the_distance_of_the_two_cones():
    right = np.tile([1.0, 0.0], (5, 1))
    assert paired_cosine(right, right)[3] == 0.0
    assert paired_cosine(-right, right)[3] == pytest.approx(2.0)
