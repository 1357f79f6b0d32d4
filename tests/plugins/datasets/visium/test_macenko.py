"""Macenko's stain normalisation where there is little or nothing to find; its numbers are in tests/reference."""

import numpy as np
import pytest

from histobench import DataError
from histobench_datasets.visium.macenko import REFERENCE, Stains, fit_stains, normalise

COLOURS = np.array([[0.65, 0.25], [0.70, 0.85], [0.29, 0.46]])


def stained(amounts: np.ndarray, colours: np.ndarray = COLOURS) -> np.ndarray:
    """Pixels (..., 3) with amounts (..., 2) of two stains."""
    return np.clip(240 * np.exp(-amounts @ colours.T) - 1, 0, 255).astype(np.uint8)


def test_stains_that_made_the_image_are_found():
    amounts = np.random.default_rng(0).gamma(1.0, 0.6, (200, 200, 2))
    found = fit_stains(stained(amounts))
    unit = COLOURS / np.linalg.norm(COLOURS, axis=0)
    assert ((found.colours * unit).sum(axis=0) > 0.99).all()


def test_glass_around_the_tissue_does_not_move_the_colours():
    tissue = stained(np.random.default_rng(0).gamma(1.0, 0.6, (100, 100, 2)))
    glass = np.full((100, 100, 3), 245, dtype=np.uint8)
    np.testing.assert_allclose(fit_stains(np.vstack([tissue, glass])).colours, fit_stains(tissue).colours, atol=1e-12)


def test_slide_stained_as_the_reference_stays_as_it_is():
    image = stained(np.random.default_rng(0).uniform(0.1, 1.0, (30, 30, 2)), REFERENCE.colours)
    assert np.abs(normalise(image, REFERENCE).astype(int) - image).max() <= 2  # the one that is added for black


def test_black_and_white_stay_in_range():
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[1] = 255
    shown = normalise(image, Stains(colours=COLOURS, concentrations=np.array([0.5, 2.0])))
    assert shown[1].min() >= 240
    assert shown[0].max() < 60


def test_bare_glass_has_no_stains():
    with pytest.raises(DataError, match="at least 16 stained pixels, found 0 of 100: is it an H&E image"):
        fit_stains(np.full((10, 10, 3), 250, dtype=np.uint8))


def test_a_crumb_of_tissue_is_too_little():
    image = np.full((100, 100, 3), 250, dtype=np.uint8)
    image[:5, :10] = stained(np.random.default_rng(0).gamma(1.0, 0.6, (5, 10, 2)))
    with pytest.raises(DataError, match="hardly one pixel in a hundred is stained: is it an H&E image"):
        fit_stains(image)


def test_one_colour_has_no_two_stains():
    with pytest.raises(DataError, match="cannot be separated: all stained pixels have one hue"):
        fit_stains(np.full((10, 10, 3), 100, dtype=np.uint8))
