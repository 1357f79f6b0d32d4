"""Your own Visium or Visium HD sections as a dataset: a folder of samples and a table of them, ``slides.csv``.

Space Ranger's output is read by the readers of ``histobench prepare``. Choices made here:

- spots are those that Space Ranger found under tissue, in the order of the matrix; spots without molecules are dropped;
- spots of Visium HD are windows of bins as wide as a Visium spot, adjacent and completely under tissue. Unlike those of
  ``prepare`` they never overlap, because a molecule counted at two spots could not be held out of one of them;
- genes that share a symbol get the suffixes ``-1``, ``-2``, …, in the order of the matrix;
- a patient of this folder is ``visium:<name>`` in both datasets; a name with a colon is used unchanged, so that it can
  refer to a patient of another dataset;
- a section without a full-resolution image is read from the picture that Space Ranger kept, with a note;
- patches at the image's edge are padded with white, as everywhere; a spot outside the image is an error.

A sample that is damaged or missing stays listed. Reading it raises an error, which affects no other sample.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from histobench import Counts, DataError, Slide, SlideImage, SpotTable
from histobench.files import file_digest
from histobench.images import LeveledImage, check_image, open_image
from histobench_datasets.places import ENVIRONMENT, data_places
from histobench_datasets.visium.sections import (
    Measured,
    Technology,
    find_outs,
    list_files,
    read_measured,
    read_mpp,
    read_technology,
)
from histobench_datasets.visium.slide import open_slide
from histobench_datasets.visium.slides_csv import SLIDES, Section, read_sections
from histobench_datasets.visium.space_ranger import MATRIX, read_scale_factors

__all__ = ["TARGETS", "VisiumSections"]

TARGETS = ("gene_expression",)
"""Names of the targets."""

_PICTURE = "spatial/tissue_hires_image.png"
_AGREES = 0.1  # largest relative difference between microns per pixel from the table and from the spots


class VisiumSections:
    """The sections of one technology in a folder.

    Parameters
    ----------
    root
        Folder that holds ``slides.csv``, or its parent; ``None`` to look in the usual places.
    technology
        Sections of the other technology are left out, because their spots form another lattice.

    Raises
    ------
    DataError
        If ``slides.csv`` is not found or invalid.
    """

    def __init__(self, root: Path | None, technology: Technology) -> None:
        self.technology: Technology = technology
        self.root = _find_root(technology, root)
        self._sections = {section.sample: section for section in read_sections(self.root / SLIDES)}

    def slides(self, target: str) -> Sequence[Slide]:
        """List the sections in the order of the table; no counts are read."""
        left_out = self.left_out(target)
        return [self._slide(section) for sample, section in self._sections.items() if sample not in left_out]

    def left_out(self, target: str) -> Mapping[str, str]:
        """Return the sections of the other technology, and the folders that are missing from the table."""
        self._check_target(target)
        found = {sample: _technology(self.root / sample) for sample in self._sections}
        others = {
            sample: f"it is {_TITLES[kind]}: --datasets {kind} reads it"
            for sample, kind in found.items()
            if kind not in (None, self.technology)
        }
        missing = {
            folder.name: f"'{SLIDES}' does not list it"
            for folder in sorted(self.root.iterdir())
            if folder.is_dir() and folder.name not in self._sections and find_outs(folder) is not None
        }
        return {**others, **missing}

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
        """Report dropped spots, and a missing full-resolution image."""
        section, measured = self._section(slide), self._measured(slide, target)
        notes = []
        if measured.n_empty:
            n = measured.n_empty + len(measured.xy_px)
            notes.append(f"slide {slide.id!r}: {measured.n_empty} of {n} spots are left out: they have no counts.")
        if not section.image:
            notes.append(
                f"slide {slide.id!r}: '{SLIDES}' names no image, so '{_PICTURE}' is read: {self._mpp(section):.3g} µm "
                "per pixel, far coarser than patches need."
            )
        return tuple(notes)

    def image(self, slide: Slide) -> SlideImage:
        """Open the section's image after checking that its spots are inside it."""
        path = self._image_path(section := self._section(slide))
        width, height = _extent(path)
        xy_px = self._measured(slide, TARGETS[0]).xy_px * self._scale(section)
        outside = ((xy_px < 0) | (xy_px > (width, height))).any(axis=1)
        if outside.any():
            x, y = xy_px[int(outside.argmax())]
            raise DataError(
                f"{int(outside.sum())} of {len(xy_px)} spots of slide {slide.id!r} are outside image '{path}' of "
                f"{width} x {height} pixels, one at ({x:.0f}, {y:.0f}): name the image that Space Ranger was given."
            )
        return open_image(path)

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Hash matrix, positions, scale factors, image and given microns per pixel with SHA-256."""
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
            mpp = None  # the slide stays listed; reading its table raises the error
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
            why = "it holds no readable matrix" if folder.is_dir() else "the folder does not exist"
            raise DataError(
                f"sample '{folder}' ('{SLIDES}', line {section.line}): {why}; Space Ranger's '{MATRIX}' and 'spatial' "
                "must be there, in its 'outs', or in its folders of bins."
            )
        return outs

    def _measured(self, slide: Slide, target: str) -> Measured:
        self._check_target(target)
        outs = self._outs(self._section(slide))
        kind = read_technology(outs)
        if kind != self.technology:
            raise DataError(f"'{outs}' is {_TITLES[kind]}: --datasets {kind} reads it.")
        return read_measured(outs, self.technology)

    def _mpp(self, section: Section) -> float:
        implied = read_mpp(self._outs(section), self.technology) / self._scale(section)
        if section.mpp is not None and abs(section.mpp / implied - 1) > _AGREES:
            raise DataError(
                f"'{self.root / SLIDES}', line {section.line}: 'mpp' of sample {section.sample!r} is {section.mpp:g}, "
                f"but its spots imply {implied:.4g} µm per pixel; correct it or leave it empty."
            )
        return section.mpp or implied

    def _scale(self, section: Section) -> float:
        """Return the scale of the section's image relative to the full-resolution image."""
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


_TITLES: Mapping[Technology, str] = {"visium": "standard Visium", "visium-hd": "Visium HD"}


def _find_root(name: str, root: Path | None) -> Path:
    places = data_places(name, root)
    for place in places:
        if (place / SLIDES).is_file():
            return place
    looked = ", ".join(f"'{place}'" for place in places)
    raise DataError(
        f"{name} was not found: no '{SLIDES}' in {looked}. It is a table of your own samples (columns sample, patient, "
        f"image), next to their folders; name its folder with --data-root or {ENVIRONMENT}."
    )


def _technology(folder: Path) -> Technology | None:
    """Return the technology of a sample's folder; ``None`` if unreadable, in which case reading it raises an error."""
    outs = find_outs(folder)
    try:
        return None if outs is None else read_technology(outs)
    except DataError:
        return None


def _extent(path: Path) -> tuple[int, int]:
    """Return width and height of an image without decoding it."""
    if isinstance(open_image(path), LeveledImage):
        slide = open_slide(path)
        return slide.width, slide.height
    return check_image(path)


@lru_cache(maxsize=256)
def _digest(path: Path, _bytes: int, _mtime_ns: int) -> str:
    return file_digest(path)
