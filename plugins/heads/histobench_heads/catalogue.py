"""Every method of this package; a method's card stands in the catalogue of its own folder.

To add a method, write a folder with its card in a ``catalogue.py`` and put the card into `METHODS`.
"""

from histobench import MethodCard
from histobench_heads.controls.catalogue import COLOUR, MEAN, ORACLE, POSITION
from histobench_heads.cuca.catalogue import CUCA
from histobench_heads.foundation.catalogue import LINEAR, MLP
from histobench_heads.hist2cell.catalogue import HIST2CELL
from histobench_heads.ridge.catalogue import RIDGE

__all__ = ["METHODS"]

METHODS: tuple[MethodCard, ...] = (
    MEAN,
    POSITION,
    COLOUR,
    ORACLE,
    RIDGE,
    LINEAR,
    MLP,
    CUCA,
    HIST2CELL,
)
"""One line each."""
