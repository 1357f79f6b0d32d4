"""Pictures of predictions: one target over the tissue, or generated and real patches."""

from collections.abc import Sequence
from pathlib import Path

from histobench.contracts.tasks import TASKS
from histobench.data import SlideResult
from histobench.reports.maps.sheets import Row, contact_sheet, generated_sheet
from histobench.reports.maps.spots import MAX_SLIDES, draw_spot_map, most_variable_target, spot_map
from histobench.reports.maps.writing import write_png

__all__ = [
    "MAX_SLIDES",
    "Row",
    "contact_sheet",
    "draw_spot_map",
    "generated_sheet",
    "job_picture",
    "most_variable_target",
    "spot_map",
]


def job_picture(results: Sequence[SlideResult], path: Path, *, title: str = "", unit: str = "") -> bool:
    """Draw the predictions of a job and write a PNG; return whether there is anything to draw.

    Raises
    ------
    DataError
        If there are no results.
    """
    if results and results[0].features is not None:
        write_png(generated_sheet(results, title=title), path)
        return True
    if results and not TASKS[results[0].observed.kind].has_targets:
        return False  # the columns are dimensions of a space of the method
    spot_map(results, path, title=title, unit=unit)
    return True
