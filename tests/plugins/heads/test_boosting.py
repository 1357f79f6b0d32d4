"""Boosted trees: scikit-learn's trees, Friedman's sum of them, and where it stops."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

from histobench import ConfigError, DataError, FitContext, Float, LabelledSamples, Prediction, Targets
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench_heads.boosting.forest import Forest, Tree
from histobench_heads.boosting.method import BoostedTrees
from histobench_heads.boosting.options import BoostingOptions

CONTEXT = FitContext(seed=0)


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold()


def _draw(*shape: int, seed: int = 0) -> Float:
    return np.random.default_rng(seed).normal(size=shape)


def _fitted(train: LabelledSamples, val: LabelledSamples | None = None, **options: Any) -> BoostedTrees:
    method = BoostedTrees(BoostingOptions(**{"trees": 40, "lr": 0.1, **options}))
    method.fit(train, val, CONTEXT)
    return method


def _error(prediction: Prediction, observed: Targets, deviation: Float) -> float:
    return float((((prediction.values - observed.values) / deviation) ** 2).mean())


# trees


def test_a_tree_answers_as_scikit_learns() -> None:
    features, targets = _draw(80, 6), _draw(80, 3, seed=1)
    fitted = DecisionTreeRegressor(max_depth=5, random_state=0).fit(features, targets)
    others = _draw(200, 6, seed=2)
    np.testing.assert_array_equal(Tree.of(fitted)(others), fitted.predict(others))


def test_a_tree_of_one_leaf_answers_everywhere_alike() -> None:
    fitted = DecisionTreeRegressor().fit(_draw(5, 2), np.ones((5, 3)))
    np.testing.assert_array_equal(Tree.of(fitted, rate=0.5)(_draw(4, 2, seed=1)), np.full((4, 3), 0.5))


def test_a_forest_survives_its_arrays() -> None:
    fitted = [DecisionTreeRegressor(max_depth=k).fit(_draw(50, 4), _draw(50, 2, seed=k)) for k in (1, 2, 4)]
    forest = Forest(start=np.array([1.0, -1.0]), trees=[Tree.of(tree) for tree in fitted])
    others = _draw(30, 4, seed=9)
    np.testing.assert_array_equal(Forest.from_arrays(forest.arrays())(others), forest(others))


# boosting


def test_with_one_target_it_is_scikit_learns_boosting(fold: ToyFold) -> None:
    """All spots, all components and no draw: Friedman's algorithm has one answer."""
    train = replace(
        fold.train,
        targets=replace(fold.train.targets, names=("tumour",), values=fold.train.targets.values[:, :1]),
    )
    method = _fitted(train, share_of_spots=1.0, share_of_components=1.0, depth=2, spots_per_leaf=5)
    reference = GradientBoostingRegressor(
        n_estimators=40, learning_rate=0.1, max_depth=2, min_samples_leaf=5, random_state=0
    )
    components = method._components
    assert train.embeddings is not None
    assert fold.test.embeddings is not None
    reference.fit(components(train.embeddings), train.targets.values[:, 0].astype(np.float64))
    expected = reference.predict(components(fold.test.embeddings))
    found = method.predict(unlabelled(fold.test)).values[:, 0]
    # ties between equally good splits are broken at random in both: most spots agree, and the curve is the same
    assert np.corrcoef(found, expected)[0, 1] > 0.99


@pytest.mark.parametrize(("kind", "least"), [("cell_abundance", 0.6), ("gene_expression", 0.2), ("label", 0.25)])
def test_it_learns(kind: str, least: float) -> None:
    fold = toy_fold(kind)  # type: ignore[arg-type]
    predicted = _fitted(fold.train, fold.val).predict(unlabelled(fold.test)).values
    observed = fold.test.targets.values
    assert np.mean([np.corrcoef(predicted[:, t], observed[:, t])[0, 1] for t in range(observed.shape[1])]) > least


