"""Colour statistics against values worked out by hand."""

import numpy as np
import numpy.typing as npt
import pytest

from histobench import Float, PatchGeometry
from histobench_encoders.colour_stats import BINS, CHANNELS, ColourStats

LOG = np.log(1e-6)
"""scikit-image measures optical density in this unit."""

STAINS = np.linalg.inv([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
"""Ruifrok & Johnston's matrix, inverted: optical density of red, green, blue → haematoxylin, eosin, DAB."""


def embed(patches: npt.ArrayLike) -> dict[str, Float]:
    """Embed one patch: channel → mean, deviation, shares."""
    (embedding,) = ColourStats(PatchGeometry(patch_px=2)).embed(np.array(patches, dtype=np.uint8)[None])
    return dict(zip(CHANNELS, embedding.reshape(len(CHANNELS), 2 + BINS), strict=True))


def share(**bins: float) -> Float:
    shares = np.zeros(BINS)
    for name, value in bins.items():
        shares[int(name[1:])] = value
    return shares


def test_light_is_described_by_mean_deviation_and_shares() -> None:
    described = embed([[[0, 255, 128], [255, 255, 128]], [[0, 255, 128], [51, 255, 128]]])
    red = np.array([0, 1, 0, 0.2])
    np.testing.assert_allclose(described["red"], [red.mean(), red.std(), *share(b0=0.5, b1=0.25, b7=0.25)], rtol=1e-6)
    np.testing.assert_allclose(described["green"], [1, 0, *share(b7=1)], atol=1e-7)
    np.testing.assert_allclose(described["blue"], [128 / 255, 0, *share(b4=1)], atol=1e-7)


def test_stains_are_unmixed_by_the_published_matrix() -> None:
    density = np.log(np.array([120, 60, 150]) / 255) / LOG
    expected = np.maximum(density @ STAINS, 0)
    described = embed(np.full((2, 2, 3), [120, 60, 150]))
    means = [described[stain][0] for stain in ("haematoxylin", "eosin", "dab")]
    np.testing.assert_allclose(means, expected, rtol=1e-5, atol=1e-7)


def test_empty_glass_is_free_of_stain() -> None:
    described = embed(np.full((2, 2, 3), 255))
    for stain in ("haematoxylin", "eosin", "dab"):
        np.testing.assert_allclose(described[stain], [0, 0, *share(b0=1)], atol=1e-7)


def test_what_is_darker_than_the_range_falls_into_the_last_bin() -> None:
    described = embed(np.zeros((2, 2, 3)))
    np.testing.assert_allclose(described["haematoxylin"][2:], share(b7=1))


def test_shares_sum_to_one() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (70, 6, 6, 3), dtype=np.uint8)
    embeddings = ColourStats(PatchGeometry(patch_px=6)).embed(patches).reshape(70, len(CHANNELS), -1)
    np.testing.assert_allclose(embeddings[..., 2:].sum(axis=-1), 1, rtol=1e-6)


def test_a_patch_is_described_the_same_in_any_company() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (70, 6, 6, 3), dtype=np.uint8)
    encoder = ColourStats(PatchGeometry(patch_px=6))
    np.testing.assert_array_equal(encoder.embed(patches)[[40]], encoder.embed(patches[[40]]))


@pytest.mark.parametrize("constant", ["UPPER", "BINS", "CHANNELS"])
def test_identity_follows_the_bins(monkeypatch: pytest.MonkeyPatch, constant: str) -> None:
    encoder = ColourStats(PatchGeometry())
    before = encoder.identity
    monkeypatch.setattr(f"histobench_encoders.colour_stats.{constant}", (1, 2, 3))
    assert encoder.identity != before
