"""``histobench export``: finished jobs as AnnData files."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import PluginNames

if TYPE_CHECKING:
    from histobench.cli import App

__all__ = ["export"]


@click.command()
@click.option("--study", type=click.Path(path_type=Path), default=Path("histobench-out"), help="Folder of the study.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Output folder, with one folder per job.")
@click.option("--methods", type=PluginNames("methods"), help="Only these. [all of the study]")
@click.option("--target", help="Only this target, such as enhance. [all]")
@click.pass_obj
def export(app: "App", study: Path, out: Path, methods: str | None, target: str | None) -> None:
    """Write the test slides of finished jobs as AnnData files (.h5ad).

    Predictions are in layers["enhanced"] or layers["predicted"], latents and positions in obsm.
    """
    from histobench.cli.results import read_records
    from histobench.errors import DataError, did_you_mean
    from histobench.reports.anndata import export_slide, file_name
    from histobench.results.store import Store, read_predictions

    store = Store(study, write=False)
    wanted = None if methods is None else {name.strip() for name in methods.split(",")}
    records = read_records(app, store)
    for kind, asked, known in (
        ("method", wanted or (), {record.job.method for record in records}),
        ("target", [target] if target else (), {record.job.target for record in records}),
    ):
        for name in sorted(set(asked) - known):
            raise did_you_mean(f"{kind} in this study", name, known)
    written = 0
    for record in records:
        job = record.job
        if record.status != "done" or (wanted and job.method not in wanted) or target not in (None, job.target):
            continue
        try:
            results = read_predictions(store.folder(record.job_id).predictions)
        except DataError as error:
            app.output.warn(f"job {record.job_id} is left out: {error}")
            continue
        for result in results:
            export_slide(result, job, out / f"{job.method}-{record.job_id}" / file_name(result.slide_id))
            written += 1
    if not written:
        raise DataError("no finished job of this study matches --methods and --target; nothing was written.")
    app.output.result(f"wrote {written} slides to {out}")
