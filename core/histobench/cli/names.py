"""Parameters that name installed plugins and complete in the shell."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from histobench.contracts.registry import Registry

if TYPE_CHECKING:
    from histobench.contracts.encoder_card import EncoderCard, Weights

__all__ = ["NAMED_WEIGHTS", "STUDY", "PluginNames", "find_weighted", "options", "settings"]

STUDY = click.option(
    "--study",
    "--out",
    "study",
    type=click.Path(path_type=Path),
    default=Path("histobench-out"),
    help="Folder of the study.",
)
"""The folder of a study that is read: the ``--out`` of its run, by which name it is known as well."""


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
    """Read repeated ``OPTION=VALUE`` of a command that sets options of one thing only; values as in `settings`."""
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
        raise click.BadParameter(f"the value of {key!r} is not understood: {value!r}.", param=parameter) from error


def _name_weights(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    """Keep the files that a user names for encoders, for this process and its workers."""
    del parameter
    if values:
        from histobench.weights.locate import name_files

        for encoder in filter(None, (value.partition("=")[0] for value in values)):
            find_weighted(context.obj.registry, encoder)  # a file of no encoder's would be used by nobody, unsaid
        name_files(values)


def find_weighted(registry: Registry, encoder: str) -> "tuple[EncoderCard, str, Weights]":
    """Give a card, the name under which its files lie, which all its variants share, and its weights.

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
    help="File with an encoder's weights; repeatable. [see `histobench weights where`]",
)
"""The option that names files of encoders' weights; commands need not look at it."""
