"""The geometry of latent spaces, against values by hand and clouds whose truth is known."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, homogeneity_score

from histobench.contracts.lazy import Lazy
from histobench.data import Float, Prediction, SlideResult, Targets
from histobench.errors import DataError
from histobench.reports.analyses import ANALYSES
from histobench.reports.analyses.geometry import (
    connectivity,
    joint_clusters,
    local_labels,
    matched_clusters,
    meeting,
    mixing,
    transfer_accuracy,
)
from histobench.reports.analyses.latent import analyse_latent, spaces_of

SLIDES = np.repeat(["a", "b"], 90)
KINDS = np.tile(np.repeat(["tumour", "stroma", "immune"], 30), 2)


def _clouds(*, by_kind: float, by_slide: float, seed: int = 0) -> Float:
    """Two slides of three kinds of spots, as clouds that lie apart by kind, by slide, or both."""
    centres = {name: np.eye(8)[row] for row, name in enumerate(["tumour", "stroma", "immune", "a", "b"])}
    kinds = np.stack([centres[name] for name in KINDS])
    slides = np.stack([centres[name] for name in SLIDES])
    noise = np.random.default_rng(seed).normal(0, 0.1, (180, 8))
    clouds: Float = by_kind * kinds + by_slide * slides + noise
    return clouds


def _scores(vectors: Float) -> dict[str, float]:
    return mixing(vectors, joint=joint_clusters(vectors), biology=KINDS, slide_ids=SLIDES)


def test_clouds_by_kind_keep_biology_and_mix_slides() -> None:
    scores = _scores(_clouds(by_kind=2, by_slide=0))
    assert scores["ARI biology"] == 1
    assert scores["NMI biology"] == pytest.approx(1)
    assert scores["ARI slide"] == pytest.approx(0, abs=0.02)
    assert scores["silhouette slide"] > 0.9
    assert scores["silhouette biology"] > 0.9
    assert scores["connectivity"] == 1
    assert scores["cLISI"] == pytest.approx(1, abs=0.01)
    assert scores["iLISI"] > 0.9


def test_clouds_by_slide_lose_both() -> None:
    scores = _scores(_clouds(by_kind=0, by_slide=2))
    assert scores["ARI slide"] == 1
    assert scores["ARI biology"] == pytest.approx(0, abs=0.02)
    assert scores["silhouette slide"] < 0.3
    assert scores["iLISI"] == pytest.approx(0, abs=0.01)
    assert scores["cLISI"] < 0.2
    assert scores["silhouette biology"] == pytest.approx(0.5, abs=0.05)


def test_one_slide_says_nothing_of_mixing() -> None:
    vectors = _clouds(by_kind=2, by_slide=0)[:90]
    scores = mixing(vectors, joint=joint_clusters(vectors), biology=KINDS[:90], slide_ids=SLIDES[:90])
    assert np.isnan([scores["ARI slide"], scores["NMI slide"], scores["silhouette slide"]]).all()
    assert scores["ARI biology"] == 1


def test_clusters_repeat_and_are_numbered_by_size() -> None:
    vectors = _clouds(by_kind=2, by_slide=0)[:80]  # the third kind has fewest
    found = joint_clusters(vectors)
    assert (joint_clusters(vectors) == found).all()
    assert np.bincount(found).tolist() == [30, 30, 20]


def test_labels_about_points_that_all_lie_as_far_from_each_other_are_counted_by_hand() -> None:
    found = local_labels(np.eye(4), np.array(["a", "a", "a", "b"]))
    # about an a are two of a and one of b: 1 / (4/9 + 1/9); about b are three of a
    assert found == pytest.approx([1.8, 1.8, 1.8, 1.0])


def test_labels_about_a_point_are_those_of_a_search_for_its_perplexity() -> None:
    vectors, slides = _clouds(by_kind=1, by_slide=0.2)[::2], SLIDES[::2]
    squares = ((vectors - vectors[7]) ** 2).sum(axis=1)[np.arange(90) != 7]

    def kernel(sharpness: float) -> Float:
        weights: Float = np.exp(-sharpness * squares)
        weights /= weights.sum()
        return weights

    sharpness = brentq(lambda s: float(entropy(kernel(s))) - np.log(89 / 3), 1e-6, 1e3)
    of_one = kernel(sharpness)[slides[np.arange(90) != 7] == "a"].sum()
    assert local_labels(vectors, slides)[7] == pytest.approx(1 / (of_one**2 + (1 - of_one) ** 2), rel=1e-6)


def test_points_upon_each_other_are_labelled_by_their_share() -> None:
    assert local_labels(np.zeros((41, 2)), np.array(["a", "b"] * 20 + ["a"])) == pytest.approx([2.0] * 41, abs=0.01)


def test_a_torn_class_is_connected_by_its_largest_part() -> None:
    vectors = np.concatenate([np.zeros((30, 1)), np.full((10, 1), 100.0)]) + np.arange(40)[:, None] * 1e-3
    # ten points cannot fill fifteen neighbours among themselves, so both classes are made of three clouds
    vectors = np.concatenate([vectors, vectors[:20] + 100.005])
    biology = np.array(["x"] * 40 + ["y"] * 20)
    assert connectivity(vectors, biology) == pytest.approx((30 / 40 + 1) / 2)


def test_clusters_of_slides_are_matched_by_their_direction() -> None:
    vectors = _clouds(by_kind=2, by_slide=0.3)
    found = matched_clusters(vectors, SLIDES, clusters=3)
    assert adjusted_rand_score(KINDS, found) == 1


def test_labels_are_transferred_between_slides() -> None:
    assert transfer_accuracy(_clouds(by_kind=2, by_slide=1), KINDS, SLIDES) == 1
    assert transfer_accuracy(_clouds(by_kind=0, by_slide=2), KINDS, SLIDES) == pytest.approx(1 / 3, abs=0.12)


def test_a_class_of_one_slide_cannot_be_transferred() -> None:
    kinds = np.where(SLIDES == "a", "tumour", "stroma")
    assert np.isnan(transfer_accuracy(_clouds(by_kind=1, by_slide=1), kinds, SLIDES))


def test_meeting_of_two_spots_by_hand() -> None:
    image = np.array([[2.0, 0.0], [0.0, 1.0]])
    expression = np.array([[1.0, 0.0], [3.0, 0.0]])
    found = meeting(image, expression)
    # means (1/2, 1/2) and (1, 0); own cosines 1 and 0; those of others 1 and 0
    assert found["modality gap"] == pytest.approx(np.sqrt(0.5))
    assert found["paired cosine"] == pytest.approx(0.5)
    assert found["unpaired cosine"] == pytest.approx(0.5)


def _result(slide: str, regions: list[str] | None) -> SlideResult:
    vectors = _clouds(by_kind=2, by_slide=0).astype(np.float32)[slide == SLIDES]
    names = tuple(map(str, range(8)))
    return SlideResult(
        slide_id=slide,
        spot_ids=np.arange(90).astype(str),
        xy_um=np.zeros((90, 2)),
        predicted=Prediction(names=names, values=-3 * vectors),
        observed=Targets(kind="retrieve", names=names, values=vectors),
        regions=None if regions is None else np.array(regions),
    )


def test_both_sides_of_retrieval_are_collected_beside_the_annotation() -> None:
    space = spaces_of([_result("a", KINDS[:90].tolist()), _result("b", None)])
    assert space is not None
    np.testing.assert_allclose(space.sides["image"], -space.sides["expression"], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(space.sides["image"], axis=1), 1)
    assert (space.source, space.biology is not None) == ("annotation", True)
    np.testing.assert_array_equal(space.biology, [*KINDS[:90], *[""] * 90])


def test_without_annotation_biology_is_the_groups_of_expression() -> None:
    space = spaces_of([_result("a", None), _result("b", None)])
    assert space is not None
    assert space.source == "expression clusters"
    assert space.biology is not None
    assert homogeneity_score(KINDS, space.biology) > 0.8  # five groups of three kinds, one by one between slides


def _study(*results: SlideResult) -> Any:
    job = SimpleNamespace(kind=results[0].observed.kind, method="clip-gan", encoder=None, mode=None, fold="B", seed=0)
    record = SimpleNamespace(job=job, job_id="0123")
    return SimpleNamespace(done=lambda: [record], predictions=lambda _: list(results))


@pytest.mark.slow  # UMAP compiles itself
def test_every_side_is_measured_and_drawn() -> None:
    kinds = KINDS[:90].tolist()
    findings = analyse_latent(_study(_result("a", kinds), _result("b", kinds)))
    sides = {row["side"]: row for row in findings.tables["latent"]}
    assert set(sides) == {"image", "expression"}
    assert sides["image"]["ARI biology"] == 1
    assert sides["image"]["label transfer"] == 1
    assert (sides["image"]["slides"], sides["image"]["spots"], sides["image"]["biology"]) == (2, 180, "annotation")
    (meets,) = findings.tables["latent-meeting"]
    assert meets["paired cosine"] == pytest.approx(-1)
    assert set(findings.figures) == {"latent-image-clip-gan-0123", "latent-expression-clip-gan-0123"}
    titles = [axes.get_title() for axes in findings.figures["latent-image-clip-gan-0123"].axes]
    assert titles == ["slide", "joint cluster", "annotation"]


def test_a_study_without_a_space_is_refused() -> None:
    with pytest.raises(DataError, match="has a space of its spots"):
        analyse_latent(_study(_amounts()))


def _amounts() -> SlideResult:
    result = _result("a", None)
    amounts = Targets(kind="cell_abundance", names=result.observed.names, values=result.observed.values)
    return replace(result, observed=amounts)


def test_amounts_have_no_space() -> None:
    assert spaces_of([_amounts()]) is None


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_can_be_loaded(name: str) -> None:
    analysis = ANALYSES[name]
    assert isinstance(analysis, Lazy)
    assert callable(analysis.resolve())
