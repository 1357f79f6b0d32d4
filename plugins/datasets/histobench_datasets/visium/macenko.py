"""Stain normalisation by Macenko's method, with one slide's stains for all its patches.

The two stains of a slide are the extreme directions of its optical densities in the plane of their largest variance.
A patch is unmixed with them and mixed again with the stains of a reference.

References
----------
Macenko et al. (2009), *A method for normalizing histology slides for quantitative analysis*, ISBI 2009: 1107–1110.
"""

from dataclasses import dataclass

import numpy as np

from histobench import DataError, Float, UInt8

__all__ = ["REFERENCE", "Stains", "fit_stains", "normalise"]

_LIGHT = 240.0  # intensity of the lamp, Macenko's Io
_PERCENT = 1.0  # angles and concentrations outside this percentile are outliers, Macenko's alpha
_LEAST_DENSITY = 0.15  # a pixel with a lower density in any channel is glass, Macenko's beta
_LEAST_PIXELS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Stains:
    """Colours of haematoxylin and eosin, as columns (3, 2) of optical density, and their 99th percentiles (2,)."""

    colours: Float
    concentrations: Float


REFERENCE = Stains(
    colours=np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]]),
    concentrations=np.array([1.9705, 1.0308]),
)
"""The stains to which every slide is normalised (Macenko et al. 2009, with the values of later implementations)."""


def fit_stains(pixels: UInt8, /) -> Stains:
    """Fit the two stains of a slide.

    Parameters
    ----------
    pixels : (h, w, 3) uint8 RGB
        Of the slide; pixels of glass are ignored.

    Raises
    ------
    DataError
        If hardly any pixel is stained, or all have one colour.
    """
    density = _density(pixels.reshape(-1, 3))
    stained = density[(density >= _LEAST_DENSITY).all(axis=1)]
    if len(stained) < _LEAST_PIXELS:
        raise DataError(
            f"stains need at least {_LEAST_PIXELS} stained pixels, found {len(stained)} of {len(density)}: "
            "is it an H&E image? If not, use --no-normalize."
        )
    variances, directions = np.linalg.eigh(np.cov(stained, rowvar=False))
    plane = directions[:, 1:]
    plane = plane * np.where(plane[0] < 0, -1.0, 1.0)  # the sign of an eigenvector is arbitrary; angles must not wrap
    if variances[1] <= np.finfo(np.float64).eps * max(variances[2], 1.0):
        raise DataError("the two stains cannot be separated: all stained pixels have one hue; use --no-normalize.")
    along = stained @ plane
    angles = np.percentile(np.arctan2(along[:, 1], along[:, 0]), [_PERCENT, 100 - _PERCENT])
    colours = plane @ np.array([np.cos(angles), np.sin(angles)])
    if colours[0, 0] <= colours[0, 1]:  # haematoxylin absorbs more red
        colours = colours[:, ::-1]
    concentrations = np.percentile(density @ np.linalg.pinv(colours).T, 100 - _PERCENT, axis=0)
    if (concentrations <= 0).any():  # the percentile falls on glass
        raise DataError("hardly one pixel in a hundred is stained: is it an H&E image? If not, use --no-normalize.")
    return Stains(colours=colours, concentrations=concentrations)


def normalise(patch: UInt8, stains: Stains, /, *, reference: Stains = REFERENCE) -> UInt8:
    """Normalise a patch to the stains of the reference.

    Parameters
    ----------
    patch : (h, w, 3) uint8 RGB
        Of the slide with the given stains.

    Returns
    -------
    (h, w, 3) uint8 RGB
    """
    amounts = _density(patch.reshape(-1, 3)) @ np.linalg.pinv(stains.colours).T
    amounts *= reference.concentrations / stains.concentrations
    light = _LIGHT * np.exp(-amounts @ reference.colours.T)
    normalised: UInt8 = np.minimum(light, 255).astype(np.uint8).reshape(patch.shape)
    return normalised


def _density(pixels: UInt8) -> Float:
    """Return the optical density (n, 3) of (n, 3) pixels; one is added to keep that of black finite."""
    return np.asarray(-np.log((pixels.astype(np.float64) + 1) / _LIGHT))
