"""``histobench embed``: compute embeddings ahead of a study and keep them in the cache."""

import sys
from typing import TYPE_CHECKING, Any

import click

from histobench.cli.names import DATA_ROOT, NAMED_WEIGHTS, PluginNames

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.study.embed_ahead import Embedded

__all__ = ["embed"]


@click.command()
@click.option("--encoders", required=True, type=PluginNames("encoders"), help="Comma-separated.")
@NAMED_WEIGHTS
@click.option("--datasets", type=PluginNames("datasets"), help="Comma-separated. [synthetic]")
@click.option("--targets", help="KIND or KIND:VARIANT, as for `run`: embed its spots. [the dataset's first]")
@DATA_ROOT
@click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N. [auto]")
@click.option("--workers", type=int, help="Worker processes, which share the slides. [one per GPU]")
@click.option("--embed-precision", help="fp32, fp16 or bf16, the same as for `run`. [GPU: the encoder's; CPU: fp32]")
@click.option("--allow-upsampling", is_flag=True, help="Enlarge slides that are coarser than an encoder needs.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Patches per batch; halved if memory runs out. [found]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads that read and cut patches. [up to 4]")
@click.option("--compile", "compiled", is_flag=True, help="Compile the network with torch; faster in long runs.")
@click.pass_obj
def embed(  # one parameter an argument or option
    app: "App", /, batch_size: int | None, threads: int | None, compiled: bool, workers: int | None, **given: Any
) -> None:  # Any: values of many options
    """Compute embeddings of datasets with frozen encoders, ahead of a study.

    Run the same command again to resume.
    """
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
        app.output.note(f"already in the cache: {name}")
    else:
        speed = result.n_spots / max(result.seconds, 1e-9)
        app.output.line(f"embedded: {name}, {result.n_spots} patches, {speed:.3g} per second")


def _sum_up(app: "App", done: "list[Embedded]") -> None:
    from histobench.cache import Cache

    there = sum(result.was_there for result in done)
    failed = sum(bool(result.error) for result in done)
    app.output.result(
        f"{len(done) - there - failed} slides embedded, {there} were in the cache, {failed} failed: {Cache().root}"
    )
