"""Finds the weights of an encoder on this machine, or explains how to get them.

Places, in order: the file named in ``HISTOBENCH_WEIGHTS_FILES`` (what ``--weights NAME=FILE`` sets),
``$HISTOBENCH_WEIGHTS/<encoder>/``, ``$HISTOBENCH_WEIGHTS/<hub id>/``, the cache of the Hugging Face hub, and the hub
itself with the user's own token. This module does not import torch, because planning calls it.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import platformdirs
import requests
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

from histobench.contracts.encoder_card import Weights
from histobench.errors import WeightsError
from histobench.files import file_digest, remove_leftovers, replacing

__all__ = [
    "FILES_VARIABLE",
    "PROBE_SECONDS",
    "WEIGHTS_VARIABLE",
    "Located",
    "Place",
    "check_digest",
    "find_file",
    "find_weights",
    "how_to_get",
    "locate_weights",
    "name_files",
    "weights_folders",
    "weights_hash",
    "weights_root",
]

WEIGHTS_VARIABLE = "HISTOBENCH_WEIGHTS"
"""Environment variable that sets the folder of weights; by default it is in the user's cache folder."""

FILES_VARIABLE = "HISTOBENCH_WEIGHTS_FILES"
"""Environment variable that names files: ``encoder=file``, several separated by semicolons."""

_BETWEEN = ";"  # a colon is part of names such as timm:resnet34

PROBE_SECONDS = 3.0
"""Time that the hub has to answer; without this check, a download without a network is retried for minutes."""

Place: TypeAlias = Literal["named file", "weights folder", "hub cache"]
"""Kind of place on this machine that may hold weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Weights that are on this machine."""

    path: Path
    place: Place


def weights_root() -> Path:
    """Return the folder for weights that a user has downloaded."""
    given = os.environ.get(WEIGHTS_VARIABLE)
    return Path(given) if given else platformdirs.user_cache_path("histobench") / "weights"


def weights_folders(name: str, weights: Weights) -> list[Path]:
    """Return the folders that may hold an encoder's files, the preferred first."""
    return [weights_root() / part for part in (name, weights.hub_id) if part]


def name_files(pairs: Iterable[str]) -> None:
    """Add files of weights, as ``encoder=file``, for this process and its child processes.

    Raises
    ------
    WeightsError
        If one is not of this form, or the file does not exist.
    """
    given = list(pairs)
    for pair in given:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise WeightsError(f"weights are named as ENCODER=FILE, got {pair!r}.")
        if not Path(file).is_file():
            raise WeightsError(f"the weights named for encoder {name!r} are not there: no file {file!r}.")
    before = [part for part in os.environ.get(FILES_VARIABLE, "").split(_BETWEEN) if part]
    parts = (pair.partition("=") for pair in given)
    absolute = [f"{name.partition('[')[0]}={Path(file).resolve()}" for name, _, file in parts]  # variants share a file
    os.environ[FILES_VARIABLE] = _BETWEEN.join([*absolute, *before])


def locate_weights(name: str, weights: Weights) -> Located | None:
    """Return an encoder's weights on this machine, or ``None``; the network is not used.

    Raises
    ------
    WeightsError
        If the file that is named for it does not exist; no other file is used instead.
    """
    named = _named_file(name)
    if named is not None:
        return Located(path=named, place="named file")
    for folder in weights_folders(name, weights):
        for file in weights.files:
            if (folder / file).is_file():
                return Located(path=folder / file, place="weights folder")
    for file in weights.files if weights.hub_id else ():
        cached = _from_cache(weights, file)
        if cached is not None:
            return Located(path=cached, place="hub cache")
    return None


def find_weights(name: str, weights: Weights) -> Path:
    """Return the path of an encoder's weights; download them if possible.

    Parameters
    ----------
    name
        The encoder's name.

    Raises
    ------
    WeightsError
        If they are not available; the message lists every place searched, and how to get them.
    """
    located = locate_weights(name, weights)
    if located is not None:
        return located.path
    found, why = _fetch(weights, weights.files)
    if found is None:
        raise WeightsError(_missing(name, weights, why=why))
    return found


