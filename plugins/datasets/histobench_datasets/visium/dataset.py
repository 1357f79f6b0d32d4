"""A laboratory's own Visium or Visium HD sections as a dataset: a folder of samples, and ``slides.csv`` about them.

Read is what Space Ranger wrote, by the readers of ``histobench prepare``. Choices made here:

- spots are those that Space Ranger found under tissue, in the matrix's order; one without a single molecule is dropped;
- of Visium HD, spots are windows of bins as wide as a Visium spot, side by side and wholly under tissue. They do not
  overlap as those of ``prepare`` may: a molecule counted at two spots could not be held out of one of them;
- genes that share a symbol are told apart by ``-1``, ``-2``, …, in the matrix's order;
- a patient of this folder is ``visium:<name>``, whichever of the two datasets reads it; a name with a colon is taken as
  it is, so that a patient of another dataset can be named;
- a section without a full-resolution image is read from the picture that Space Ranger kept, which is said;
- patches at the image's edge are filled with white, as everywhere; a spot outside the image is an error.

A sample that is damaged, or not there at all, stays listed: reading it says what is wrong, and costs only itself.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from histobench import Counts, DataError, Slide, SlideImage, SpotTable
from histobench.images import LeveledImage, check_image, open_image
from histobench_datasets.her2st.layout import ENVIRONMENT, data_places
from histobench_datasets.visium.sections import (
    Measured,
    Technology,
    find_outs,
    list_files,
    read_measured,
    tell_mpp,
    tell_technology,
)
from histobench_datasets.visium.slide import open_slide
from histobench_datasets.visium.slides_csv import SLIDES, Section, read_sections
from histobench_datasets.visium.space_ranger import MATRIX, read_scale_factors

__all__ = ["TARGETS", "VisiumSections"]

TARGETS = ("gene_expression",)
"""What can be asked of it."""

_PICTURE = "spatial/tissue_hires_image.png"
_AGREES = 0.1  # of microns per pixel that are given, with those that the spots tell


class VisiumSections:
    """The sections of one technology in a folder.

    Parameters
    ----------
    root
        Folder that holds ``slides.csv``, or the one above it; ``None`` to look in the usual places.
    technology
        Those of the other are left out: their spots lie on another lattice.

    Raises
    ------
    DataError
        If there is no such table, or it is not understood.
    """

    def __init__(self, root: Path | None, technology: Technology) -> None:
        self.technology: Technology = technology
        self.root = _find_root(technology, root)
        self._sections = {section.sample: section for section in read_sections(self.root / SLIDES)}

    def slides(self, target: str) -> Sequence[Slide]:
        """List the sections in the table's order; no counts are read."""
        gone = self.left_out(target)
        return [self._slide(section) for sample, section in self._sections.items() if sample not in gone]

    def left_out(self, target: str) -> Mapping[str, str]:
        """Name sections of the other technology, and folders that the table forgets."""
        self._check_target(target)
        found = {sample: _technology(self.root / sample) for sample in self._sections}
        others = {
            sample: f"it is {_SPOKEN[kind]}: --datasets {kind} reads it"
            for sample, kind in found.items()
            if kind not in (None, self.technology)
        }
        forgotten = {
            folder.name: f"'{SLIDES}' does not name it"
            for folder in sorted(self.root.iterdir())
            if folder.is_dir() and folder.name not in self._sections and find_outs(folder) is not None
        }
        return {**others, **forgotten}

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Read one section's spots and raw counts."""
        section, measured = self._section(slide), self._measured(slide, target)
        mpp, scale = self._mpp(section), self._scale(section)
        counts = measured.counts
        xy_px = measured.xy_px * scale
        return SpotTable(
            slide=self._slide(section),
            spot_ids=counts.barcodes,
            xy_um=xy_px * mpp,
            xy_px=xy_px,
            array=measured.array.copy(),
            lattice="hex" if self.technology == "visium" else "square",
            counts=Counts(names=counts.genes, values=counts.values.toarray()),
        )

    def notes(self, slide: Slide, target: str) -> tuple[str, ...]:
        """Say what was dropped, and where the image is not the full-resolution one."""
        section, measured = self._section(slide), self._measured(slide, target)
        notes = []
        if measured.n_empty:
            n = measured.n_empty + len(measured.xy_px)
            notes.append(f"slide {slide.id!r}: {measured.n_empty} of {n} spots are left out, as nothing was counted.")
        if not section.image:
            notes.append(
                f"slide {slide.id!r}: '{SLIDES}' names no image, so '{_PICTURE}' is read: {self._mpp(section):.3g} µm "
                "per pixel, far coarser than patches ask for."
            )
        return tuple(notes)

    def image(self, slide: Slide) -> SlideImage:
        """Open the section's image after looking whether its spots lie in it."""
        path = self._image_path(section := self._section(slide))
        width, height = _extent(path)
        xy_px = self._measured(slide, TARGETS[0]).xy_px * self._scale(section)
        outside = ((xy_px < 0) | (xy_px > (width, height))).any(axis=1)
        if outside.any():
            x, y = xy_px[int(outside.argmax())]
            raise DataError(
                f"{int(outside.sum())} of {len(xy_px)} spots of slide {slide.id!r} lie outside image '{path}' of "
                f"{width} x {height} pixels, one at ({x:.0f}, {y:.0f}): name the image that Space Ranger was given."
            )
        return open_image(path)

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Hash matrix, positions, scale factors and image with SHA-256, and microns per pixel where given."""
        self._check_target(target)
        section = self._section(slide)
        digests = [
            _digest(path, path.stat().st_size, path.stat().st_mtime_ns) for path in list_files(self._outs(section))
        ]
        digests += [open_image(self._image_path(section)).content_hash(), f"{section.mpp}"]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def _slide(self, section: Section) -> Slide:
        try:
            mpp = self._mpp(section)
        except DataError:
            mpp = None  # the slide stays listed; reading its table says what is wrong with it
        patient = section.patient if ":" in section.patient else f"visium:{section.patient}"
        return Slide(id=section.sample, patient=patient, mpp=mpp)

    def _section(self, slide: Slide) -> Section:
        if slide.id not in self._sections:
            raise DataError(f"'{self.root / SLIDES}' has no sample {slide.id!r}; it has {', '.join(self._sections)}.")
        return self._sections[slide.id]

    def _outs(self, section: Section) -> Path:
        folder = self.root / section.sample
        outs = find_outs(folder)
        if outs is None:
            why = "no readable matrix lies in it" if folder.is_dir() else "there is no such folder"
            raise DataError(
                f"sample '{folder}' ('{SLIDES}', line {section.line}): {why}; Space Ranger's '{MATRIX}' and 'spatial' "
                "must lie there, in its 'outs', or in its folders of bins."
            )
        return outs

    def _measured(self, slide: Slide, target: str) -> Measured:
        self._check_target(target)
        outs = self._outs(self._section(slide))
        kind = tell_technology(outs)
        if kind != self.technology:
            raise DataError(f"'{outs}' is {_SPOKEN[kind]}: --datasets {kind} reads it.")
        return read_measured(outs, self.technology)

    def _mpp(self, section: Section) -> float:
        told = tell_mpp(self._outs(section), self.technology) / self._scale(section)
        if section.mpp is not None and abs(section.mpp / told - 1) > _AGREES:
            raise DataError(
                f"'{self.root / SLIDES}', line {section.line}: 'mpp' of sample {section.sample!r} is {section.mpp:g}, "
                f"but its spots lie as at {told:.4g} µm per pixel; correct it or leave it empty."
            )
        return section.mpp or told

    def _scale(self, section: Section) -> float:
        """Say how many pixels of the section's image one of the full-resolution image becomes."""
        if section.image:
            return 1.0
        spatial = self._outs(section) / "spatial"
        scale = read_scale_factors(spatial).hires
        if scale is None:
            raise DataError(
                f"'{spatial}': the scale factors have no 'tissue_hires_scalef': name an image in '{SLIDES}'."
            )
        return scale

    def _image_path(self, section: Section) -> Path:
        return self.root / section.image if section.image else self._outs(section) / _PICTURE

    def _check_target(self, target: str) -> None:
        if target not in TARGETS:
            raise DataError(f"{self.technology} has no target {target!r}; it has {', '.join(TARGETS)}.")


_SPOKEN: Mapping[Technology, str] = {"visium": "standard Visium", "visium-hd": "Visium HD"}


def _find_root(name: str, root: Path | None) -> Path:
    places = data_places(name, root)
    for place in places:
        if (place / SLIDES).is_file():
            return place
    looked = ", ".join(f"'{place}'" for place in places)
    raise DataError(
        f"{name} is not here: no '{SLIDES}' in {looked}. It is a table of your own samples (columns sample, patient, "
        f"image), beside their folders; --data-root or {ENVIRONMENT} says where it lies."
    )


def _technology(folder: Path) -> Technology | None:
    """Tell what a sample's folder holds; ``None`` where that is not to be told, which reading it explains."""
    outs = find_outs(folder)
    try:
        return None if outs is None else tell_technology(outs)
    except DataError:
        return None


def _extent(path: Path) -> tuple[int, int]:
    """Give width and height of an image without decoding it."""
    if isinstance(open_image(path), LeveledImage):
        slide = open_slide(path)
        return slide.width, slide.height
    return check_image(path)


@lru_cache(maxsize=256)
def _digest(path: Path, _bytes: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
