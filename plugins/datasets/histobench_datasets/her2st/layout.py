"""The published layout of her2st: slides, patients, folders and folds."""

import hashlib
from importlib.resources import files
from pathlib import Path

from histobench import DataError, PublishedFold, Scheme
from histobench_datasets.places import ENVIRONMENT, data_places

__all__ = [
    "CUCA_4FOLD",
    "LATTICE",
    "PATIENTS",
    "SLIDES",
    "TIERS",
    "counts_path",
    "find_root",
    "git_blob_id",
    "image_folder",
    "labels_path",
    "pick_download_root",
    "proportions_path",
    "read_blob_table",
    "selection_path",
]

_CHUNK_BYTES = 1 << 20

SLIDES = tuple(f"{patient}{number}" for patient in "ABCDEFGH" for number in range(1, 7 if patient < "E" else 4))
"""The 36 sections in order: six of patients A to D, three of E to H."""

LATTICE = (33, 35)
"""Columns and rows of the array of spots."""

TIERS = ("minor", "major", "subset")
"""Resolutions of the cell types: 22, 8 and 41 types."""

# The image names (`HE_BT23567_D2.jpg`) show that E to H are patients of the stnet dataset.
_STNET_PATIENTS = {"E": "23567", "F": "23810", "G": "23903", "H": "24044"}

PATIENTS = {
    slide: f"stnet:{_STNET_PATIENTS[slide[0]]}" if slide[0] in _STNET_PATIENTS else f"her2st:{slide[0]}"
    for slide in SLIDES
}
"""Slide id → patient, in the namespace that all datasets share."""


def _fold(name: str, *, train: str, val: str, test: str) -> PublishedFold:
    """Return the slides of a fold that is defined by patients, as all folds of CUCA are."""
    sides = {
        side: tuple(slide for slide in SLIDES if slide[0] in patients)
        for side, patients in {"train": train, "val": val, "test": test}.items()
    }
    return PublishedFold(name=name, **sides)


CUCA_4FOLD = Scheme(
    name="cuca-4fold",
    title="the four published folds of CUCA, disjoint by patient, with validation slides",
    folds=(
        _fold("0", train="BEFG", val="AC", test="DH"),
        _fold("1", train="BDEF", val="CH", test="AG"),
        _fold("2", train="ABEH", val="DG", test="CF"),
        _fold("3", train="ADFG", val="CH", test="BE"),
    ),
    source="CUCA",
)
"""The folds on which CUCA reports its numbers."""


def counts_path(root: Path, slide_id: str, /) -> Path:
    """Return the path of the raw counts, spots by genes."""
    return root / "data" / "ST-cnts" / f"{slide_id}.tsv.gz"


def selection_path(root: Path, slide_id: str, /) -> Path:
    """Return the path of the list of spots under tissue."""
    return root / "data" / "ST-spotfiles" / f"{slide_id}_selection.tsv"


def image_folder(root: Path, slide_id: str, /) -> Path:
    """Return the folder of the one H&E image, because the name of the image varies."""
    return root / "data" / "ST-imgs" / slide_id[0] / slide_id


def labels_path(root: Path, slide_id: str, /) -> Path:
    """Return the path of the pathologist's labels of the spots."""
    return root / "data" / "ST-pat" / "lbl" / f"{slide_id}_labeled_coordinates.tsv"


def proportions_path(root: Path, tier: str, /) -> Path:
    """Return the path of the archive with the cell-type proportions of all slides."""
    return root / "res" / "ST-deconv" / "props" / f"{tier}.zip"


def find_root(root: Path | None, /) -> Path:
    """Return the folder that holds ``data/ST-cnts``.

    Parameters
    ----------
    root
        That folder, or its parent; ``None`` for the environment variable ``HISTOBENCH_DATA`` (the same two places) or,
        without it, the user's cache.

    Raises
    ------
    DataError
        If it is in none of these places; the message lists them and explains how to get the data.
    """
    places = data_places("her2st", root)
    for place in places:
        if (place / "data" / "ST-cnts").is_dir():
            return place
    looked = ", ".join(f"'{place}'" for place in places)
    raise DataError(
        f"her2st was not found: no folder 'data/ST-cnts' in {looked}; fetch it with `histobench data download her2st`, "
        f"or name its folder with --data-root or {ENVIRONMENT}."
    )


def pick_download_root(root: Path | None, /) -> Path:
    """Return the folder to download to: where the dataset already is, else a folder named ``her2st``."""
    places = data_places("her2st", root)
    here = [place for place in places if (place / "data" / "ST-cnts").is_dir()]
    own = [place for place in places if place.name == "her2st"]
    return (here + own)[0]


def read_blob_table() -> dict[str, str]:
    """Read the git blob id of every file of the published commit: path → SHA-1."""
    text = files("histobench_datasets.her2st").joinpath("git_blobs.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: row[1] for row in rows}


def git_blob_id(path: Path, /) -> str:
    """Hash a file as git does: SHA-1 over ``"blob " + length + NUL + content``, 40 hex digits."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
