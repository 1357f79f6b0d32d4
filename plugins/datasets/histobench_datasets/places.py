"""Where the files of a dataset are looked for."""

import os
from pathlib import Path

import platformdirs

__all__ = ["ENVIRONMENT", "data_places"]

ENVIRONMENT = "HISTOBENCH_DATA"
"""The environment variable that names the folder of all datasets."""


def data_places(name: str, root: Path | None, /) -> list[Path]:
    """List where a dataset may be: ``root`` (or ``HISTOBENCH_DATA``) and its subfolder ``name``, else the cache."""
    given = root or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if given is None:
        return [Path(platformdirs.user_cache_dir("histobench")) / "data" / name]
    return [given, given / name]
