"""HEST's protocol against scikit-learn's principal components and ridge regression."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histobench import ConfigError, DataError, FitContext, Float, LabelledSamples, Targets
from histobench.testing import toy_fold, unlabelled
from histobench_heads.ridge.hest import HestRidge, hest_penalty
from histobench_heads.ridge.options import HestRidgeOptions

CONTEXT = FitContext(seed=0)


def _samples(n: int, d: int, *, n_targets: int = 3) -> LabelledSamples:
    draw = np.random.default_rng(n)
    embeddings = draw.normal(size=(n, d)) * draw.uniform(0.1, 30, d) + draw.normal(size=d)
    targets = embeddings @ np.random.default_rng(1).normal(size=(d, n_targets)) + 10 * draw.normal(size=(n, n_targets))
    return LabelledSamples(
        slide_ids=np.full(n, "slide"),
        spot_ids=np.arange(n).astype(str),
        xy_um=np.zeros((n, 2), dtype=np.float32),
        array=np.zeros((n, 2), dtype=np.int64),
        embeddings=embeddings.astype(np.float32),
        targets=Targets(
            kind="gene_expression",
            names=tuple(f"gene {t}" for t in range(n_targets)),
            values=targets.astype(np.float32),
        ),
    )


def _reference(train: LabelledSamples, test: LabelledSamples, *, dims: int, standardise: bool) -> Float:
    scaler = [StandardScaler()] if standardise else []
    alpha = 100 / (dims * len(train.targets.names))
    model = make_pipeline(*scaler, PCA(n_components=dims, svd_solver="full"), Ridge(alpha=alpha))
    assert train.embeddings is not None
    assert test.embeddings is not None
    model.fit(train.embeddings.astype(np.float64), train.targets.values.astype(np.float64))
    predicted: Float = model.predict(test.embeddings.astype(np.float64))
    return predicted


@pytest.mark.parametrize("standardise", [False, True], ids=["as-specified", "standardised"])
@pytest.mark.parametrize(("n", "d", "wanted", "dims"), [(90, 40, 16, 16), (90, 40, 256, 40), (30, 70, 20, 20)])
def test_predictions_are_scikit_learns(n: int, d: int, wanted: int, dims: int, standardise: bool) -> None:
    train, test = _samples(n, d), _samples(25, d)
    method = HestRidge(HestRidgeOptions(components=wanted, standardise=standardise))
    method.fit(train, None, CONTEXT)
    expected = _reference(train, test, dims=dims, standardise=standardise)
    np.testing.assert_allclose(method.predict(unlabelled(test)).values, expected, rtol=1e-4, atol=1e-4)


def test_the_penalty_is_the_published_one() -> None:
    assert hest_penalty(256, 50) == pytest.approx(0.0078125)


def test_256_components_are_published() -> None:
    assert HestRidgeOptions().components == 256


def test_the_penalty_counts_the_components_that_there_are() -> None:
    seen: list[dict[str, float]] = []
    method = HestRidge(HestRidgeOptions())
    method.fit(_samples(40, 8), None, FitContext(seed=0, report=lambda _epoch, numbers: seen.append(dict(numbers))))
    assert seen == [{"components": 8, "penalty": pytest.approx(100 / (8 * 3))}]


def test_fewer_spots_than_components_are_enough_and_said() -> None:
    method = HestRidge(HestRidgeOptions())
    with pytest.warns(UserWarning, match="20 training spots have 20 principal components, not 256"):
        method.fit(_samples(20, 300), None, CONTEXT)
    assert np.isfinite(method.predict(_samples(5, 300)).values).all()


@pytest.mark.parametrize(("kind", "least"), [("cell_abundance", 0.6), ("gene_expression", 0.2)])
def test_it_learns(kind: str, least: float) -> None:
    fold = toy_fold(kind)  # type: ignore[arg-type]
    method = HestRidge(HestRidgeOptions())
    method.fit(fold.train, fold.val, CONTEXT)
    predicted, observed = method.predict(unlabelled(fold.test)).values, fold.test.targets.values
    assert np.mean([np.corrcoef(predicted[:, t], observed[:, t])[0, 1] for t in range(observed.shape[1])]) > least


def test_what_is_saved_predicts_the_same_again(tmp_path: Path) -> None:
    train = _samples(40, 8)
    method, loaded = HestRidge(HestRidgeOptions()), HestRidge(HestRidgeOptions())
    method.fit(train, None, CONTEXT)
    method.save(tmp_path)
    loaded.load(tmp_path, CONTEXT)
    assert loaded.predict(train).names == train.targets.names
    assert np.array_equal(loaded.predict(train).values, method.predict(train).values)


def test_samples_without_embeddings_are_refused() -> None:
    with pytest.raises(DataError, match="hest-ridge needs embeddings, and these samples have none"):
        HestRidge(HestRidgeOptions()).fit(replace(_samples(9, 3), embeddings=None), None, CONTEXT)


def test_no_component_is_refused() -> None:
    with pytest.raises(ConfigError, match="components must be at least 1, got 0"):
        HestRidgeOptions(components=0)
