"""What the bytes of a file hash to: the name of its content wherever it lies."""

import hashlib
from pathlib import Path

__all__ = ["file_digest"]


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hash the bytes of a file, in hexadecimal; it is never held in memory as a whole.

    Raises
    ------
    OSError
        If it cannot be read; the caller knows what it is and what to do.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
