"""Names of the columns that the metrics of retrieval have."""

__all__ = ["COSINES", "DIRECTIONS", "MEANINGS", "RECALLS"]

DIRECTIONS = ("image to expression", "expression to image")
"""Columns: the query, and what is retrieved."""

_DEPTHS = ("at 1", "at 5", "at 10")

RECALLS = (*(f"{way} {depth}" for way in (*DIRECTIONS, "chance") for depth in _DEPTHS), "gallery")
"""Columns of ``retrieval-recall``."""

COSINES = ("paired", "unpaired", "difference", "modality gap")
"""Columns of ``paired-cosine``."""

MEANINGS = {
    "retrieval": {
        "image to expression": "the image is the query, the expression is retrieved",
        "expression to image": "the expression is the query, the image is retrieved",
    },
    "retrieval-recall": {
        **{f"{way} {depth}": f"the partner is among the first {depth[3:]}" for way in DIRECTIONS for depth in _DEPTHS},
        **{f"chance {depth}": f"what guessing reaches among the first {depth[3:]}" for depth in _DEPTHS},
        "gallery": "number of candidates: the spots of one slide",
    },
    "median-rank": {
        "image to expression": "the image is the query; chance is half the gallery",
        "expression to image": "the expression is the query; chance is half the gallery",
        "gallery": "number of candidates: the spots of one slide",
    },
    "paired-cosine": {
        "paired": "of a spot's image and its own expression",
        "unpaired": "of images and other spots' expression",
        "difference": "paired minus unpaired: how well partners are distinguished from others",
        "modality gap": "distance between the centres of images and of expression",
    },
}
"""Metric → what its columns mean."""
