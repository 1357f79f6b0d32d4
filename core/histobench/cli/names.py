"""Options that several commands share, and names of plugins that complete in the shell."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from histobench.contracts.registry import Registry

if TYPE_CHECKING:
    from histobench.contracts.encoder_card import EncoderCard, Weights

__all__ = ["DATA_ROOT", "NAMED_WEIGHTS", "STUDY", "PluginNames", "find_weighted", "options", "settings"]

STUDY = click.option(
    "--study",
    "--out",
    "study",
    type=click.Path(path_type=Path),
    default=Path("histobench-out"),
    show_default=True,
    help="Folder of the study.",
)
"""The folder of a study to read; also called ``--out``, as when the study was run."""

DATA_ROOT = click.option("--data-root", type=click.Path(path_type=Path), help="Folder with the dataset's files.")
"""Where the files of datasets are."""


class PluginNames(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A comma-separated list of plugin names of one kind: ``methods``, ``encoders``, ``datasets``, ``metrics``."""

    name = "names"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete the last name of the list."""
        del ctx, param
        before, comma, last = incomplete.rpartition(",")
        names = getattr(Registry.load(), self._kind).names()
        return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(last)]


def settings(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, object]:
    """Read repeated ``NAME.OPTION=VALUE``; values are YAML scalars or lists."""
    del context
    found: dict[str, object] = {}
    for text in values:
        if "." not in text.partition("=")[0]:
            raise click.BadParameter(f"expected NAME.OPTION=VALUE, got {text!r}.", param=parameter)
        key, value = _setting(text, parameter, "NAME.OPTION=VALUE")
        found[key] = value
    return found


def options(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, object]:
    """Read repeated ``OPTION=VALUE``; values as in `settings`."""
    del context
    return dict(_setting(text, parameter, "OPTION=VALUE") for text in values)


def _setting(text: str, parameter: click.Parameter, shape: str) -> tuple[str, object]:
    import yaml

    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"expected {shape}, got {text!r}.", param=parameter)
    try:
        return key.strip(), yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise click.BadParameter(f"cannot read the value of {key!r}: {value!r}.", param=parameter) from error


def _name_weights(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    """Remember the weights files that a user names, for this process and its workers."""
    del parameter
    if values:
        from histobench.weights.locate import name_files

        for encoder in filter(None, (value.partition("=")[0] for value in values)):
            find_weighted(context.obj.registry, encoder)  # the file of an unknown encoder would be ignored
        name_files(values)


def find_weighted(registry: Registry, encoder: str) -> "tuple[EncoderCard, str, Weights]":
    """Return the card of an encoder, the name of its folder of weights, which all variants share, and its weights.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such encoder, or it needs no weights.
    """
    from histobench.errors import ConfigError

    card = registry.encoders.get(encoder)
    if card.weights is None:
        raise ConfigError(f"encoder {encoder!r} needs no weights.")
    return card, encoder.partition("[")[0], card.weights


NAMED_WEIGHTS = click.option(
    "--weights",
    multiple=True,
    expose_value=False,
    callback=_name_weights,
    metavar="ENCODER=FILE",
    help="File with an encoder's weights; repeatable. See `histobench weights where`.",
)
"""The option for files of weights; its callback does the work, and commands do not receive it."""
