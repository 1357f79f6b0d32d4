"""Clusters of latents whose clusters are known, and scores against scikit-learn and by hand."""

import random

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, f1_score, silhouette_score

from histobench import DataError, ScoreContext
from histobench_metrics.clustering.columns import AGREEMENT, DOMAINS, PUBLISHED
from histobench_metrics.clustering.domain_agreement import domain_agreement, published_domain_agreement
from histobench_metrics.clustering.domains import domains
from histobench_metrics.clustering.graph import link_nearest
from histobench_metrics.clustering.leiden import Leiden
from histobench_metrics.clustering.partitions import adjusted_rand, chaos, matched, pas, purity

RNG = np.random.default_rng(0)
SIDE = 15
XY = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2) * 100.0
BANDS = (XY[:, 0] // 500).astype(int)  # three domains of five columns
NAMES = np.array(["tumour", "stroma", "fat"])[BANDS]
APART = (np.eye(3)[BANDS] * 20 + RNG.normal(size=(SIDE**2, 3))).astype(np.float32)
TABLE = np.zeros((SIDE**2, 2), dtype=np.float32)
ONE_SLIDE = np.full(SIDE**2, "A1")


def _context(latent, *, regions=NAMES, rows=slice(None)):
    return ScoreContext(
        names=("a", "b"),
        slide_ids=ONE_SLIDE[rows],
        xy_um=XY[rows],
        latent=None if latent is None else latent[rows],
        regions=regions[rows],
    )


def _named(columns, scores):
    return dict(zip(columns, scores, strict=True))


def test_domains_that_lie_apart_are_found_without_their_number():
    scores = _named(AGREEMENT, domain_agreement(TABLE, TABLE, context=_context(APART)))
    assert scores == {"ari": 1.0, "nmi": pytest.approx(1.0), "ami": pytest.approx(1.0), "purity": 1.0, "clusters": 3.0}


def test_what_domains_are_like_is_scikit_learns_silhouette():
    scores = _named(DOMAINS, domains(TABLE, TABLE, context=_context(APART)))
    assert scores["silhouette"] == pytest.approx(silhouette_score(APART.astype(float), BANDS))
    assert (scores["clusters"], scores["stability"]) == (3.0, 1.0)
    assert scores["pas"] == 0.0


def test_a_latent_of_noise_agrees_with_nothing():
    noise = RNG.normal(size=APART.shape).astype(np.float32)
    scores = _named(AGREEMENT, domain_agreement(TABLE, TABLE, context=_context(noise)))
    assert abs(scores["ari"]) < 0.05
    assert abs(scores["ami"]) < 0.05


def test_one_point_for_all_is_one_cluster_without_a_silhouette():
    scores = _named(DOMAINS, domains(TABLE, TABLE, context=_context(np.ones_like(APART))))
    # a graph of equal distances has no structure; whatever it is cut into is not seen in the latent
    assert np.isnan(scores["silhouette"]) or abs(scores["silhouette"]) < 1e-6


def test_the_order_of_the_spots_changes_nothing():
    latent = RNG.normal(size=APART.shape).astype(np.float32)
    rows = RNG.permutation(SIDE**2)
    for metric in (domains, domain_agreement, published_domain_agreement):
        once = metric(TABLE, TABLE, context=_context(latent))
        np.testing.assert_allclose(metric(TABLE, TABLE, context=_context(latent, rows=rows)), once, atol=1e-9)


def test_as_many_clusters_as_regions_are_sought_and_a_failure_is_told():
    scores = _named(PUBLISHED, published_domain_agreement(TABLE, TABLE, context=_context(APART)))
    assert (scores["ari"], scores["clusters"], scores["matched"]) == (1.0, 3.0, 1.0)
    two = np.where(BANDS == 0, "tumour", "stroma")
    # three parts that no edge joins cannot be two clusters
    scores = _named(PUBLISHED, published_domain_agreement(TABLE, TABLE, context=_context(APART, regions=two)))
    assert (scores["clusters"], scores["matched"]) == (3.0, 0.0)
    assert scores["ari"] < 1.0


def test_unnamed_spots_are_clustered_and_not_compared():
    regions = np.where(XY[:, 1] < 300, "", NAMES)
    wrong = np.where((XY[:, 1] < 300)[:, None], APART[RNG.permutation(SIDE**2)], APART)
    assert _named(AGREEMENT, domain_agreement(TABLE, TABLE, context=_context(wrong, regions=regions)))["ari"] == 1.0


def test_few_spots_have_no_domains():
    few = _context(APART, rows=slice(0, 19))
    for metric in (domains, domain_agreement, published_domain_agreement):
        assert np.isnan(metric(TABLE[:19], TABLE[:19], context=few)).all()


def test_no_latent_is_refused():
    with pytest.raises(DataError, match="latent"):
        domains(TABLE, TABLE, context=_context(None))


def test_clustering_leaves_the_generator_of_the_process_alone():
    random.seed(3)
    state = random.getstate()
    clusters = Leiden(APART)
    first, second = clusters.at(1.0), clusters.at(1.0)
    np.testing.assert_array_equal(first, second)
    assert random.getstate() == state


def test_links_are_symmetric_and_weigh_the_nearest_most():
    links = link_nearest(APART).tocsr()
    both = (links + links.T).toarray()
    distances = np.linalg.norm(APART[:, None].astype(float) - APART, axis=-1)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    assert both[np.arange(len(both)), nearest].min() == pytest.approx(1.0)
    assert both.max() == pytest.approx(1.0)
    assert (both > 0).sum(axis=1).min() >= 8


def test_each_spots_weights_sum_to_the_logarithm_of_its_neighbours():
    """Every spot of a ring sees the same: all weights go both ways, a + b - ab of what sums to log2 8 = 3."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    both = link_nearest(np.stack([np.cos(angles), np.sin(angles)], axis=1)).tocsr()
    row = (both + both.T).toarray()[0]
    one_way = 1.0 - np.sqrt(1.0 - row)
    assert one_way.sum() == pytest.approx(3.0, abs=1e-3)


def test_adjusted_rand_is_scikit_learns():
    one, other = RNG.integers(0, 4, (2, 80))
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand_score(one, other))
    assert adjusted_rand(one, one + 7) == 1.0
    assert adjusted_rand(np.zeros(9), np.zeros(9)) == 1.0


def test_matching_is_one_to_one_on_tables_of_any_shape():
    labels = np.array(list("aaaabbbbcc"))
    clusters = np.array([5, 5, 5, 9, 9, 9, 9, 9, 9, 9])
    assert purity(clusters, labels) == pytest.approx(0.7)
    # cluster 5 is a, cluster 9 is b, and c is never said
    accuracy, f1 = matched(clusters, labels)
    said = np.where(clusters == 5, "a", "b")
    assert accuracy == pytest.approx(0.7)
    assert f1 == pytest.approx(f1_score(labels, said, average="macro"))
    # and turned about: a cluster too many is nobody's
    accuracy, _ = matched(np.unique(labels, return_inverse=True)[1], said)
    assert accuracy == pytest.approx(0.7)


def test_domains_of_a_lattice_are_a_pitch_apart_and_scattered_ones_further():
    pitch = 1.0 / np.arange(SIDE).std()
    assert chaos(BANDS, XY, ONE_SLIDE) == pytest.approx(pitch)
    scattered = RNG.permutation(BANDS)
    assert chaos(scattered, XY, ONE_SLIDE) > 1.05 * pitch
    assert pas(BANDS, XY, ONE_SLIDE) == 0.0
    assert pas(scattered, XY, ONE_SLIDE) == pytest.approx(0.75, abs=0.15)


def test_slides_that_lie_upon_each_other_are_not_neighbours():
    twice, slides = np.concatenate([XY, XY]), np.repeat(["A1", "B1"], SIDE**2)
    clusters = np.concatenate([BANDS, BANDS + 3])
    assert pas(clusters, twice, slides) == 0.0
    assert chaos(clusters, twice, slides) == pytest.approx(chaos(BANDS, XY, ONE_SLIDE))


def test_a_spot_alone_in_its_domain_has_no_distance():
    assert np.isnan(chaos(np.arange(SIDE**2), XY, ONE_SLIDE))
