"""``histobench list`` and ``histobench show``."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.contracts.cards import Card
    from histobench.contracts.registry import Registry

__all__ = ["list_group", "show"]

KINDS = ("methods", "encoders", "datasets", "metrics")


@click.command("list")
@click.argument("what", type=click.Choice([*KINDS, "plugins"]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_group(app: "App", what: str, as_json: bool) -> None:
    """List installed methods, encoders, datasets, metrics or plugins."""
    registry = app.registry if what == "plugins" else app.read_cards(what)
    if as_json:
        app.output.json(_plugins(registry) if what == "plugins" else [_facts(card) for card in getattr(registry, what)])
        return
    if not registry.plugins:
        app.output.result("no plugins installed.")
    if what == "plugins":
        app.output.table([list(entry.values()) for entry in _plugins(registry)], ("name", "version", "status"))
        return
    rows = [[_cell(value) for value in (c.name, c.title, c.licence, _origin(c))] for c in getattr(registry, what)]
    app.output.table(rows, ("name", "title", "licence", "plugin"))
    for broken in registry.broken:
        app.output.warn(f"plugin {broken.name!r} is left out: {broken.cause}")


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(app: "App", name: str, as_json: bool) -> None:
    """Show all facts about a method, encoder, dataset or metric."""
    from histobench.errors import UnknownNameError, did_you_mean

    found: dict[str, dict[str, Any]] = {}  # Any: JSON values
    for kind in KINDS:
        try:
            found[kind[:-1]] = _facts(getattr(app.registry, kind).get(name))
        except UnknownNameError:
            continue
    if not found:
        known = [known for kind in KINDS for known in getattr(app.registry, kind).names()]
        raise did_you_mean("plugin", name, known)
    if as_json:
        app.output.json(found)
        return
    if "method" in found:
        from histobench.cli.page import print_method

        print_method(app.output, app.registry.methods.get(name))
        del found["method"]
    for kind, facts in found.items():
        app.output.result(f"{kind} {name}")
        for key, value in facts.items():
            if value not in ("", None, [], {}):
                app.output.result(f"  {key}: {_cell(value)}")


def _plugins(registry: "Registry") -> list[dict[str, Any]]:  # Any: JSON values
    loaded = [{"name": p.name, "version": p.version, "status": "loaded"} for p in registry.plugins]
    return loaded + [{"name": b.name, "version": "", "status": f"broken: {b.cause}"} for b in registry.broken]


def _facts(card: "Card") -> dict[str, Any]:  # Any: JSON values
    """Turn a card into JSON values; functions and types are left out, options are listed with their defaults."""
    facts = {field.name: _plain(getattr(card, field.name)) for field in fields(card) if field.name != "provenance"}
    facts = {name: value for name, value in facts.items() if value is not _SKIP}
    if card.provenance is not None:
        facts["plugin"] = _origin(card)
    options = getattr(card, "options", None)
    if options is not None:
        facts["options"] = {field.name: _plain(getattr(options(), field.name)) for field in fields(options)}
    return facts


def _origin(card: "Card") -> str:
    return f"{card.provenance.plugin} {card.provenance.version}" if card.provenance is not None else ""


_SKIP = object()


def _plain(value: object) -> Any:  # Any: JSON values
    from collections.abc import Mapping
    from dataclasses import is_dataclass

    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return _SKIP


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_cell(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(inner) for inner in value)
    return "-" if value is None or value == "" else str(value)
