"""``histobench embed``: fill the cache with embeddings, so that every later `run` finds them there."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from histobench.cli.names import NAMED_WEIGHTS, PluginNames

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.study.embed_ahead import Embedded

__all__ = ["embed"]


@click.command()
@click.option("--encoders", required=True, type=PluginNames("encoders"), help="Comma-separated.")
@NAMED_WEIGHTS
@click.option("--datasets", type=PluginNames("datasets"), help="Comma-separated. [synthetic]")
@click.option("--targets", help="Whose spots: KIND or KIND:VARIANT, as `run` is given. [the dataset's first]")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
@click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N. [auto]")
@click.option("--workers", type=int, help="Worker processes, which share the slides. [one for each GPU]")
@click.option("--embed-precision", help="fp32, fp16 or bf16; give `run` the same. [own on a GPU, fp32 on a CPU]")
@click.option("--allow-upsampling", is_flag=True, help="Enlarge slides coarser than an encoder wants.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Patches at a time; halved if too many. [found]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads that cut and read patches. [up to 4]")
@click.option("--compile", "compiled", is_flag=True, help="Let torch compile the network; pays on long runs.")
@click.pass_obj
def embed(  # one parameter an argument or option
    app: "App", /, batch_size: int | None, threads: int | None, compiled: bool, workers: int | None, **given: Any
) -> None:  # Any: values of many options
    """Embed datasets with frozen encoders, once; run it again to go on where it stopped."""
    import os

    from histobench.cli.run import list_gpus, settle_device
    from histobench.images.embedding import Compute
    from histobench.study.config import RunConfig
    from histobench.study.embed_ahead import Extraction, embed_datasets, plan_extraction
    from histobench.study.executors import LocalProcesses

    gpus = list_gpus()
    shared = workers or (len(gpus) if given["device"] in ("auto", "cuda") and gpus else 1)
    device = settle_device(given.pop("device"), shared)
    config = RunConfig.read(None, {**given, "workers": shared, "device": device})
    cores = max(1, (os.cpu_count() or 1) // config.workers)
    how = Compute(device=device, batch_size=batch_size, workers=threads or min(4, cores), compiled=compiled)
    extraction = Extraction(
        registry=app.registry,
        how=how,
        threads=cores,
        data_root=config.data_root,
        allow_upsampling=config.allow_upsampling,
    )
    parts = plan_extraction(config, app.registry)
    executor = LocalProcesses(config.workers, gpus=gpus) if config.workers > 1 else None
    done = []
    with app.output.progress(sum(len(part.slides) for part in parts)) as bar:
        for result in embed_datasets(parts, extraction, executor):
            done.append(result)
            _tell(app, result)
            bar.step()
    _sum_up(app, done)
    sys.exit(1 if any(result.error for result in done) else 0)


def _tell(app: "App", result: "Embedded") -> None:
    name = f"{result.encoder}, {result.dataset} {result.slide}"
    for note in result.notes:
        app.output.warn(note)
    if result.error:
        app.output.warn(f"failed: {name}: {result.error}")
    elif result.was_there:
        app.output.note(f"in the cache: {name}")
    else:
        speed = result.n_spots / max(result.seconds, 1e-9)
        app.output.line(f"embedded: {name}, {result.n_spots} patches, {speed:.3g} a second")


def _sum_up(app: "App", done: "list[Embedded]") -> None:
    from histobench.cache import Cache

    there = sum(result.was_there for result in done)
    failed = sum(bool(result.error) for result in done)
    app.output.result(
        f"{len(done) - there - failed} slides embedded, {there} were in the cache, {failed} failed: {Cache().root}"
    )
