"""Findings as files: CSV tables, PNG and SVG figures."""

import csv
import math
from pathlib import Path

import matplotlib as mpl

from histobench.errors import StoreError
from histobench.reports.analyses.findings import Cell, Findings

__all__ = ["write_findings"]


def write_findings(findings: Findings, folder: Path) -> list[Path]:
    """Write every table and figure into a folder, and return the files; the same findings give the same bytes.

    Raises
    ------
    StoreError
        If the folder cannot be written to.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in findings.tables.items():
            path = folder / f"{name}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                columns = list(dict.fromkeys(column for row in rows for column in row))
                writer = csv.DictWriter(file, fieldnames=columns)
                writer.writeheader()
                writer.writerows({column: _cell(row.get(column)) for column in columns} for row in rows)
            written.append(path)
        for name, figure in findings.figures.items():
            # without a fixed salt the identifiers in an SVG differ between runs
            with mpl.rc_context({"svg.hashsalt": "histobench"}):
                figure.savefig(folder / f"{name}.png", bbox_inches="tight")
                figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
            written += [folder / f"{name}.png", folder / f"{name}.svg"]
    except OSError as error:
        raise StoreError(f"the folder {str(folder)!r} cannot be written to: {error}.") from error
    return written


def _cell(value: Cell) -> Cell:
    return None if isinstance(value, float) and not math.isfinite(value) else value
