"""What the records of vision transformers have in common."""

from collections.abc import Mapping
from typing import Any

from histobench_encoders.entry import TimmEntry

__all__ = ["tokens_variants", "vit"]


def tokens_variants(width: int) -> Mapping[str, int]:
    """Return the poolings of a transformer's tokens → width of the embedding."""
    return {"cls": width, "mean": width, "cls+mean": 2 * width}


def vit(arch: str, width: int, **facts: Any) -> TimmEntry:  # Any: fields of the record
    """Make the record of a transformer trained at 0.5 µm per pixel, with facts that replace the usual ones."""
    usual: dict[str, Any] = {
        "pooling": "cls",
        "variants": tokens_variants(width),
        "mpp": 0.5,
        "mpps": (0.5,),
        "resize_px": 224,
        "blocks": "blocks.{}",
    }
    facts = usual | facts
    return TimmEntry(arch=arch, dim=facts["variants"][facts["pooling"]], **facts)
