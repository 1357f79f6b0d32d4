"""A dataset for tests: four patients, sixty spots each, instantaneous, with a signal worth finding.

Three smooth fields, tumour, stroma and immune, decide each spot's colour, its cells, its transcripts and its label.
Their place differs from slide to slide, so position alone predicts nothing; each patient's stain shifts the colours
a little, so a method has to generalise.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from histobench.contracts.protocols import SlideImage
from histobench.data import Counts, Float, Kind, Slide, SpotTable, Targets, UInt8
from histobench.data.panels import log_normalise
from histobench.errors import did_you_mean
from histobench.images import ArrayImage

__all__ = ["CELL_TYPES", "FIELDS", "GENES", "SPOT_PX", "ToyDataset"]

SPOT_PX = 64
"""Distance between neighbouring spots, in pixels of the toy image."""

CELL_TYPES = ("tumour", "fibroblast", "t-cell", "b-cell", "endothelium")
"""Columns of the toy abundance."""

GENES = tuple(f"GENE{number:02d}" for number in range(1, 31))
"""Columns of the toy counts."""

FIELDS = ("tumour", "stroma", "immune")
"""What decides everything at a spot; also the toy labels, by which field is highest."""

_COLUMNS, _ROWS = 10, 6
_MICRONS_PER_SPOT = 200.0
# What each field adds to the background's colour: purple nests, pink fibres, dark blue lymphocytes.
_BACKGROUND = np.array([225.0, 205.0, 220.0])
_COLOURS = np.array([[-60.0, -110.0, -40.0], [10.0, -60.0, -30.0], [-130.0, -120.0, -50.0]])
# Cells of each type at a spot per unit of each field.
_CELLS = np.array([[9.0, 1.0, 0.5, 0.2, 0.5], [0.5, 6.0, 0.5, 0.3, 2.0], [0.3, 0.5, 5.0, 4.0, 0.5]])


class ToyDataset:
    """Four slides of four patients, generated anew from a seed; implements ``contracts.Dataset`` in full."""

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._slides = tuple(
            Slide(id=f"toy{n}", patient=f"toy:{n}", mpp=_MICRONS_PER_SPOT / SPOT_PX) for n in range(1, 5)
        )

    def slides(self, target: str) -> Sequence[Slide]:
        """List the four slides, whatever is asked of them."""
        _kind(target)
        return self._slides

    def left_out(self, target: str) -> Mapping[str, str]:
        """Leave nothing out."""
        _kind(target)
        return {}

    def notes(self, slide: Slide, target: str) -> tuple[str, ...]:
        """Return no notes: no spot is dropped."""
        _kind(target)
        self._number(slide)
        return ()

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Generate one slide's spots."""
        kind = _kind(target)
        array = np.stack(np.meshgrid(np.arange(_COLUMNS), np.arange(_ROWS)), axis=-1).reshape(-1, 2)
        xy_px = ((array + 0.5) * SPOT_PX).astype(np.float32)
        fields = self._fields(slide)
        draw = self._generator(slide, 1)
        counts = draw.poisson(fields @ _expression())
        noise = draw.gamma(20.0, 1 / 20.0, (len(fields), len(CELL_TYPES)))
        return SpotTable(
            slide=slide,
            spot_ids=tuple(f"{x}x{y}" for x, y in array),
            xy_um=xy_px * np.float32(_MICRONS_PER_SPOT / SPOT_PX),
            xy_px=xy_px,
            array=array,
            targets=_targets(kind, fields, noise=noise),
            counts=Counts(names=GENES, values=counts.astype(np.float32)),
            oracle=_oracle(kind, fields),
        )

    def image(self, slide: Slide) -> SlideImage:
        """Paint the slide: each spot's square in its colour, with grain."""
        return ArrayImage(self._paint(slide))

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Name what decides the slide: its number and the seed."""
        return f"toy-{self._seed}-{self._number(slide)}-{_kind(target)}"

    def _fields(self, slide: Slide) -> Float:
        """Draw (60, 3) smooth fields in [0, 1], file order."""
        draw = self._generator(slide, 0)
        x, y = np.meshgrid(np.arange(_COLUMNS) / _COLUMNS, np.arange(_ROWS) / _ROWS)
        waves = [
            np.sin(2 * np.pi * (a * x + b * y + c)) for a, b, c in draw.uniform((-1.5, -1.5, 0), (1.5, 1.5, 1), (3, 3))
        ]
        fields: Float = (np.stack(waves, axis=-1).reshape(-1, 3) + 1) / 2
        return fields

    def _paint(self, slide: Slide) -> UInt8:
        draw = self._generator(slide, 2)
        stain = draw.normal(0.0, 6.0, 3)
        colours = _BACKGROUND + stain + self._fields(slide) @ _COLOURS
        squares = np.ones((SPOT_PX, SPOT_PX, 1))
        pixels = np.kron(colours.reshape(_ROWS, _COLUMNS, 3), squares)
        painted: UInt8 = np.clip(pixels + draw.normal(0.0, 12.0, pixels.shape), 0, 255).astype(np.uint8)
        return painted

    def _generator(self, slide: Slide, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, self._number(slide), purpose])

    def _number(self, slide: Slide) -> int:
        ids = [s.id for s in self._slides]
        if slide.id not in ids:
            raise did_you_mean("toy slide", slide.id, ids)
        return ids.index(slide.id)


def _kind(target: str) -> Kind:
    kinds: tuple[Kind, ...] = ("cell_abundance", "gene_expression", "label")
    for kind in kinds:
        if kind == target:
            return kind
    raise did_you_mean("toy target", target, kinds)


def _expression() -> Float:
    """Return each field's (3, 30) mean counts per unit; the same for every slide."""
    rates: Float = np.random.default_rng(7).gamma(0.6, 12.0, (len(FIELDS), len(GENES))) + 0.5
    return rates


def _targets(kind: Kind, fields: Float, *, noise: Float) -> Targets | None:
    if kind == "cell_abundance":
        return Targets(kind=kind, names=CELL_TYPES, values=(fields @ _CELLS * noise).astype(np.float32))
    if kind == "label":
        return Targets(kind=kind, names=FIELDS, values=np.eye(3, dtype=np.float32)[fields.argmax(axis=1)])
    return None


def _oracle(kind: Kind, fields: Float) -> Targets | None:
    if kind == "cell_abundance":
        return Targets(kind=kind, names=CELL_TYPES, values=(fields @ _CELLS).astype(np.float32))
    if kind == "gene_expression":
        expected = log_normalise((fields @ _expression()).astype(np.float32))
        return Targets(kind=kind, names=GENES, values=expected)
    return _targets(kind, fields, noise=np.ones(1))
