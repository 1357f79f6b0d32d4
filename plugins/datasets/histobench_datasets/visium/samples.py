"""The samples that ``histobench prepare dump`` is given by name, and the slide of each."""

from pathlib import Path

from histobench import ConfigError, DataError

__all__ = ["find_slide", "sample_ids"]


def sample_ids(text: str, /) -> list[str]:
    """Split comma-separated sample names.

    Raises
    ------
    ConfigError
        If there are none, or a name repeats.
    """
    ids = [name.strip() for name in text.split(",") if name.strip()]
    if not ids or len(set(ids)) != len(ids):
        raise ConfigError(f"--ids takes unique sample names, separated by commas; got {text!r}.")
    return ids


def find_slide(folder: Path, sample: str, /) -> Path:
    """Find the one file in a folder whose name, without its extension, ends in the sample name.

    Raises
    ------
    DataError
        If the folder is missing, or not exactly one file matches.
    """
    if not folder.is_dir():
        raise DataError(f"the folder of slides '{folder}' does not exist.")
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.stem.endswith(sample))
    exact = [path for path in found if path.stem == sample]
    chosen = exact or found
    if len(chosen) != 1:
        names = ", ".join(path.name for path in chosen) or "none"
        raise DataError(f"'{folder}' must hold one slide whose name ends in {sample!r}, found {names}.")
    return chosen[0]
