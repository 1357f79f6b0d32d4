"""Names of the columns that the metrics of retrieval have."""

__all__ = ["COSINES", "DIRECTIONS", "MEANINGS", "RECALLS"]

DIRECTIONS = ("image to expression", "expression to image")
"""Columns: what asks, and what is found."""

_DEPTHS = ("at 1", "at 5", "at 10")

RECALLS = (*(f"{way} {depth}" for way in (*DIRECTIONS, "chance") for depth in _DEPTHS), "gallery")
"""Columns of the recall."""

COSINES = ("paired", "unpaired", "difference", "modality gap")
"""Columns of the cosines."""

MEANINGS = {
    "retrieval": {
        "image to expression": "the image asks, the expression is found",
        "expression to image": "the expression asks, the image is found",
    },
    "retrieval-recall": {
        **{f"{way} {depth}": f"the partner is among the first {depth[3:]}" for way in DIRECTIONS for depth in _DEPTHS},
        **{f"chance {depth}": f"what guessing reaches among the first {depth[3:]}" for depth in _DEPTHS},
        "gallery": "spots that are looked among: one slide",
    },
    "median-rank": {
        "image to expression": "the image asks; chance is half the gallery",
        "expression to image": "the expression asks; chance is half the gallery",
        "gallery": "spots that are looked among: one slide",
    },
    "paired-cosine": {
        "paired": "of a spot's image and its own expression",
        "unpaired": "of images and other spots' expression",
        "difference": "paired less unpaired: what tells partners from others",
        "modality gap": "distance between the centres of images and of expression",
    },
}
"""Metric → what its columns say."""
