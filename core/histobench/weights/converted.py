"""The converted checkpoint: tensors by the method's own names, and a header with everything else for its ``load``.

The header is JSON before the tensors, so it can be read and checked without reading a tensor.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Json, ValidationError

from histobench.contracts.protocols import Mode
from histobench.data import Kind
from histobench.errors import DataError
from histobench.files import file_digest

__all__ = ["FACTS_FILE", "WEIGHTS_FILE", "Checkpoint", "Header", "is_safetensors", "open_checkpoint", "unpacked"]

FACTS_FILE, WEIGHTS_FILE = "method.json", "weights.safetensors"
"""The files that a method with converted checkpoints loads from its folder."""

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000  # bytes; safetensors' own limit


class Header(BaseModel):
    """The header of a converted file.

    Attributes
    ----------
    histobench
        Version of this header.
    encoder, mode
        The encoder in the method's slot, and how it is used; empty without a slot.
    targets
        Names of the output columns, in order.
    options
        Every option that the method was built with.
    facts
        Content of the ``method.json`` that the method loads.
    source, source_sha256
        The publisher's file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    histobench: str = "1"
    method: str
    kind: Kind
    encoder: str = ""
    mode: Mode | None = None
    targets: tuple[str, ...]
    options: dict[str, Any]  # Any: JSON values
    facts: dict[str, Any]  # Any: JSON values
    source: str
    source_sha256: str

    def as_metadata(self) -> dict[str, str]:
        """Return it as metadata of safetensors, which holds strings."""
        return {"histobench": self.model_dump_json()}


class _Metadata(BaseModel):
    histobench: Json[Header]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A converted file: its path, its header, and the hash of its bytes."""

    path: Path
    header: Header
    sha256: str

    @property
    def identity(self) -> str:
        """The first 16 letters of the hash."""
        return self.sha256[:16]


def open_checkpoint(path: Path) -> Checkpoint:
    """Read the header of a converted file; no tensor is read.

    Raises
    ------
    DataError
        If there is no such file, it is damaged, or `histobench weights convert` did not write it.
    """
    how = "write it with `histobench weights convert`"
    if not path.is_file():
        raise DataError(f"there is no file of weights at {str(path)!r}; {how}.")
    if not is_safetensors(path):
        raise DataError(f"{str(path)!r} is not a whole safetensors file; {how}.")
    metadata = _header(path).get("__metadata__", {})
    if "histobench" not in metadata:
        raise DataError(f"{str(path)!r} holds tensors that no method of histobench can place; {how}.")
    try:
        header = _Metadata.model_validate(metadata).histobench
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{str(path)!r} has a header of another version ({place}: {first['msg']}); {how}.") from error
    return Checkpoint(path, header, file_digest(path))


def is_safetensors(path: Path) -> bool:
    """Return whether a file is a complete safetensors file, by its header and length."""
    try:
        ends = [entry["data_offsets"][1] for name, entry in _header(path).items() if name != "__metadata__"]
        return max(ends, default=0) == path.stat().st_size - _LENGTH_BYTES - _header_bytes(path)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return False


@contextmanager
def unpacked(header: Header, weights: Path) -> Iterator[Path]:
    """Yield a temporary folder with the files of a method's ``save``, for its ``load``."""
    with tempfile.TemporaryDirectory(prefix="histobench-") as name:
        folder = Path(name)
        (folder / FACTS_FILE).write_text(json.dumps(header.facts), encoding="utf-8")
        (folder / WEIGHTS_FILE).symlink_to(weights.resolve())
        yield folder


def _header_bytes(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(_LENGTH_BYTES), "little")


def _header(path: Path) -> Mapping[str, Any]:  # Any: JSON values
    """Read the JSON before the tensors; ``ValueError`` if there is none."""
    n_bytes = _header_bytes(path)
    if not 2 <= n_bytes <= min(_LONGEST_HEADER, path.stat().st_size - _LENGTH_BYTES):
        raise ValueError("no header of this length")
    with path.open("rb") as file:
        file.seek(_LENGTH_BYTES)
        header: Mapping[str, Any] = json.loads(file.read(n_bytes))
    return header
