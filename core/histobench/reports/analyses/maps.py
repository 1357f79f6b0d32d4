"""Maps of predicted and observed values."""

from histobench.contracts.tasks import TASKS
from histobench.errors import DataError
from histobench.reports.analyses.findings import Cell, Findings, StudyResults, label_of
from histobench.reports.maps import draw_spot_map

__all__ = ["analyse_maps"]


def analyse_maps(study: StudyResults, /) -> Findings:
    """Draw every finished job's test slides, for the target that varies most among them.

    Raises
    ------
    DataError
        If no job is finished.
    """
    figures, rows = {}, []
    for record in study.done():
        if not TASKS[record.job.kind].has_targets:
            continue  # a space of the method has no map
        results = study.predictions(record)
        unit = record.panel.unit if record.panel else ""
        figure, target = draw_spot_map(results, title=f"{label_of(record)}, fold {record.job.fold}", unit=unit)
        name = f"map-{record.job.method}-{record.job_id}"
        figures[name] = figure
        row: dict[str, Cell] = {"method": label_of(record), "fold": record.job.fold, "target": target, "figure": name}
        rows.append(row)
    if not rows:
        raise DataError("no job of this study is finished.")
    return Findings(
        tables={"maps": rows}, figures=figures, notes=["observed and predicted values have separate colour scales."]
    )
