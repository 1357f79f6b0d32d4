"""Synthetic tissue: the tissue class of each spot, as a pathologist would annotate it."""

import numpy as np

from histobench import Float, Int, Targets
from histobench_datasets.synthetic.tissue import GRID_UM, REGIONS, Tissue

__all__ = ["CLASSES", "label_spots"]

CLASSES = tuple(region for region in REGIONS if region != "vessel")
"""Tissue classes of spots; a vessel is smaller than a spot and counts as the stroma around it."""


def label_spots(tissue: Tissue, /) -> Targets:
    """Return the class that covers most of each spot: (n, 5) one-hot float32."""
    votes = np.stack([_votes(tissue, xy_um) for xy_um in tissue.spot_xy_um])
    return Targets(kind="label", names=CLASSES, values=np.eye(len(CLASSES), dtype=np.float32)[votes.argmax(axis=1)])


def _votes(tissue: Tissue, xy_um: Float) -> Int:
    """Count the grid squares of each class with their centre under the spot: (5,)."""
    centres = (np.indices(tissue.regions.shape)[::-1] + 0.5) * GRID_UM
    under = ((centres - xy_um[:, None, None]) ** 2).sum(axis=0) <= tissue.spot_radius_um**2
    found = tissue.regions[under]
    found = np.where(found == REGIONS.index("vessel"), REGIONS.index("stroma"), found)
    counts: Int = np.array([(found == REGIONS.index(name)).sum() for name in CLASSES])
    return counts