def find_file(name: str, weights: Weights, file: str) -> Path:
    """Return the path of a file that accompanies the weights, such as ``config.json``; download it if possible.

    Raises
    ------
    WeightsError
        If it is not available.
    """
    for folder in weights_folders(name, weights):
        if (folder / file).is_file():
            return folder / file
    found = _from_cache(weights, file)
    if found is None:
        found, why = _fetch(weights, (file,))
        if found is None:
            raise WeightsError(_missing(name, weights, why=why, file=file))
    return found


def how_to_get(name: str, weights: Weights, file: str = "") -> str:
    """Return a sentence on how to get an encoder's weights."""
    put = f"put {file or weights.files[0]} into {weights_folders(name, weights)[0]}"
    if not weights.hub_id:
        return f"They are published at {weights.page}: fetch them by hand and {put}."
    page = f"{constants.ENDPOINT}/{weights.hub_id}"
    if weights.gated:
        return f"They are gated: ask for access at {page}, then run 'hf auth login' and try again; or {put}."
    return f"They are free at {page}: try again with a network; or {put}."


def check_digest(path: Path, weights: Weights) -> str:
    """Compare a file with its published digest; return the difference, empty if there is none or no digest."""
    expected = weights.digests.get(path.name)
    if expected is None:
        return ""
    algorithm, _, digest = expected.partition(":")
    found = file_digest(path, algorithm)
    return "" if found == digest else f"its {algorithm} is {found}, published is {digest}"


def weights_hash(path: Path) -> str:
    """Hash a file of weights with SHA-256, once per size and modification time, also across processes."""
    status = path.stat()
    return _hash_content(path.resolve(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _hash_content(path: Path, size: int, mtime_ns: int) -> str:
    # kept with the weights; if the folder cannot be written, the file is hashed again
    note = weights_root() / ".hashes" / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if (known["file"], known["bytes"], known["mtime_ns"]) == (str(path), size, mtime_ns):
            return str(known["sha256"])
    digest = file_digest(path)
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(note.parent)
        with replacing(note) as partial:
            partial.write_text(json.dumps({"file": str(path), "bytes": size, "mtime_ns": mtime_ns, "sha256": digest}))
    return digest


def _named_file(name: str) -> Path | None:
    for pair in os.environ.get(FILES_VARIABLE, "").split(_BETWEEN):
        encoder, _, file = pair.partition("=")
        if encoder == name:
            if not Path(file).is_file():
                raise WeightsError(f"the weights named for encoder {name!r} are not there: no file {file!r}.")
            return Path(file)
    return None


def _from_cache(weights: Weights, file: str) -> Path | None:
    try:
        cached = try_to_load_from_cache(
            weights.hub_id, file, cache_dir=constants.HF_HUB_CACHE, revision=weights.revision
        )
    except HFValidationError as error:
        raise WeightsError(f"{weights.hub_id!r} is not a name of a model on the hub: {_first_line(error)}.") from error
    return Path(cached) if isinstance(cached, str) else None


def _fetch(weights: Weights, files: Iterable[str]) -> tuple[Path | None, str]:
    if not weights.hub_id:
        return None, "they are not on the hub"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return None, "the hub was not asked, because HF_HUB_OFFLINE is set"
    if not _answers(constants.ENDPOINT):
        return None, f"{constants.ENDPOINT} does not answer"
    for file in files:
        try:
            path = hf_hub_download(weights.hub_id, file, cache_dir=constants.HF_HUB_CACHE, revision=weights.revision)
        except Exception as error:  # noqa: BLE001 -- refused, broken off, disk full: the client changes its types
            absent = isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)
            if not absent:
                return None, f"{file} could not be fetched ({_first_line(error)})"
        else:
            return Path(path), ""
    return None, "the hub has none of these files"


@lru_cache(maxsize=8)
def _answers(endpoint: str) -> bool:
    try:
        requests.head(endpoint, timeout=PROBE_SECONDS)
    except requests.RequestException:
        return False
    return True


def _missing(name: str, weights: Weights, *, why: str, file: str = "") -> str:
    places = [str(folder) for folder in weights_folders(name, weights)]
    if weights.hub_id:
        places.append(f"the Hugging Face cache {constants.HF_HUB_CACHE}")
    return (
        f"the weights of encoder {name!r} ({file or ' or '.join(weights.files)}) are not available: they are not in "
        f"{', '.join(places[:-1])}{' or ' if places[:-1] else ''}{places[-1]}, and {why}. "
        f"{how_to_get(name, weights, file)}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
