"""``histobench weights``: encoders' weights, and the conversion of published checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from histobench.cli.encoder_weights import check, fetch, list_weights, where
from histobench.cli.names import DATA_ROOT, PluginNames, settings

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.contracts.cards import MethodCard
    from histobench.contracts.published import Converted
    from histobench.data import Kind
    from histobench.study.checkpoint_conversion import Wanted
    from histobench.weights.converted import Header

__all__ = ["weights"]

_FILE = click.Path(path_type=Path)


@click.group()
def weights() -> None:
    """List, fetch, check and convert weights.

    An encoder's weights are looked for, in order: in the file that --weights ENCODER=FILE or HISTOBENCH_WEIGHTS_FILES
    names, in HISTOBENCH_WEIGHTS/<encoder>/ and HISTOBENCH_WEIGHTS/<hub id>/, in the Hugging Face cache, and on the hub
    with your own token.
    """


for command in (list_weights, check, fetch, where):
    weights.add_command(command)


@weights.command()
@click.argument("method", type=PluginNames("methods"))
@click.argument("file", type=_FILE)
@click.option("--out", required=True, type=_FILE, help="File to write, NAME.safetensors.")
@click.option("--targets", type=_FILE, help="Text file with the names of the output columns, in order, one per line.")
@click.option("--kind", help="Kind of target that the checkpoint predicts. [the method's first]")
@click.option("--dataset", type=PluginNames("datasets"), help="Dataset whose published options and cell types to use.")
@click.option("--encoder", help="Encoder of the checkpoint. [the method's own]")
@click.option("--mode", type=click.Choice(["frozen", "lora", "full"]), help="How the encoder was trained. [published]")
@DATA_ROOT
@click.option("--set", "options", multiple=True, callback=settings, metavar="METHOD.OPTION=VALUE", help="Repeatable.")
@click.pass_obj
def convert(  # one parameter an argument or option
    app: "App",
    method: str,
    file: Path,
    out: Path,
    targets: Path | None,
    kind: str | None,
    dataset: str | None,
    encoder: str | None,
    mode: str | None,
    data_root: Path | None,
    options: dict[str, object],
) -> None:
    """Convert a published checkpoint of METHOD; code inside FILE is never run.

    Evaluate the result without training: `histobench run --methods METHOD --set METHOD.weights=OUT`.
    """
    from histobench.study.checkpoint_conversion import Wanted, convert_file

    card = app.registry.methods.get(method)
    wanted = Wanted(
        source=file,
        out=out,
        kind=_kind(card, kind),
        targets=() if targets is None else _names(targets),
        encoder=f"{encoder or ''}@{mode}" if mode else encoder or "",
        dataset=dataset or "",
        of_dataset={} if dataset is None else _columns(app, dataset, _kind(card, kind), data_root),
        settings=_own(card, options),
    )
    header, converted = convert_file(card, app.registry, wanted)
    _tell(app, wanted, header, converted)


def _tell(app: "App", wanted: "Wanted", header: "Header", converted: "Converted") -> None:
    """Print what was written, what was assumed, and what was left out."""
    from collections import Counter

    filled = f", for the encoder {header.encoder} ({header.mode})" if header.encoder else ""
    app.output.result(f"{wanted.out}: {header.method} with {len(header.targets)} targets{filled}")
    for target, names in wanted.of_dataset.items():
        if not wanted.targets and names == header.targets:
            app.output.warn(
                f"the checkpoint does not name its targets; assuming those of {wanted.dataset}, {target}, in order."
            )
    for why, n in Counter(converted.left_out.values()).items():
        app.output.line(f"left out: {n} tensors: {why}")
    for option, value in converted.options.items():
        if option not in wanted.settings:
            app.output.line(f"set from the checkpoint: {header.method}.{option}={value}")


def _kind(card: "MethodCard", asked: str | None) -> "Kind":
    from histobench.errors import did_you_mean

    kind = next((kind for kind in card.targets if kind == (asked or card.targets[0])), None)
    if kind is None:
        raise did_you_mean(f"kind of target of {card.name!r}", str(asked), card.targets)
    return kind


def _names(file: Path) -> tuple[str, ...]:
    """Read names, one per line; refuse empty and repeated ones, because names identify columns."""
    from histobench.errors import ConfigError

    try:
        names = tuple(file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the names of targets from {str(file)!r}: {error}.") from error
    for place, name in enumerate(names, start=1):
        if not name.strip() or name in names[: place - 1]:
            what = "is repeated" if name.strip() else "is empty"
            raise ConfigError(f"{file}, line {place}: the name {name!r} {what}; write one name per output column.")
    return names


def _columns(app: "App", dataset: str, kind: "Kind", data_root: Path | None) -> dict[str, tuple[str, ...]]:
    """Return the columns of a dataset's targets; genes have none, because each fold chooses its own."""
    from histobench.contracts.tasks import TASKS
    from histobench.errors import HistobenchError

    card = app.registry.datasets.get(dataset)
    found: dict[str, tuple[str, ...]] = {}
    for target in card.targets:
        if target.kind != kind or TASKS[kind].from_counts:
            continue
        try:
            opened = card.build(data_root)
            slides = opened.slides(target.name)
            table = opened.table(slides[0], target.name) if slides else None
        except HistobenchError as error:
            app.output.note(f"the columns of {dataset}'s {target.name} cannot be read: {error}")
            continue
        if table is not None and table.targets is not None:
            found[target.name] = table.targets.names
    return found


def _own(card: "MethodCard", options: "dict[str, object]") -> dict[str, object]:
    from histobench.errors import ConfigError

    for key in options:
        if key.partition(".")[0] != card.name:
            raise ConfigError(f"--set {key}: only options of {card.name!r} affect the conversion.")
    return {key.partition(".")[2]: value for key, value in options.items()}
