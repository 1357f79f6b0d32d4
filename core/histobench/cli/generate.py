"""``histobench generate``: patches drawn by the fitted method of a finished job."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histobench.cli.names import DATA_ROOT

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.contracts.drawing import Drawer, Drawing
    from histobench.reports.generation import Prompts

__all__ = ["generate"]

_PATH = click.Path(path_type=Path)

_MOST_SEEDS = 100_000  # each seed draws images of every prompt; more is a typing error


@click.command()
@click.argument("job")
@click.option("--study", type=_PATH, default=Path("histobench-out"), help="Folder of the study.")
@click.option("--out", type=_PATH, required=True, help="Folder for the images, a manifest and an overview.")
@click.option("--prompts", type=_PATH, help="Spots as .h5ad with raw counts, or as .npy with log expression.")
@click.option("--clusters", help="For .h5ad: a column of obs, or an .npy of labels; sample spots from each.")
@click.option("--encoded", is_flag=True, help="The .npy holds embeddings, not expression.")
@click.option(
    "--min-genes",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the job's genes that an .h5ad must have; missing genes count as not expressed.",
)
@click.option("--from", "first", metavar="FILE:ROW", help="Start of a path between two prompts.")
@click.option("--to", "second", metavar="FILE:ROW", help="End of the path.")
@click.option("--steps", type=int, default=5, show_default=True, help="Prompts on the path, including both ends.")
@click.option("--n-samples", type=int, default=4, show_default=True, help="Spots per cluster, or images per .npy row.")
@click.option("--seeds", default="0", show_default=True, help="Such as 0,1,4-6; each seed draws its own images.")
@click.option("--same-seed", is_flag=True, help="Use the same latents for every prompt.")
@click.option(
    "--truncation", type=float, default=1.0, show_default=True, help="1: as learned; 0: one image per prompt."
)
@click.option("--noise-mode", type=click.Choice(["const", "random", "none"]), default="const", show_default=True)
@click.option("--translate", default="0,0", metavar="X,Y", help="Shift the drawn image.")
@click.option("--rotate", type=float, default=0.0, metavar="DEGREES", help="Rotate the drawn image.")
@DATA_ROOT
@click.pass_obj
def generate(app: "App", /, job: str, study: Path, out: Path, data_root: Path | None, **asked: Any) -> None:
    """Draw patches with the fitted method of a finished job.

    JOB is a job's id or its first characters. The prompts are spots, rows of numbers, or a path between two of them.
    """
    from histobench.reports.generation import check_folder, write_images

    check_folder(out)
    method = _load(app, job, study, data_root)
    drawing = _drawing(asked)
    prompts = _prompts(app, method, asked)
    if not len(prompts):
        raise click.UsageError("there are no prompts.")
    images = method.draw(prompts.vectors, drawing)
    entries = write_images(out, prompts, images, drawing)
    app.output.result(f"wrote {len(entries)} images of {len(prompts)} prompts to {out}")
    app.output.result(f"manifest: {out / 'manifest.csv'}; overview: {out / 'sheet.png'}")


def _load(app: "App", job: str, study: Path, data_root: Path | None) -> "Drawer":
    """Load the method of a job, given by its id or the first characters of it.

    Raises
    ------
    HistobenchError
        If there is no such job, it did not finish, or its method does not draw.
    """
    from histobench.cli.results import read_records
    from histobench.contracts.tasks import TASKS
    from histobench.errors import ConfigError, did_you_mean
    from histobench.results.store import Store
    from histobench.study.fitted import load_fitted
    from histobench.study.samples import open_assembler

    store = Store(study, write=False)
    known = {record.job_id: record for record in read_records(app, store) if record.status == "done"}
    found = [name for name in known if name.startswith(job)]
    if len(found) != 1:
        drawing = [name for name, record in known.items() if TASKS[record.job.kind].is_judged]
        raise did_you_mean("finished job that draws", job, drawing)
    record = known[found[0]]
    if not TASKS[record.job.kind].is_judged:
        raise ConfigError(f"job {record.job_id} ({record.job.method}) draws nothing: its task is {record.job.target}.")
    method: Any = load_fitted(record, store.folder(record.job_id), open_assembler(record.job, app.registry, data_root))
    if not all(hasattr(method, part) for part in ("genes", "prompts", "encode", "draw")):
        raise ConfigError(f"{record.job.method} cannot draw patches on demand.")
    drawer: Drawer = method
    return drawer


def _drawing(asked: "dict[str, Any]") -> "Drawing":
    from histobench.contracts.drawing import Drawing
    from histobench.errors import ConfigError

    try:
        across, down = (float(part) for part in asked["translate"].split(","))
    except ValueError as error:
        raise ConfigError(f"--translate takes X,Y, such as 0.1,0; got {asked['translate']!r}.") from error
    spots = asked["prompts"] is not None and asked["prompts"].suffix == ".h5ad"
    return Drawing(
        seeds=_seeds(asked["seeds"]),
        n_samples=1 if spots or asked["first"] else asked["n_samples"],
        truncation=asked["truncation"],
        noise_mode=asked["noise_mode"],
        # the latents stay the same along a path
        same_seed=asked["same_seed"] or asked["first"] is not None,
        translate=(across, down),
        rotate=asked["rotate"],
    )


def _seeds(text: str) -> tuple[int, ...]:
    from histobench.errors import ConfigError

    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ConfigError(f"--seeds takes numbers and ranges, such as 0,1,4-6; got {text!r}.")
        wanted = range(int(first), int(last if dash else first) + 1)
        if wanted.stop > 2**32:
            raise ConfigError(f"--seeds takes numbers below 2 to the power of 32, got {wanted.stop - 1}.")
        if len(wanted) > _MOST_SEEDS:
            raise ConfigError(f"--seeds takes ranges of up to {_MOST_SEEDS} numbers, got {len(wanted)}.")
        seeds += wanted
    return tuple(dict.fromkeys(seeds))


def _prompts(app: "App", method: "Drawer", asked: "dict[str, Any]") -> "Prompts":
    from histobench.errors import ConfigError
    from histobench.reports.generation import between, from_counts, from_rows, read_matrix

    path: Path | None = asked["prompts"]
    if (path is None) == (asked["first"] is None) or (asked["first"] is None) != (asked["second"] is None):
        raise ConfigError("give either --prompts FILE, or both --from FILE:ROW and --to FILE:ROW.")
    if asked["clusters"] and (path is None or path.suffix == ".npy"):
        raise ConfigError("--clusters needs --prompts with a file of spots (.h5ad).")
    if path is None:
        first, second = (_row(app, method, asked, end) for end in ("first", "second"))
        return between(first, second, asked["steps"])
    if path.suffix == ".npy":
        return from_rows(method, read_matrix(path), encoded=asked["encoded"])
    if path.suffix != ".h5ad":
        raise ConfigError(f"--prompts takes an .h5ad or .npy file, got {str(path)!r}.")
    if asked["encoded"]:
        raise ConfigError("--encoded needs rows of numbers (.npy), not a file of spots.")
    counts, clusters = _spots(app, method, path, asked)
    return from_counts(method, counts, clusters, n_samples=asked["n_samples"])


def _spots(app: "App", method: "Drawer", path: Path, asked: "dict[str, Any]") -> Any:  # Any: as in `read_counts`
    """Read the counts and labels of an .h5ad file, and print how many of the job's genes it has."""
    from histobench.reports.generation import count_genes
    from histobench.reports.generation.prompts import read_counts

    counts, clusters, warning = read_counts(path, asked["clusters"])
    if warning:
        app.output.warn(warning)
    app.output.line(count_genes(path, counts, method.genes, least=asked["min_genes"]))
    return counts, clusters


def _row(app: "App", method: "Drawer", asked: "dict[str, Any]", end: str) -> Any:  # Any: a numpy array
    """Embed the ``FILE:ROW`` of one end of a path."""
    import numpy as np

    from histobench.errors import ConfigError
    from histobench.reports.generation import read_matrix

    name, colon, number = asked[end].rpartition(":")
    if not colon or not number.isdecimal():
        raise ConfigError(f"a prompt of a path is given as FILE:ROW, got {asked[end]!r}.")
    row, path = int(number), Path(name)
    counts = _spots(app, method, path, asked)[0] if path.suffix == ".h5ad" else None
    matrix = counts.values if counts is not None else read_matrix(path)
    if row >= len(matrix):
        raise ConfigError(f"{name!r} has {len(matrix)} rows, counted from 0; row {row} does not exist.")
    if counts is not None:
        return method.prompts(counts.take(np.array([row])))[0]
    return (matrix if asked["encoded"] else method.encode(matrix))[row]
