"""``histobench weights list|check|fetch|where``: the encoders' weights, and how to get missing ones."""

import sys
from typing import TYPE_CHECKING

import click

from histobench.cli.names import PluginNames, find_weighted

if TYPE_CHECKING:
    from histobench.cli import App
    from histobench.contracts.cards import EncoderCard, Weights

__all__ = ["check", "fetch", "list_weights", "where"]

_ENCODERS = PluginNames("encoders")


@click.command("list")
@click.pass_obj
def list_weights(app: "App") -> None:
    """List all encoders, the terms of their weights, and whether they are on this machine; works offline."""
    cards = [card for card in app.registry.encoders if card.expand is None]
    rows = [[card.name, _access(card.weights), card.licence, _seen(card), _state(card)] for card in cards]
    app.output.table(rows, ["encoder", "access", "licence", "pretrained on", "here"])
    if any(row[-1] == "no" for row in rows):
        app.output.result("`histobench weights where ENCODER` explains how to get missing weights.")


@click.command()
@click.argument("encoder", type=_ENCODERS)
@click.pass_obj
def where(app: "App", encoder: str) -> None:
    """Show where an encoder's weights are looked for, and how to get them; works offline."""
    from huggingface_hub import constants

    from histobench.weights.locate import FILES_VARIABLE, how_to_get, locate_weights, weights_folders

    _, name, weights = find_weighted(app.registry, encoder)
    rows = [["named file", f"--weights {name}=FILE or {FILES_VARIABLE}"]]
    folders = weights_folders(name, weights)
    rows += [["weights folder", str(folder / file)] for folder in folders for file in weights.files]
    if weights.hub_id:
        rows.append(["hub cache", constants.HF_HUB_CACHE])
        rows.append(["hub", f"{constants.ENDPOINT}/{weights.hub_id} (revision {weights.revision})"])
    app.output.table(rows, ["place", "looked for"])
    located = locate_weights(name, weights)
    here = f"not here. {how_to_get(name, weights)}" if located is None else f"{located.path} ({located.place})"
    app.output.result(f"{name}: {here}")


@click.command()
@click.argument("encoders", nargs=-1, required=True, type=_ENCODERS)
@click.pass_obj
def fetch(app: "App", encoders: tuple[str, ...]) -> None:
    """Fetch missing weights into the Hugging Face cache, with your own token."""
    from histobench.weights.locate import find_weights, locate_weights

    for encoder in encoders:
        _, name, weights = find_weighted(app.registry, encoder)
        located = locate_weights(name, weights)
        path = find_weights(name, weights) if located is None else located.path
        app.output.result(f"{name}: {'fetched' if located is None else 'is here'}: {path}")


@click.command()
@click.argument("encoders", nargs=-1, type=_ENCODERS)
@click.pass_obj
def check(app: "App", encoders: tuple[str, ...]) -> None:
    """Verify the weights on this machine, of the given encoders or of all; exit code 1 if any are wrong.

    Each file is hashed, compared with its publisher's digest, and loaded into its network strictly.
    """
    from histobench.errors import WeightsError
    from histobench.weights.locate import locate_weights

    asked = encoders or [card.name for card in app.registry.encoders if card.weights is not None]
    checked, wrong = 0, 0
    for encoder in asked:
        card, name, weights = find_weighted(app.registry, encoder)
        try:
            if not encoders and locate_weights(name, weights) is None:
                continue
            checked += 1
            app.output.result(f"{encoder}: {_verified(card, name, weights)}")
        except WeightsError as error:
            wrong += 1
            app.output.result(f"{encoder}: WRONG: {error}")
    app.output.result(f"{checked} checked, {wrong} wrong.")
    sys.exit(1 if wrong else 0)


def _verified(card: "EncoderCard", name: str, weights: "Weights") -> str:
    """Load an encoder's weights as a job does, and describe them."""
    from histobench.errors import WeightsError
    from histobench.weights.locate import check_digest, how_to_get, locate_weights, weights_hash

    located = locate_weights(name, weights)
    if located is None:
        raise WeightsError(f"not here. {how_to_get(name, weights)}")
    complaint = check_digest(located.path, weights)
    if complaint:
        raise WeightsError(f"{located.path}: {complaint}; fetch it again.")
    encoder = card.build(None)
    load = getattr(encoder, "module", None)
    if load is not None:
        load()
    return f"loads strictly, sha256 {weights_hash(located.path)}, {located.path}"


def _access(weights: "Weights | None") -> str:
    if weights is None:
        return "not needed"
    if not weights.hub_id:
        return "by hand"
    return "gated" if weights.gated else "free"


def _seen(card: "EncoderCard") -> str:
    if card.pretrained_on is None:
        return "unknown"
    return ", ".join(card.pretrained_on) or "-"


def _state(card: "EncoderCard") -> str:
    from histobench.errors import WeightsError
    from histobench.weights.locate import locate_weights

    if card.weights is None:
        return "-"
    try:
        located = locate_weights(card.name, card.weights)
    except WeightsError as error:
        return f"no: {error}"
    return "no" if located is None else f"{located.path} ({located.place})"
