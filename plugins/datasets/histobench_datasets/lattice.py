"""The lattice of a capture array, from which the scale of its image follows."""

from pathlib import Path

import numpy as np

from histobench import DataError, Float, Int

__all__ = ["lattice_pitch"]

_LEAST_PITCH_PX = 2  # less is an array coordinate, not a pixel


def lattice_pitch(array: Float | Int, xy_px: Float, path: Path, /) -> float:
    """Fit positions = lattice · A + b by least squares, and return the geometric mean of the steps of both axes.

    Parameters
    ----------
    array, xy_px
        (n, 2) places on the array and in the image.

    Returns
    -------
    px

    Raises
    ------
    DataError
        If the spots are on one line, or closer together than pixels.
    """
    design = np.column_stack([array, np.ones(len(array))])
    if np.linalg.matrix_rank(design - design.mean(axis=0) * [1, 1, 0]) < 3:
        raise DataError(f"'{path}': all spots are on one line, so the lattice does not determine microns per pixel.")
    affine, *_ = np.linalg.lstsq(design, xy_px, rcond=None)
    pitch = float(np.sqrt(abs(np.linalg.det(affine[:2]))))
    if pitch < _LEAST_PITCH_PX:
        raise DataError(f"'{path}': neighbouring spots are {pitch:.2g} pixels apart; are the positions in pixels?")

    return pitch
