"""Stains and tissue of a real section, where it is at hand: its image is decoded once."""

import numpy as np
import pandas as pd
import pytest
import shapely

from histobench_datasets.visium.dump import slide_stains
from histobench_datasets.visium.macenko import REFERENCE
from histobench_datasets.visium.slide import open_slide
from histobench_datasets.visium.tissue import segment_tissue

SLIDE = "C2"


@pytest.fixture(scope="module")
def section(her2st_root):
    """One slide of her2st."""
    path = next(iter((her2st_root / "data" / "ST-imgs").glob(f"*/{SLIDE}/*.jpg")), None)
    if path is None:
        pytest.skip(f"no image of slide {SLIDE} is here")
    return open_slide(path)


def test_stains_look_like_haematoxylin_and_eosin(section):
    stains = slide_stains(section)
    np.testing.assert_allclose(np.linalg.norm(stains.colours, axis=0), 1, atol=1e-9)
    assert (stains.colours > 0).all()
    assert stains.colours[0, 0] > stains.colours[0, 1]  # haematoxylin takes more of the red
    cosines = (stains.colours * REFERENCE.colours).sum(axis=0) / np.linalg.norm(REFERENCE.colours, axis=0)
    assert (cosines > 0.9).all()
    assert ((stains.concentrations > 0.3) & (stains.concentrations < 4)).all()


def test_spots_lie_in_the_tissue_that_is_found(section, her2st_root):
    spots = pd.read_csv(her2st_root / "data" / "ST-spotfiles" / f"{SLIDE}_selection.tsv", sep="\t")
    found = segment_tissue(section)
    assert shapely.contains_xy(found, spots[["pixel_x", "pixel_y"]].to_numpy()).mean() > 0.95
    assert found.area < 0.25 * section.width * section.height  # the section covers a sixth of its image
