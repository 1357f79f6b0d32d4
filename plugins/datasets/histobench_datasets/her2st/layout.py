"""Where the publisher of her2st puts what: slides, patients, folders, and the published folds."""

import hashlib
import os
from importlib.resources import files
from pathlib import Path

import platformdirs

from histobench import DataError, PublishedFold, Scheme

__all__ = [
    "CUCA_4FOLD",
    "ENVIRONMENT",
    "LATTICE",
    "PATIENTS",
    "SLIDES",
    "TIERS",
    "counts_path",
    "data_places",
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

ENVIRONMENT = "HISTOBENCH_DATA"
"""The environment variable that names the folder of all datasets."""

SLIDES = tuple(f"{patient}{number}" for patient in "ABCDEFGH" for number in range(1, 7 if patient < "E" else 4))
"""The 36 sections in order: six of patients A to D, three of E to H."""

LATTICE = (33, 35)
"""Columns and rows of the array of spots."""

TIERS = ("minor", "major", "subset")
"""Resolutions of the cell types: 22, 8 and 41 of them."""

# The image names (`HE_BT23567_D2.jpg`) show that E to H are patients of the stnet data set.
_STNET_PATIENTS = {"E": "23567", "F": "23810", "G": "23903", "H": "24044"}

PATIENTS = {
    slide: f"stnet:{_STNET_PATIENTS[slide[0]]}" if slide[0] in _STNET_PATIENTS else f"her2st:{slide[0]}"
    for slide in SLIDES
}
"""Slide id → patient, in the namespace that the data sets share."""


def _fold(name: str, *, train: str, val: str, test: str) -> PublishedFold:
    """Spell out a fold that is given by patients, as all of CUCA's are."""
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
    """Place the raw counts, spots by genes."""
    return root / "data" / "ST-cnts" / f"{slide_id}.tsv.gz"


def selection_path(root: Path, slide_id: str, /) -> Path:
    """Place the list of spots under tissue."""
    return root / "data" / "ST-spotfiles" / f"{slide_id}_selection.tsv"


def image_folder(root: Path, slide_id: str, /) -> Path:
    """Place the folder of the one H&E image, whose name varies."""
    return root / "data" / "ST-imgs" / slide_id[0] / slide_id


def labels_path(root: Path, slide_id: str, /) -> Path:
    """Place the pathologist's labels of the spots."""
    return root / "data" / "ST-pat" / "lbl" / f"{slide_id}_labeled_coordinates.tsv"


def proportions_path(root: Path, tier: str, /) -> Path:
    """Place the archive of the cell-type proportions of all slides."""
    return root / "res" / "ST-deconv" / "props" / f"{tier}.zip"


def find_root(root: Path | None, /) -> Path:
    """Find the folder that holds ``data/ST-cnts``.

    Parameters
    ----------
    root
        That folder, or the folder above it; ``None`` for the environment variable ``HISTOBENCH_DATA`` (the same two
        places), and without that the user's cache.

    Raises
    ------
    DataError
        If it is in none of these places; the message lists them and says how to get the data.
    """
    places = data_places("her2st", root)
    for place in places:
        if (place / "data" / "ST-cnts").is_dir():
            return place
    looked = ", ".join(f"'{place}'" for place in places)
    raise DataError(
        f"her2st is not here: no folder 'data/ST-cnts' in {looked}; `histobench data download her2st` fetches it, "
        f"--data-root or {ENVIRONMENT} says where it lies."
    )


def pick_download_root(root: Path | None, /) -> Path:
    """Choose the folder to download into: where the data set already is, else a folder ``her2st`` of its own."""
    places = data_places("her2st", root)
    here = [place for place in places if (place / "data" / "ST-cnts").is_dir()]
    own = [place for place in places if place.name == "her2st"]
    return (here + own)[0]


def data_places(name: str, root: Path | None, /) -> list[Path]:
    """List where a dataset may lie: the folder given (or ``HISTOBENCH_DATA``) and its own in it, else in the cache."""
    given = root or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if given is None:
        return [Path(platformdirs.user_cache_dir("histobench")) / "data" / name]
    return [given, given / name]


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
