"""Every method of this package; a method's card stands in the catalogue of its own folder.

To add a method, write a folder with its card in a ``catalogue.py`` and put the card into `METHODS`.
"""

from histobench import MethodCard
from histobench_heads.boosting.catalogue import BOOSTED_TREES
from histobench_heads.controls.catalogue import COLOUR, MEAN, NEAREST, ORACLE, POSITION, SHUFFLED
from histobench_heads.cuca.catalogue import CUCA
from histobench_heads.foundation.catalogue import LINEAR, MLP
from histobench_heads.hist2cell.catalogue import HIST2CELL
from histobench_heads.ridge.catalogue import HEST_RIDGE, RIDGE

__all__ = ["METHODS"]

METHODS: tuple[MethodCard, ...] = (
    MEAN,
    POSITION,
    COLOUR,
    NEAREST,
    SHUFFLED,
    ORACLE,
    RIDGE,
    HEST_RIDGE,
    BOOSTED_TREES,
    LINEAR,
    MLP,
    CUCA,
    HIST2CELL,
)
"""One line each."""
