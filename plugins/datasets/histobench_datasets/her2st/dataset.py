"""her2st: 36 sections of HER2-positive breast cancer from 8 patients, read from the published files.

Legacy Spatial Transcriptomics, spots of 100 µm, 200 µm apart (Andersson et al. 2021, *Nat. Commun.* 12:6012; data
CC BY 4.0, Zenodo 10.5281/zenodo.4751624). Choices made here:

- a spot is used if it is selected, has counts, and has the target; `Her2st.notes` reports what is dropped;
- a spot with zero counts only is dropped: it has no expression, and its proportions were inferred from no data;
- spots are sorted by array row, then column;
- microns per pixel are derived from the lattice, because the images of patient A are smaller than the others;
- cell abundance is stereoscope's proportion, which sums to one over the types; numbers of cells were not published;
- a spot that the pathologist left undetermined has no label.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from histobench import Counts, DataError, Int, Slide, SlideImage, SpotTable, Targets
from histobench.files import file_digest
from histobench.images import check_image, open_image
from histobench_datasets.her2st import files
from histobench_datasets.her2st.join import check_same_slide, join_spots, spot_position
from histobench_datasets.her2st.layout import (
    LATTICE,
    PATIENTS,
    SLIDES,
    TIERS,
    counts_path,
    find_root,
    git_blob_id,
    image_folder,
    labels_path,
    proportions_path,
    read_blob_table,
    selection_path,
)
from histobench_datasets.her2st.table import Matrix

__all__ = ["TARGETS", "Her2st"]

TARGETS = (*(f"cell_abundance:{tier}" for tier in TIERS), "gene_expression", "label")
"""Names of the targets."""

_FETCH = "`histobench data download her2st` fetches it"
_TOO_WIDE = 1.5  # times the whole lattice: the correct image is only a little wider

_Stamp = tuple[int, int]


class Her2st:
    """The dataset in a folder.

    Parameters
    ----------
    root
        Folder that holds ``data`` and ``res``, or its parent; ``None`` to look in the usual places.
    blobs
        Path → git blob id of the expected files; ``None`` for the published files.

    Raises
    ------
    DataError
        If the data are not found.
    """

    def __init__(self, root: Path | None = None, *, blobs: Mapping[str, str] | None = None) -> None:
        self.root = find_root(root)
        self._blobs = read_blob_table() if blobs is None else blobs

    def slides(self, target: str) -> Sequence[Slide]:
        """List the slides that have counts, selection, image and target; only their selections are read."""
        left_out = self.left_out(target)
        return [self._slide(slide_id) for slide_id in SLIDES if slide_id not in left_out]

    def left_out(self, target: str) -> Mapping[str, str]:
        """Return the other slides, with what is missing."""
        _check_target(target)
        reasons = {slide_id: self._find_missing(slide_id, target) for slide_id in SLIDES}
        return {slide_id: reason for slide_id, reason in reasons.items() if reason}

    def table(self, slide: Slide, target: str) -> SpotTable:
        """Read one slide; counts are given with every target."""
        parts = self._read(_check_slide(slide), target)
        spots, _ = parts.join()
        selection, counts, targets = parts.selection, parts.counts, parts.targets
        xy_px = selection.xy_px[_rows(selection.spot_ids, spots)]
        return SpotTable(
            slide=self._slide(slide.id),
            spot_ids=spots,
            xy_um=xy_px * selection.mpp,
            xy_px=xy_px,
            array=np.array([spot_position(spot) for spot in spots], dtype=np.int64),
            lattice="square",
            targets=targets.take(_rows(parts.target_spots, spots)) if targets else None,
            counts=Counts(names=counts.names, values=counts.values[_rows(counts.spot_ids, spots)]),
        )

    def notes(self, slide: Slide, target: str) -> tuple[str, ...]:
        """Report how many spots of each table were dropped, and why."""
        parts = self._read(_check_slide(slide), target)
        return (*parts.notes, *parts.join()[1], *self._altered(slide.id))

    def image(self, slide: Slide) -> SlideImage:
        """Open the slide's image after checking its size against the slide's spots."""
        slide_id = _check_slide(slide)
        found = _list_images(self.root, slide_id)
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise DataError(f"'{image_folder(self.root, slide_id)}' must hold one image (.jpg), found {names}.")
        _check_extent(found[0], check_image(found[0]), self._selection(slide_id))
        return open_image(found[0])

    def _altered(self, slide_id: str) -> list[str]:
        """Report files that differ from the published ones: of another slide, a scaled image, an edited table."""
        found = {path.relative_to(self.root).as_posix(): path for path in self._files(slide_id)}
        return [
            f"'{name}' is not the published file: its git blob id differs."
            for name, path in found.items()
            if name in self._blobs and _blob_id(path, _stamp(path)) != self._blobs[name]
        ]

    def fingerprint(self, slide: Slide, target: str) -> str:
        """Hash counts, selection, image and target of the slide with SHA-256."""
        slide_id = _check_slide(slide)
        _check_target(target)
        paths = self._files(slide_id)
        if target == "label":
            paths.append(labels_path(self.root, slide_id))
        digests = [_digest(path, _stamp(path)) for path in paths]
        if target.startswith("cell_abundance"):
            archive = proportions_path(self.root, target.partition(":")[2])
            digests.append(_digest_proportions(archive, slide_id, _stamp(archive)))
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def _files(self, slide_id: str) -> list[Path]:
        tables = [counts_path(self.root, slide_id), selection_path(self.root, slide_id)]
        return tables + _list_images(self.root, slide_id)

    def _find_missing(self, slide_id: str, target: str) -> str:
        needed = {"counts": counts_path(self.root, slide_id), "selection of spots": selection_path(self.root, slide_id)}
        if target.startswith("cell_abundance"):
            needed["proportions"] = proportions_path(self.root, target.partition(":")[2])
        if target == "label":
            needed["label file"] = labels_path(self.root, slide_id)
        missing = [what for what, path in needed.items() if not path.is_file()]
        if not _list_images(self.root, slide_id):
            missing.append("image")
        if "label file" in missing:
            return "labels were published for one slide of each patient, not for this one"
        if missing:
            return f"no {' and no '.join(missing)} found; {_FETCH}"
        archive = needed.get("proportions")
        if archive and slide_id not in _list_proportions(archive, _stamp(archive)):
            return f"'{archive.name}' has no proportions of it"
        return ""

    def _slide(self, slide_id: str) -> Slide:
        try:
            mpp = self._selection(slide_id).mpp
        except DataError:
            mpp = None  # the slide stays listed; reading its table raises the error
        return Slide(id=slide_id, patient=PATIENTS[slide_id], mpp=mpp)

    def _selection(self, slide_id: str) -> files.Selection:
        path = selection_path(self.root, slide_id)
        return _read_selection(path, _stamp(path))

    def _read(self, slide_id: str, target: str) -> "_Parts":
        _check_target(target)
        path = counts_path(self.root, slide_id)
        parts = _Parts(slide_id=slide_id, selection=self._selection(slide_id), counts=_read_counts(path, _stamp(path)))
        if target == "gene_expression":
            return parts
        if target == "label":
            return _add_labels(parts, labels_path(self.root, slide_id))
        return _add_proportions(parts, proportions_path(self.root, target.partition(":")[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The tables of one slide, before their spots are joined."""

    slide_id: str
    selection: files.Selection
    counts: Matrix
    target_name: str = ""
    target_spots: tuple[str, ...] = ()
    targets: Targets | None = None
    notes: tuple[str, ...] = ()

    def join(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        tables = {"selection": self.selection.spot_ids, "counts": self.counts.spot_ids}
        if self.targets is not None:
            tables[self.target_name] = self.target_spots
        totals = self.counts.values.sum(axis=1)
        empty = [spot for spot, total in zip(self.counts.spot_ids, totals, strict=True) if total == 0]
        return join_spots(self.slide_id, tables, empty=empty)


def _add_proportions(parts: _Parts, archive: Path) -> _Parts:
    matrix = files.read_proportions(archive, parts.slide_id)
    check_same_slide(str(archive), matrix.spot_ids, parts.counts.spot_ids, slide_id=parts.slide_id)
    targets = Targets(kind="cell_abundance", names=matrix.names, values=matrix.values)
    return replace(parts, target_name="proportions", target_spots=matrix.spot_ids, targets=targets)


def _add_labels(parts: _Parts, path: Path) -> _Parts:
    if not path.is_file():
        raise DataError(f"slide {parts.slide_id!r} has no labels: '{path}' does not exist.")
    labels = files.read_labels(path)
    check_same_slide(str(path), (*labels.by_spot, *labels.undetermined), parts.counts.spot_ids, slide_id=parts.slide_id)
    one_hot = np.array([[label == name for name in files.LABELS] for label in labels.by_spot.values()])
    values = one_hot.reshape(-1, len(files.LABELS)).astype(np.float32)
    targets = Targets(kind="label", names=files.LABELS, values=values)
    lost = {
        "spots are left out: the pathologist left them undetermined": len(labels.undetermined),
        "labels are left out: they have no position": labels.n_without_position,
    }
    notes = tuple(f"slide {parts.slide_id!r}: {n_lost} {why}." for why, n_lost in lost.items() if n_lost)
    return replace(parts, target_name="labels", target_spots=tuple(labels.by_spot), targets=targets, notes=notes)


def _check_slide(slide: Slide) -> str:
    if slide.id not in PATIENTS:
        raise DataError(f"her2st has no slide {slide.id!r}; it has {SLIDES[0]} to {SLIDES[-1]}.")
    return slide.id


def _check_target(target: str) -> None:
    if target not in TARGETS:
        raise DataError(f"her2st has no target {target!r}; it has {', '.join(TARGETS)}.")


def _check_extent(path: Path, extent: tuple[int, int], selection: files.Selection) -> None:
    """Check an image's width and height against the positions of its spots."""
    size = f"image '{path}' has the wrong size, {extent[0]} x {extent[1]} pixels"
    outside = (selection.xy_px < 0).any(axis=1) | (selection.xy_px >= extent).any(axis=1)
    if outside.any():
        first = int(outside.argmax())
        x, y = selection.xy_px[first]
        raise DataError(f"{size}: spot '{selection.spot_ids[first]}' at ({x:.0f}, {y:.0f}) is outside.")
    lattice = np.array(LATTICE) * selection.pitch_px
    if (np.array(extent) > _TOO_WIDE * lattice).any():
        raise DataError(f"{size}: the whole array of spots spans only {lattice[0]:.0f} x {lattice[1]:.0f}.")


def _rows(spot_ids: Sequence[str], wanted: Sequence[str]) -> Int:
    place = {spot: row for row, spot in enumerate(spot_ids)}
    return np.array([place[spot] for spot in wanted], dtype=np.int64)


def _list_images(root: Path, slide_id: str) -> list[Path]:
    folder = image_folder(root, slide_id)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))


def _stamp(path: Path) -> _Stamp:
    """Return size and modification time, so that cached contents are used only while the file is unchanged."""
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"'{path}' does not exist; {_FETCH}.") from error
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=4)  # the counts of a slide take up to 45 MB
def _read_counts(path: Path, _stamp: _Stamp) -> Matrix:
    return files.read_counts(path)


@lru_cache(maxsize=64)
def _read_selection(path: Path, _stamp: _Stamp) -> files.Selection:
    return files.read_selection(path)


@lru_cache(maxsize=8)
def _list_proportions(path: Path, _stamp: _Stamp) -> frozenset[str]:
    return files.list_proportions(path)


@lru_cache(maxsize=256)
def _blob_id(path: Path, _state: _Stamp) -> str:
    return git_blob_id(path)


@lru_cache(maxsize=256)
def _digest(path: Path, _stamp: _Stamp) -> str:
    return file_digest(path)


@lru_cache(maxsize=256)
def _digest_proportions(archive: Path, slide_id: str, _stamp: _Stamp) -> str:
    return hashlib.sha256(files.read_proportions_bytes(archive, slide_id)).hexdigest()
