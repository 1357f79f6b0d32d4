"""Shares of genes in a distance, where they can be worked out by hand."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from histobench.data import Counts, Float, Prediction, SlideResult, Targets
from histobench.errors import DataError
from histobench.reports.analyses import attribution
from histobench.reports.analyses.attribution import (
    analyse_attribution,
    attribute,
    cluster_profiles,
    integrated_gradients,
    smooth_gradients,
    upregulated,
)


class Squares:
    """A space that is the genes themselves, each as far as its weight: the distance is a sum over genes."""

    weights = np.array([1.0, 4.0, 0.0])

    def read_genes(self, counts: Counts) -> tuple[tuple[str, ...], Float]:
        return counts.names, counts.values.astype(np.float64)

    def distance_gradient(self, profiles: Float, reference: Float) -> tuple[Float, Float]:
        apart = profiles - reference
        return (apart**2 * self.weights).sum(axis=1), 2 * self.weights * apart


def test_shares_of_a_sum_are_its_terms() -> None:
    query, reference = np.array([3.0, 0.0, 9.0]), np.array([1.0, 2.0, 1.0])
    shares = integrated_gradients(lambda x: Squares().distance_gradient(x, reference)[1], query, reference)
    np.testing.assert_allclose(shares, [4.0, 16.0, 0.0], atol=1e-12)


def test_shares_of_a_curve_sum_to_its_rise() -> None:
    # f(x) = sin(x1 x2) + exp(x3), along a path on which it turns
    def gradient(x: Float) -> Float:
        inner = np.cos(x[:, 0] * x[:, 1])
        return np.stack([x[:, 1] * inner, x[:, 0] * inner, np.exp(x[:, 2])], axis=1)

    query, reference = np.array([2.0, 3.0, 1.0]), np.array([0.5, -1.0, 0.0])
    rise = np.sin(6.0) + np.e - np.sin(-0.5) - 1
    assert integrated_gradients(gradient, query, reference).sum() == pytest.approx(rise, abs=1e-6)


def test_a_smooth_gradient_is_the_mean_size_at_noisy_copies() -> None:
    query, reference, deviation = np.array([1.0, 1.0, 1.0]), np.zeros(3), np.array([0.0, 2.0, 2.0])
    drawn = np.random.default_rng(0)
    found = smooth_gradients(
        lambda x: Squares().distance_gradient(x, reference)[1], query, deviation, drawn=drawn, draws=20_000
    )
    # |N(8, 16²)| has the mean 16 sqrt(2/π) exp(-1/8) + 8 erf(1 / sqrt(8))
    assert found == pytest.approx([2.0, 16 * np.sqrt(2 / np.pi) * np.exp(-1 / 8) + 8 * 0.3829249, 0.0], rel=0.02)


def test_only_genes_higher_in_the_query_are_kept() -> None:
    kept = upregulated(np.array([-1.0, 2.0, 3.0]), np.array([2.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0]))
    assert kept.tolist() == [1.0, 0.0, 0.0]


def test_profiles_are_means_and_spots_without_a_name_belong_nowhere() -> None:
    values = np.array([[1.0], [3.0], [10.0], [99.0]])
    names, profiles = cluster_profiles(values, np.array(["b", "b", "a", ""]))
    assert names == ("a", "b")
    assert profiles.tolist() == [[10.0], [2.0]]


def test_one_cluster_is_told_apart_from_nothing() -> None:
    with pytest.raises(DataError, match="the 2 spots have 1 cluster"):
        cluster_profiles(np.ones((2, 1)), np.array(["a", ""]))


def test_every_ordered_pair_is_attributed() -> None:
    profiles = np.array([[0.0, 0.0, 5.0], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    found = attribute(Squares(), ("x", "y", "z"), profiles, seed=0)
    pairs = [(one.query, one.reference) for one in found]
    assert pairs == [("x", "y"), ("x", "z"), ("y", "x"), ("y", "z"), ("z", "x"), ("z", "y")]
    assert [one.distance for one in found] == [4.0, 4.0, 4.0, 8.0, 4.0, 8.0]
    assert found[3].integrated == pytest.approx([4.0, 4.0, 0.0])


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A finished job of two annotated clusters, which the second gene tells apart, and of spots without a name."""
    counts = Counts(names=("A", "B", "C"), values=np.array([[1, 0, 5], [1, 2, 0], [9, 9, 9]], dtype=np.float32))
    monkeypatch.setattr(attribution, "_opened", lambda study, record: (Squares(), counts))
    names = ("1", "2")
    result = SlideResult(
        slide_id="s",
        spot_ids=np.array(["1", "2", "3"]),
        xy_um=np.zeros((3, 2)),
        predicted=Prediction(names=names, values=np.zeros((3, 2), dtype=np.float32)),
        observed=Targets(kind="retrieve", names=names, values=np.zeros((3, 2), dtype=np.float32)),
        regions=np.array(["stroma", "tumour", ""]),
    )
    job = SimpleNamespace(kind="retrieve", method="clip", encoder=None, mode=None, fold="B", seed=0)
    record = SimpleNamespace(job=job, job_id="0123")
    return SimpleNamespace(done=lambda: [record], predictions=lambda _: [result])


def test_tables_name_the_genes_of_every_pair(study: Any) -> None:
    findings = analyse_attribution(study)
    first = findings.tables["attribution-clip-0123"][0]
    assert first == {"gene": "B", "stroma vs. tumour": 0.0, "tumour vs. stroma": pytest.approx(16.0)}
    by_pair = {(row["query"], row["reference"]): row for row in findings.tables["attribution-top"]}
    told = by_pair["tumour", "stroma"]
    assert told["genes higher in the query"] == "B"
    assert told["squared distance"] == pytest.approx(16.0)
    assert told["completeness error"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("raised", [DataError("it is damaged."), RuntimeError("a stranger's"), SystemExit(3)])
def test_a_job_that_fails_costs_itself_alone(
    study: Any, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    (good,) = study.done()
    bad = SimpleNamespace(job=good.job, job_id="4567")
    study.done = lambda: [bad, good]
    opened = attribution._opened

    def open_one(study: Any, record: Any) -> Any:
        if record is bad:
            raise raised
        return opened(study, record)

    monkeypatch.setattr(attribution, "_opened", open_one)
    findings = analyse_attribution(study)
    assert set(findings.tables) == {"attribution-top", "attribution-clip-0123"}
    assert findings.notes[0].startswith("job 4567 (clip) is left out: ")
    study.done = lambda: [bad]
    with pytest.raises(DataError, match="attributes distances to genes; job 4567"):
        analyse_attribution(study)


def test_a_single_cluster_ends_in_its_reason(study: Any) -> None:
    (result,) = study.predictions(None)
    study.predictions = lambda _: [replace(result, regions=np.array(["stroma", "", "stroma"]))]
    with pytest.raises(DataError, match="the 3 spots have 1 cluster"):
        analyse_attribution(study)


def test_a_study_whose_methods_offer_nothing_is_refused(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "_opened", lambda study, record: (None, None))
    with pytest.raises(DataError, match="attributes distances to genes"):
        analyse_attribution(study)
