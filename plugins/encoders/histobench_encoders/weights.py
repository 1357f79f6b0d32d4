"""Where the weights of an encoder lie on this machine, or how to get them.

Places, in order: ``$HISTOBENCH_WEIGHTS/<encoder>/``, ``$HISTOBENCH_WEIGHTS/<hub id>/``, the cache of the Hugging Face
hub, and the hub itself with the user's own token. This module imports no torch: planning calls it.
"""

import os
from functools import lru_cache
from pathlib import Path

import platformdirs
import requests
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from histobench import Weights, WeightsError

__all__ = ["PROBE_SECONDS", "WEIGHTS_VARIABLE", "find_weights", "weights_root"]

WEIGHTS_VARIABLE = "HISTOBENCH_WEIGHTS"
"""Environment variable that moves the folder of weights; without it, it lies in the user's cache folder."""

PROBE_SECONDS = 3.0
"""How long the hub may take to answer at all; a download without a network is tried for far longer."""


def weights_root() -> Path:
    """Say which folder holds the weights that a user has put down by hand."""
    given = os.environ.get(WEIGHTS_VARIABLE)
    return Path(given) if given else platformdirs.user_cache_path("histobench") / "weights"


def find_weights(name: str, weights: Weights) -> Path:
    """Find the weights of an encoder, fetching them if they may be had.

    Parameters
    ----------
    name
        The encoder's name.

    Raises
    ------
    WeightsError
        Naming every place looked at, and how to get them.
    """
    folders = [weights_root() / name, weights_root() / weights.hub_id]
    for folder in folders:
        for file in weights.files:
            if (folder / file).is_file():
                return folder / file
    for file in weights.files:
        cached = try_to_load_from_cache(weights.hub_id, file, cache_dir=constants.HF_HUB_CACHE)
        if isinstance(cached, str):
            return Path(cached)
    found, why = _fetch(weights)
    if found is None:
        raise WeightsError(_explain(name, weights, folders=folders, why=why))
    return found


def _fetch(weights: Weights) -> tuple[Path | None, str]:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return None, "the hub was not asked, because HF_HUB_OFFLINE is set"
    if not _answers(constants.ENDPOINT):
        return None, f"{constants.ENDPOINT} does not answer"
    for file in weights.files:
        try:
            path = hf_hub_download(weights.hub_id, file, cache_dir=constants.HF_HUB_CACHE)
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


def _explain(name: str, weights: Weights, *, folders: list[Path], why: str) -> str:
    page = f"{constants.ENDPOINT}/{weights.hub_id}"
    if weights.gated:
        ask = f"They are gated: ask for access at {page}, then run 'hf auth login' and try again"
    else:
        ask = f"They are free at {page}: try again with a network"
    return (
        f"the weights of encoder {name!r} ({' or '.join(weights.files)}) are not to be had: they are not in "
        f"{folders[0]}, {folders[1]} or the Hugging Face cache {constants.HF_HUB_CACHE}, and {why}. {ask}; or put "
        f"{weights.files[0]} into {folders[0]}."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
