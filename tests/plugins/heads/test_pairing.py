"""Canonical correlation of images with expression."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import cross_decomposition

from histobench import ConfigError, Counts, DataError, FitContext, Float, LabelledSamples, Targets
from histobench.testing import unlabelled
from histobench_heads.pairing.correlation import Correlation
from histobench_heads.pairing.method import Cca
from histobench_heads.pairing.options import CcaOptions

CONTEXT = FitContext(seed=0)


def _samples(seed: int, n: int = 150) -> LabelledSamples:
    """Spots of one slide: three programmes seen in the image and, through Poisson noise, in thirty genes."""
    fixed, drawn = np.random.default_rng(0), np.random.default_rng(seed)
    loadings, look = np.exp(fixed.normal(size=(3, 30))), fixed.normal(size=(3, 20))
    programmes = drawn.dirichlet(np.full(3, 0.5), size=n)
    counts = drawn.poisson(300 * programmes @ (loadings / loadings.sum(axis=1, keepdims=True))).astype(np.float32)
    features = programmes @ look + 0.2 * drawn.normal(size=(n, 20))
    genes = tuple(f"G{number}" for number in range(30))
    return LabelledSamples(
        slide_ids=np.full(n, f"slide {seed}"),
        spot_ids=np.arange(n).astype(str),
        xy_um=np.zeros((n, 2)),
        array=np.zeros((n, 2), dtype=np.int64),
        embeddings=features.astype(np.float32),
        counts=Counts(names=genes, values=counts),
        targets=Targets(kind="retrieve", names=genes[:2], values=np.log1p(counts[:, :2])),
    )


def _uncorrelated(table: Float) -> Float:
    centred = table - table.mean(axis=0)
    rotated: Float = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    return rotated


def test_without_a_penalty_correlations_are_scikit_learns() -> None:
    drawn = np.random.default_rng(1)
    shared = drawn.normal(size=(300, 2))
    first, second = (
        _uncorrelated(np.hstack([shared + 0.5 * drawn.normal(size=(300, 2)), drawn.normal(size=(300, width))]))
        for width in (3, 2)
    )
    found = Correlation.of(first, second, pairs=2, penalty=1e-12)
    projected = cross_decomposition.CCA(n_components=2, max_iter=5000, tol=1e-12).fit_transform(first, second)
    expected = [np.corrcoef(projected[0][:, pair], projected[1][:, pair])[0, 1] for pair in range(2)]
    np.testing.assert_allclose(found.correlations, expected, atol=1e-5)


def test_a_penalty_takes_from_every_correlation() -> None:
    table = _uncorrelated(np.random.default_rng(2).normal(size=(100, 4)))
    found = Correlation.of(table, table, pairs=4, penalty=0.5)
    variance = (table**2).mean(axis=0)
    np.testing.assert_allclose(found.correlations, np.sort(variance / (variance + 0.5 * variance.mean()))[::-1])


def test_partners_are_found_on_another_slide() -> None:
    method = Cca(CcaOptions())
    method.fit(_samples(1), None, CONTEXT)
    pairing = method.predict(unlabelled(_samples(2)))
    image, expression = (
        side / np.linalg.norm(side, axis=1, keepdims=True) for side in (pairing.image, pairing.expression)
    )
    cosines = image @ expression.T
    ranks = (cosines >= np.diag(cosines)[:, None]).sum(axis=1)
    assert np.median(ranks) < 150 / 4  # half of 150 by chance


def test_saved_method_gives_the_same_places(tmp_path: Path) -> None:
    method = Cca(CcaOptions())
    method.fit(_samples(1), None, CONTEXT)
    method.save(tmp_path)
    loaded = Cca(CcaOptions())
    loaded.load(tmp_path, CONTEXT)
    one, other = (each.predict(unlabelled(_samples(2))) for each in (method, loaded))
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.expression, other.expression)


def test_images_without_variation_say_nothing() -> None:
    flat = replace(_samples(1), embeddings=np.ones((150, 20), dtype=np.float32))
    method = Cca(CcaOptions())
    method.fit(flat, None, CONTEXT)
    assert not method.predict(unlabelled(flat)).image.any()


@pytest.mark.parametrize(("part", "message"), [("counts", "needs raw counts"), ("embeddings", "needs embeddings")])
def test_what_is_missing_is_named(part: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Cca(CcaOptions()).fit(replace(_samples(1), **{part: None}), None, CONTEXT)


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="pairs must be at least 1"):
        CcaOptions(pairs=0)
    with pytest.raises(ConfigError, match="penalty must be positive"):
        CcaOptions(penalty=0)