def test_it_finds_what_no_line_can() -> None:
    """A target that depends on the product of two directions has no correlation with either."""
    draw = np.random.default_rng(0)
    embeddings = draw.normal(size=(600, 2)) * (2.0, 1.0)
    product = np.sign(embeddings[:, :1] * embeddings[:, 1:])
    samples = LabelledSamples(
        slide_ids=np.full(600, "slide"),
        spot_ids=np.arange(600).astype(str),
        xy_um=np.zeros((600, 2), dtype=np.float32),
        array=np.zeros((600, 2), dtype=np.int64),
        embeddings=embeddings.astype(np.float32),
        targets=Targets(kind="cell_abundance", names=("cells",), values=product.astype(np.float32)),
    )
    train, test = samples.take(np.arange(400)), samples.take(np.arange(400, 600))
    predicted = _fitted(train, share_of_components=1.0).predict(unlabelled(test)).values
    assert np.corrcoef(predicted[:, 0], test.targets.values[:, 0])[0, 1] > 0.8


def test_as_many_trees_are_kept_as_predict_the_validation_spots_best(fold: ToyFold) -> None:
    seen: dict[int, Mapping[str, float]] = {}
    method = BoostedTrees(BoostingOptions(trees=60, lr=0.3, patience=60))
    method.fit(fold.train, fold.val, FitContext(seed=0, report=seen.__setitem__))
    errors = [-numbers["val_score"] for numbers in seen.values()]
    assert method.n_trees == int(np.argmin(errors)) + 1 < 60
    deviation = fold.train.targets.values.astype(np.float64).std(axis=0)
    assert _error(method.predict(fold.val), fold.val.targets, deviation) == pytest.approx(min(errors), rel=1e-4)


def test_growing_stops_when_patience_ends(fold: ToyFold) -> None:
    seen: dict[int, Mapping[str, float]] = {}
    method = BoostedTrees(BoostingOptions(trees=200, lr=0.5, patience=5))
    method.fit(fold.train, fold.val, FitContext(seed=0, report=seen.__setitem__))
    assert len(seen) == method.n_trees + 5 < 200


def test_without_validation_all_trees_are_kept(fold: ToyFold) -> None:
    assert _fitted(fold.train, trees=12).n_trees == 12


def test_the_scale_of_one_target_does_not_move_the_others(fold: ToyFold) -> None:
    values = fold.train.targets.values.copy()
    values[:, 0] *= 1000
    loud = replace(fold.train, targets=replace(fold.train.targets, values=values))
    plain, scaled = (_fitted(train).predict(unlabelled(fold.test)).values for train in (fold.train, loud))
    np.testing.assert_allclose(scaled[:, 1:], plain[:, 1:], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(scaled[:, 0], 1000 * plain[:, 0], rtol=1e-3, atol=1e-1)


def test_a_constant_target_is_predicted_as_it_is(fold: ToyFold) -> None:
    values = fold.train.targets.values.copy()
    values[:, 1] = 7.0
    flat = replace(fold.train, targets=replace(fold.train.targets, values=values))
    np.testing.assert_allclose(_fitted(flat).predict(unlabelled(fold.test)).values[:, 1], 7.0, rtol=1e-6)


def test_what_is_saved_predicts_the_same_again(fold: ToyFold, tmp_path: Path) -> None:
    method, loaded = _fitted(fold.train), BoostedTrees(BoostingOptions())
    method.save(tmp_path)
    loaded.load(tmp_path, CONTEXT)
    test = unlabelled(fold.test)
    assert loaded.predict(test).names == fold.train.targets.names
    assert np.array_equal(loaded.predict(test).values, method.predict(test).values)
    assert [path.name for path in tmp_path.iterdir()] == ["method.npz"]


def test_samples_without_embeddings_are_refused(fold: ToyFold) -> None:
    with pytest.raises(DataError, match="boosted-trees needs embeddings, and these samples have none"):
        _fitted(replace(fold.train, embeddings=None))


@pytest.mark.parametrize("name", ["trees", "depth", "spots_per_leaf", "components", "patience"])
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        BoostingOptions(**{name: 0})


@pytest.mark.parametrize("name", ["lr", "share_of_spots", "share_of_components"])
@pytest.mark.parametrize("share", [0.0, 1.5])
def test_shares_outside_their_range_are_refused(name: str, share: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be above 0 and at most 1, got {share}"):
        BoostingOptions(**{name: share})  # type: ignore[arg-type]
