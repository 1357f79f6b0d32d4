"""Checks of an encoder, on three generated patches."""

from typing import TypeGuard

import numpy as np
import torch
from torch import nn

from histobench.contracts.cards import EncoderCard
from histobench.contracts.protocols import Encoder, PatchGeometry, TrainableEncoder
from histobench.data import Float, UInt8
from histobench.errors import ContractError
from histobench.testing.facts import check_facts, expect, untouched
from histobench.training import seeded

__all__ = ["check_encoder"]

_PATCHES = 3


def check_encoder(card: EncoderCard, /, *, geometry: PatchGeometry | None = None) -> None:
    """Prove that an encoder keeps the contract.

    Of a family (``timm:<name>``) only the card is checked; check a member, ``card.expand("resnet18")``, as well.

    Parameters
    ----------
    geometry
        The patch to build it for; ``None`` for its published one.

    Raises
    ------
    ContractError
        Naming the encoder and the first broken promise.
    WeightsError
        If its weights are not on this machine.
    """
    check_facts(card, "encoder")
    if card.expand is not None:
        return
    it = f"encoder {card.name!r}"
    if card.find_weights is not None:
        card.find_weights()
    encoder = card.build(geometry)
    side = encoder.geometry.patch_px
    expect(encoder.geometry == (geometry or card.geometry), f"{it}: it takes other patches than the card states.")
    expect(card.dim in (None, encoder.dim), f"{it}: the card states {card.dim} dimensions, it has {encoder.dim}.")
    patches = np.random.default_rng(0).integers(0, 256, (_PATCHES, side, side, 3), dtype=np.uint8)
    patches[1:] //= np.arange(2, _PATCHES + 1, dtype=np.uint8)[:, None, None, None]
    embeddings = _embed(it, encoder, patches)
    _check_embeddings(it, encoder, patches, embeddings)
    _check_identity(it, encoder, card.build(geometry), patches, embeddings)
    if card.trainable:
        _check_module(it, card, encoder, patches)


def _embed(it: str, encoder: Encoder, patches: UInt8) -> Float:
    with untouched(f"{it}: embed", patches):
        embeddings = encoder.embed(patches)
    shape = (len(patches), encoder.dim)
    expect(np.shape(embeddings) == shape, f"{it}: embeddings must be {shape}, got {np.shape(embeddings)}.")
    expect(embeddings.dtype == np.float32, f"{it}: embeddings are float32, got {embeddings.dtype}.")
    expect(bool(np.isfinite(embeddings).all()), f"{it}: embeddings must be finite.")
    return embeddings


def _check_embeddings(it: str, encoder: Encoder, patches: UInt8, embeddings: Float) -> None:
    expect(np.array_equal(embeddings, _embed(it, encoder, patches)), f"{it}: it embeds the same patches differently.")
    scale = float(np.abs(embeddings).max()) or 1.0
    alone = np.concatenate([_embed(it, encoder, patches[i : i + 1]) for i in range(len(patches))])
    near = np.allclose(alone, embeddings, rtol=1e-3, atol=1e-4 * scale)
    expect(near, f"{it}: the embedding of a patch depends on the other patches.")
    turned = _embed(it, encoder, np.ascontiguousarray(patches[::-1]))
    near = np.allclose(turned[::-1], embeddings, rtol=1e-3, atol=1e-4 * scale)
    expect(near, f"{it}: the embedding of a patch depends on its place in the batch.")
    expect(len(np.unique(embeddings, axis=0)) == len(patches), f"{it}: it embeds different patches alike.")


def _check_identity(it: str, encoder: Encoder, other: Encoder, patches: UInt8, embeddings: Float) -> None:
    expect(bool(encoder.identity), f"{it}: its identity is empty, so its embeddings cannot be told from others.")
    expect(encoder.identity == other.identity, f"{it}: built twice it has two identities; the cache would never hit.")
    same = np.array_equal(_embed(it, other, patches), embeddings)
    expect(same, f"{it}: built twice it has one identity and two embeddings.")


def _check_module(it: str, card: EncoderCard, encoder: Encoder, patches: UInt8) -> None:
    if not _is_trainable(encoder):
        raise ContractError(f"{it}: the card states that it is trainable, but it has no module() or lora_targets().")
    with seeded(1):
        module = encoder.module()
    params = sum(p.numel() for p in module.parameters())
    expect(card.params in (None, params), f"{it}: the card states {card.params} parameters, it has {params}.")
    embedded = module.train()(torch.from_numpy(patches))
    shape = (len(patches), encoder.dim)
    expect(embedded.shape == shape, f"{it}: its module must return {shape}, got {tuple(embedded.shape)}.")
    expect(embedded.dtype == torch.float32, f"{it}: its module returns {embedded.dtype}, not float32.")
    embedded.square().mean().backward()
    reached = any(p.grad is not None and bool(p.grad.abs().sum()) for p in module.parameters())
    expect(reached, f"{it}: no gradient reaches its module's weights.")
    with seeded(1):
        twin = encoder.module()
    alike = all(torch.equal(a, b) for a, b in zip(module.parameters(), twin.parameters(), strict=True))
    expect(alike, f"{it}: its module's weights do not follow torch's generator.")
    if card.lora:
        _check_lora(it, encoder, module)


def _check_lora(it: str, encoder: TrainableEncoder, module: nn.Module) -> None:
    names = list(encoder.lora_targets(1))
    layers = dict(module.named_modules())
    expect(bool(names), f"{it}: its card allows low-rank adapters, but it names no layer for them.")
    for name in names:
        expect(isinstance(layers.get(name), nn.Linear), f"{it}: its module has no linear layer {name!r}.")
    fewer = set(names) < set(encoder.lora_targets(2))
    expect(fewer, f"{it}: the last two blocks have no more layers for adapters than the last one.")


def _is_trainable(encoder: Encoder) -> TypeGuard[TrainableEncoder]:
    return callable(getattr(encoder, "module", None)) and callable(getattr(encoder, "lora_targets", None))
