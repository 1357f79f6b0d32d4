"""``slides.csv``: the sections of a study, the patient of each, and the path of its image.

Columns are ``sample`` (a folder next to the file), ``patient``, ``image`` (relative to the file's folder, or absolute;
empty for the picture that Space Ranger kept) and, optionally, ``mpp``. Other columns are ignored.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from histobench import DataError

__all__ = ["SLIDES", "Section", "read_sections"]

SLIDES = "slides.csv"
"""The name of the table."""

_REQUIRED = ("sample", "patient", "image")
_MPP = "mpp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One line of the table.

    Attributes
    ----------
    line
        Line number in the file, for messages.
    image
        As written in the file; empty for the picture that Space Ranger kept.
    mpp
        Microns per pixel of the image; ``None`` to derive them from the spots.
    """

    line: int
    sample: str
    patient: str
    image: str
    mpp: float | None


def read_sections(path: Path, /) -> tuple[Section, ...]:
    """Read the lines of the table in order; empty lines are skipped.

    Raises
    ------
    DataError
        If the file is not a comma-separated table, a column is missing, a line has no sample or patient or an invalid
        number, or a sample repeats; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes a byte order mark
            reader = csv.DictReader(file, restval="", strict=True, skipinitialspace=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is not a comma-separated table: {error}.") from error
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise DataError(
            f"'{path}' has no column {missing[0]!r}; its first line must name {', '.join(_REQUIRED)} and may name "
            f"{_MPP}, separated by commas, found {', '.join(columns) or 'nothing'}."
        )
    sections = tuple(_section(path, line, row) for line, row in rows if any(row.values()))
    if not sections:
        raise DataError(f"'{path}' has no samples: add one line per sample below {','.join(columns)}.")
    seen: dict[str, int] = {}
    for section in sections:
        if section.sample in seen:
            lines = f"lines {seen[section.sample]} and {section.line}"
            raise DataError(f"'{path}', {lines}: sample {section.sample!r} repeats; each line must be one section.")
        seen[section.sample] = section.line
    return sections


def _section(path: Path, line: int, row: Mapping[str, str]) -> Section:
    here = f"'{path}', line {line}"
    if None in row:
        raise DataError(f"{here} has more fields than the first line has columns: put quotes around a comma.")
    cells = {name: cell.strip() for name, cell in row.items()}
    sample = cells["sample"]
    if not sample or Path(sample).name != sample:
        raise DataError(f"{here}: 'sample' must name a folder next to {SLIDES}, without a slash, found {sample!r}.")
    if not cells["patient"]:
        raise DataError(
            f"{here}: sample {sample!r} has no patient, which is needed to keep training and test patients apart: "
            "write any name that this patient's sections share."
        )
    return Section(
        line=line,
        sample=sample,
        patient=cells["patient"],
        image=cells["image"],
        mpp=_number(here, cells.get(_MPP, "")),
    )


def _number(here: str, cell: str) -> float | None:
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise DataError(f"{here}: {_MPP!r} must be microns per pixel, or empty, found {cell!r}.")
    return number
