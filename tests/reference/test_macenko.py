"""Macenko's stain normalisation: values of the specification."""

import numpy as np
import pytest

from histobench_datasets.visium.macenko import Stains, fit_stains, normalise

pytestmark = pytest.mark.reference

Y, X = np.mgrid[:24, :32]
CHANNEL = np.arange(3)


def waves() -> np.ndarray:
    """Colours that no stain makes."""
    light = 120 + 60 * np.sin(0.31 * X[..., None] + 0.9 * CHANNEL) + 40 * np.cos(0.23 * Y[..., None] * (CHANNEL + 1))
    return np.floor(np.clip(light, 0, 255)).astype(np.uint8)


def section() -> np.ndarray:
    """Two stains in amounts that vary over the image."""
    h = 0.9 + 0.8 * np.sin(0.31 * X + 0.17 * Y)
    e = 0.7 + 0.6 * np.cos(0.23 * Y - 0.4 * X)
    density = h[..., None] * [0.65, 0.70, 0.29] + e[..., None] * [0.25, 0.85, 0.46]
    return np.clip(240 * np.exp(-density) - 1, 0, 255).astype(np.uint8)


WAVES = Stains(
    colours=np.array([[0.759777, -0.046620], [0.648643, 0.571362], [-0.044742, 0.819373]]),
    concentrations=np.array([2.128012, 2.538348]),
)
SECTION = Stains(
    colours=np.array([[0.630167, 0.284302], [0.715635, 0.847039], [0.301258, 0.449108]]),
    concentrations=np.array([1.787913, 1.395927]),
)


@pytest.mark.parametrize(("image", "expected"), [(waves(), WAVES), (section(), SECTION)], ids=["waves", "section"])
def test_stains_are_the_specifications(image, expected):
    found = fit_stains(image)
    np.testing.assert_allclose(found.colours, expected.colours, atol=1e-6)
    np.testing.assert_allclose(found.concentrations, expected.concentrations, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "before", "after", "means"),
    [
        (waves(), [(160, 206, 218), (185, 97, 37)], [(195, 183, 206), (191, 117, 147)], [155.5677, 116.7643, 151.6120]),
        (section(), [(95, 41, 100), (105, 67, 132)], [(114, 55, 94), (115, 73, 117)], [133.9531, 90.9857, 127.8685]),
    ],
    ids=["waves", "section"],
)
def test_normalised_pixels_are_the_specifications(image, before, after, means):
    places = ([0, 5], [0, 7])
    shown = normalise(image, fit_stains(image))
    np.testing.assert_array_equal(image[places], before)
    np.testing.assert_array_equal(shown[places], after)
    np.testing.assert_allclose(shown.mean(axis=(0, 1)), means, atol=5e-5)
