"""The converted file: tensors by the method's own names, and in its header all else that the method's ``load`` needs.

The header is JSON before the tensors: what a file claims can be read, and refused, without reading a tensor.
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
"""What a method that converts checkpoints must load from its folder."""

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000  # bytes; safetensors' own limit


class Header(BaseModel):
    """What a converted file says of itself.

    Attributes
    ----------
    histobench
        Version of this header.
    encoder, mode
        The encoder that fills the method's slot, and what of it is in the file; empty without a slot.
    targets
        Names of the output columns, in order.
    options
        Every option that the method was built with.
    facts
        What the method's ``load`` reads from ``method.json``.
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
        """Write it as safetensors' metadata, which is one string."""
        return {"histobench": self.model_dump_json()}


class _Metadata(BaseModel):
    histobench: Json[Header]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A converted file: where it lies, what it says of itself, and the hash of all its bytes."""

    path: Path
    header: Header
    sha256: str

    @property
    def identity(self) -> str:
        """Name the file's content in few letters."""
        return self.sha256[:16]


def open_checkpoint(path: Path) -> Checkpoint:
    """Read a converted file's header; no tensor is looked at.

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
    """Tell by its header whether this is a whole safetensors file, or begins and ends like none."""
    try:
        ends = [entry["data_offsets"][1] for name, entry in _header(path).items() if name != "__metadata__"]
        return max(ends, default=0) == path.stat().st_size - _LENGTH_BYTES - _header_bytes(path)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return False


@contextmanager
def unpacked(header: Header, weights: Path) -> Iterator[Path]:
    """Lay out a folder as a method's ``save`` would leave it, for its ``load``."""
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
