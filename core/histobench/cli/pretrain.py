"""``histobench pretrain``: train an encoder on slides without labels."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.names import DATA_ROOT, PluginNames, options

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.contracts.cards import DatasetCard
    from histobench.weights.facts import PretrainedFacts
    from histobench.weights.pretraining import Asked

__all__ = ["pretrain"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--method", default="dino", show_default=True, help="dino, simclr or mae.")
@click.option("--datasets", required=True, type=PluginNames("datasets"), help="Comma-separated.")
@DATA_ROOT
@click.option("--slides", default="", help="Comma-separated slide ids. [all]")
@click.option("--exclude-patients", default="", help="Comma-separated; do not use their slides.")
@click.option("--encoder", default="vit-small", show_default=True, type=PluginNames("encoders"))
@click.option("--patch-px", type=click.IntRange(min=1), help="Side of the patches. [the encoder's own]")
@click.option("--epochs", default=100, show_default=True, type=click.IntRange(min=0), help="0 keeps random weights.")
@click.option("--batch", default=64, show_default=True, type=click.IntRange(min=2), help="Patches per step.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after this time at the latest.")
@click.option("--set", "values", multiple=True, callback=options, metavar="OPTION=VALUE", help="Repeatable.")
@click.option("--seed", default=0, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", default="32-true", show_default=True, type=click.Choice(["32-true", "bf16-mixed"]))
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [all]")
@click.option("--out", required=True, type=_FILE, help="File to write, NAME.safetensors.")
@click.pass_obj
def pretrain(app: "App", /, out: Path, values: dict[str, object], threads: int | None, **given: object) -> None:
    """Train an encoder on slides without labels, with DINO, SimCLR or MAE.

    The file lists the patients that the encoder has seen. Exclude the patients of your test slides with
    --exclude-patients; results on patients that the encoder has seen are marked. Run the same command again to
    resume. Needs lightly: pip install 'histobench[pretrain]'.
    """
    import os

    from histobench.errors import ConfigError
    from histobench.results.provenance import limit_threads

    try:
        from histobench.weights.pretraining import make_weights
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("lightly"):
            raise
        raise ConfigError("pretraining needs lightly: pip install 'histobench[pretrain]'.") from error
    if out.suffix != ".safetensors":
        raise ConfigError(f"--out must be a file that ends in .safetensors, got {str(out)!r}.")
    asked = _asked(app, values, given)
    with limit_threads(threads or os.cpu_count() or 1):
        facts = make_weights(
            asked,
            out,
            report=lambda epoch, numbers: app.output.line(
                f"epoch {epoch}: loss {numbers['loss']:.4f}, {numbers['share']:.0%} of the training"
            ),
            tell=app.output.warn,
        )
    _tell(app, facts, out)


def _asked(app: "App", values: dict[str, object], given: dict[str, object]) -> "Asked":
    from histobench.cli.run import settle_device
    from histobench.weights.pretraining import Asked, Budget, Choice, settle_options

    return Asked(
        encoder=app.registry.encoders.get(str(given["encoder"])),
        datasets=_datasets(app, str(given["datasets"])),
        options=settle_options(str(given["method"]), values),
        budget=Budget(epochs=given["epochs"], batch=given["batch"], minutes=given["minutes"]),  # type: ignore[arg-type]  # click's
        choice=Choice(slides=_names(str(given["slides"])), exclude_patients=_names(str(given["exclude_patients"]))),
        patch_px=given["patch_px"],  # type: ignore[arg-type]  # click's
        data_root=given["data_root"],  # type: ignore[arg-type]  # click's
        seed=given["seed"],  # type: ignore[arg-type]  # click's
        device=settle_device(str(given["device"]), workers=1),
        precision=str(given["precision"]),
    )


def _datasets(app: "App", names: str) -> "tuple[DatasetCard, ...]":
    return tuple(app.registry.datasets.get(name) for name in _names(names))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _tell(app: "App", facts: "PretrainedFacts", out: Path) -> None:
    from histobench.weights.locate import weights_root

    slides = sum(len(slides) for slides in facts.slides.values())
    app.output.result(
        f"{out}: {facts.encoder} after {facts.steps} steps of {facts.method} in {facts.seconds:.0f} s, "
        f"{facts.passes:g} passes over {facts.n_patches} patches of {slides} slides of {', '.join(facts.patients)}"
    )
    placed = out.name == "model.safetensors" and out.resolve().parent.parent == weights_root().resolve()
    name = out.resolve().parent.name if placed else out.stem
    where = "" if placed else f" --weights {name}={out}"
    app.output.result(f"use it: histobench run --encoders pretrained:{name}@frozen{where}")
