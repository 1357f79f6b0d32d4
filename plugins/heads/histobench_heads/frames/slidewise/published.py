"""What reading the published checkpoints of the whole-slide methods takes."""

import re
from collections.abc import Iterable

__all__ = ["count_layers"]


def count_layers(names: Iterable[str], prefix: str) -> int:
    """Count the numbers that follow ``prefix.``, a regular expression, among the names of tensors."""
    return len({found[1] for name in names if (found := re.match(rf"{prefix}\.(\d+)\.", name))})
