"""Synthetic tissue: a dataset that needs no download and has a known truth.

Sections are grown (`tissue`), measured (`measurement`) and drawn (`image`) on request, all from one seed; the latest
are cached. The noise-free values behind the targets are given as the oracle, the best possible prediction. Memory use
does not grow with the number of slides and patients.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histobench import Counts, DataError, Float, Slide, SlideImage, SpotTable, Targets, UInt8
from histobench_datasets.synthetic.image import draw_image, patient_mpp
from histobench_datasets.synthetic.labels import label_spots
from histobench_datasets.synthetic.measurement import Measurement, gene_names, measure
from histobench_datasets.synthetic.tissue import CELL_TYPES, Design, Tissue, grow_tissue

__all__ = ["TARGETS", "Synthetic", "generate"]

TARGETS = ("cell_abundance", "gene_expression", "label")
"""Names of the targets."""

_GENERATION = 1  # raise when a change to the generator changes its output


def generate(_root: Path | None, /, *, depth: float = 1.0) -> "Synthetic":
    """Generate the default design, sequenced to ``depth``; no folder is read."""
    return Synthetic(Design(depth=depth))


class Synthetic:
    """Generated sections of generated patients.

    Parameters
    ----------
    design
        How much tissue to make; ``None`` for four patients with two slides of eighty spots each.
    """

    def __init__(self, design: Design | None = None) -> None:
        self.design = design or Design()
        self._places = {
            _slide_id(patient, number): (patient, number)
            for patient in range(self.design.n_patients)
            for number in range(self.design.slides_per_patient)
        }

    def slides(self, target: str) -> Sequence[Slide]:
        """List all slides; each is grown when it is first read."""
        _check_target(target)
        return [
            Slide(id=slide_id, patient=f"synthetic:P{patient + 1}", mpp=patient_mpp(self.design, patient))
            for slide_id, (patient, _) in self._places.items()
        ]

    def left_out(self, target: str) -> Mapping[str, str]:
        """Return nothing: no slide is left out."""
        _check_target(target)
        return {}

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Grow and measure one slide; counts and the oracle are given with every target.

        The arrays are copies, so that changes to them do not affect the cache.
        """
        _check_target(target)
        patient, number = self._place(slide)
        tissue = grow_tissue(self.design, patient, number)
        measured = measure(self.design, patient, number)
        mpp = patient_mpp(self.design, patient)
        targets, truth = _targets(target, tissue, measured), _truth(target, self.design, tissue, measured)
        return SpotTable(
            slide=Slide(id=slide.id, patient=f"synthetic:P{patient + 1}", mpp=mpp),
            spot_ids=tuple(f"{x}x{y}" for x, y in tissue.array),
            xy_um=tissue.spot_xy_um.copy(),
            xy_px=tissue.spot_xy_um / mpp,
            array=tissue.array.copy(),
            lattice=self.design.lattice,
            targets=targets,
            counts=Counts(names=gene_names(self.design), values=measured.counts.copy()),
            oracle=truth,
        )

    def notes(self, slide: Slide, target: str) -> tuple[str, ...]:
        """Return nothing: no spot is dropped."""
        self._place(slide)
        _check_target(target)
        return ()

    def image(self, slide: Slide) -> SlideImage:
        """Return the slide's image, which is drawn when it is read."""
        return DrawnImage(self.design, *self._place(slide))

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Hash all that determines the slide: generator, design, name, target and sequencing depth."""
        self._place(slide)
        depth = "" if self.design.depth == 1 else f" {self.design.depth}"
        text = f"{_GENERATION} {self.design} {slide.id} {target}{depth}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _place(self, slide: Slide) -> tuple[int, int]:
        if slide.id not in self._places:
            raise DataError(f"synthetic has no slide {slide.id!r}; it has {', '.join(self._places)}.")
        return self._places[slide.id]


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """The image of a generated slide; implements ``SlideImage``."""

    design: Design
    patient: int
    number: int

    def content_hash(self) -> str:
        """Hash all that determines the image, which does not depend on depth; drawing is reproducible to the bit."""
        text = f"synthetic {_GENERATION} {self.design} {self.patient} {self.number}"
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self) -> UInt8:
        """Draw the image: (h, w, 3) uint8 RGB."""
        return draw_image(self.design, self.patient, self.number)


def _targets(target: str, tissue: Tissue, measured: Measurement) -> Targets | None:
    if target == "label":
        return label_spots(tissue)
    return _cells(measured.abundance) if target == "cell_abundance" else None


def _truth(target: str, design: Design, tissue: Tissue, measured: Measurement) -> Targets:
    if target == "label":
        return label_spots(tissue)
    return _cells(measured.cells) if target == "cell_abundance" else _expected_expression(design, measured)


def _cells(values: Float) -> Targets:
    names = tuple(cell.name for cell in CELL_TYPES)
    return Targets(kind="cell_abundance", names=names, values=values.copy())


def _expected_expression(design: Design, measured: Measurement) -> Targets:
    """Log-normalise the expected counts as the platform normalises observed ones: ln(1 + counts per 10,000)."""
    expected = measured.expected_counts
    values: Float = np.log1p(1e4 * expected / expected.sum(axis=1, keepdims=True)).astype(np.float32)
    return Targets(kind="gene_expression", names=gene_names(design), values=values)


def _slide_id(patient: int, number: int) -> str:
    return f"P{patient + 1}S{number + 1}"


def _check_target(target: str) -> None:
    if target not in TARGETS:
        raise DataError(f"synthetic has no target {target!r}; it has {', '.join(TARGETS)}.")
