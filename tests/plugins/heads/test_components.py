"""Principal components: scikit-learn's, exactly, and as many as there are."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from histobench import DataError, Float
from histobench_heads.frames.components import Components


def _draw(n: int, d: int) -> Float:
    draw = np.random.default_rng(0)
    return (draw.normal(size=(n, d)) * draw.uniform(0.1, 5, d) + 3).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(60, 12), (12, 60), (20, 20)], ids=["tall", "wide", "square"])
def test_projections_are_scikit_learns_but_for_the_sign(n: int, d: int) -> None:
    embeddings, others = _draw(n, d), _draw(5, d) + 1
    pca = PCA(n_components=6, svd_solver="full").fit(embeddings.astype(np.float64))
    found = Components.of(embeddings, 6)
    np.testing.assert_allclose(np.abs(found(others)), np.abs(pca.transform(others.astype(np.float64))), atol=1e-8)


def test_the_largest_entry_of_every_axis_is_positive() -> None:
    axes = Components.of(_draw(30, 8), 8).axes
    assert (axes[np.arange(8), np.abs(axes).argmax(axis=1)] > 0).all()


def test_a_narrow_embedding_has_as_many_components_as_dimensions() -> None:
    assert Components.of(_draw(60, 12), 256).axes.shape == (12, 12)


def test_few_spots_have_as_many_components_as_spots_and_say_so() -> None:
    with pytest.warns(UserWarning, match="10 training spots have 10 principal components, not 256"):
        found = Components.of(_draw(10, 300), 256)
    assert found.axes.shape == (10, 300)


def test_equal_embeddings_project_to_zero() -> None:
    same = np.full((9, 4), 2.5, dtype=np.float32)
    assert not Components.of(same, 3)(same).any()


def test_a_single_spot_is_refused() -> None:
    with pytest.raises(DataError, match="principal components need at least 2 training spots, got 1"):
        Components.of(_draw(1, 4), 2)
