"""The kit finds the encoder that breaks each promise."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import Encoder, EncoderCard, Float, PatchGeometry, UInt8
from histobench.testing import ContractError, ToyEncoder, check_encoder

GEOMETRY = PatchGeometry(patch_px=32)


def card(encoder: Callable[[], Encoder] = ToyEncoder, **facts: object) -> EncoderCard:
    plain = EncoderCard(
        name="toy",
        title="toy encoder",
        licence="CC0-1.0",
        dim=24,
        geometry=GEOMETRY,
        trainable=True,
        lora=True,
        build=lambda _geometry: encoder(),
    )
    return replace(plain, **facts)  # type: ignore[arg-type]  # one wrong fact at a time


class Changed(ToyEncoder):
    """A toy encoder whose embeddings are spoilt."""

    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        raise AssertionError("each broken encoder spoils in its own way")

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        return self.spoil(super().embed(patches, device=device), patches)


class Centred(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        centred: Float = embeddings - embeddings.mean(axis=0)
        return centred


class Placed(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        placed: Float = embeddings + np.arange(len(embeddings), dtype=np.float32)[:, None]
        return placed


class Blind(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        return np.zeros_like(embeddings)


class Noisy(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        noise = np.random.default_rng().normal(size=embeddings.shape)
        noisy: Float = embeddings + noise.astype(np.float32)
        return noisy


class Wide(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        return embeddings[:, :3]


class Double(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        return embeddings.astype(np.float64)


class Infinite(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        return np.full_like(embeddings, np.inf)


class Greedy(Changed):
    def spoil(self, embeddings: Float, patches: UInt8) -> Float:
        patches[:] = 0
        return embeddings


class Anonymous(ToyEncoder):
    identity = ""


class Restless(ToyEncoder):
    @property
    def identity(self) -> str:
        return str(id(self))


class OtherDim(ToyEncoder):
    def __init__(self) -> None:
        super().__init__(dim=12)


class NoLayers(ToyEncoder):
    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        return []


class WrongLayers(ToyEncoder):
    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        return ["blocks.9.up"]


class AllLayers(ToyEncoder):
    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        return super().lora_targets(2)


class _Detached(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, patches: Tensor) -> Tensor:
        return self.inner(patches).detach().requires_grad_()


class OtherModule(ToyEncoder):
    """A toy encoder that trains another module than it embeds with."""

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        return ToyEncoder().embed(patches, device=device)


class DeadModule(OtherModule):
    def module(self) -> nn.Module:
        return _Detached(super().module())


class NarrowModule(OtherModule):
    def module(self) -> nn.Module:
        return ToyEncoder(dim=5).module()


class HalfModule(OtherModule):
    def module(self) -> nn.Module:
        return nn.Sequential(super().module(), _Half())


class _Half(nn.Module):
    def forward(self, vectors: Tensor) -> Tensor:
        return vectors.half()


class SelfWilledModule(OtherModule):
    def module(self) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(np.random.default_rng().integers(2**31))
            return super().module()


def test_honest_encoder_passes() -> None:
    check_encoder(card())


@pytest.mark.parametrize(
    ("encoder", "sentence"),
    [
        (Centred, "depends on the other patches"),
        (Placed, "depends on the other patches|depends on its place"),
        (Blind, "embeds different patches alike"),
        (Noisy, "embeds the same patches differently"),
        (Wide, r"embeddings must be \(3, 24\), got \(3, 3\)"),
        (Double, "embeddings are float32, got float64"),
        (Infinite, "embeddings must be finite"),
        (Greedy, "changes what it is given"),
        (Anonymous, "its identity is empty"),
        (Restless, "two identities"),
        (OtherDim, "the card states 24 dimensions, it has 12"),
        (NoLayers, "names no layer"),
        (WrongLayers, "no linear layer 'blocks.9.up'"),
        (AllLayers, "the last two blocks have no more layers"),
        (DeadModule, "no gradient reaches"),
        (NarrowModule, r"its module must return \(3, 24\), got \(3, 5\)"),
        (HalfModule, "its module returns torch.float16, not float32"),
        (SelfWilledModule, "do not follow torch's generator"),
    ],
)
def test_broken_encoder_is_told_apart(encoder: type[Encoder], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_encoder(card(encoder))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"geometry": PatchGeometry(patch_px=64)}, "takes other patches than the card states"),
        ({"params": 7}, "the card states 7 parameters, it has"),
        ({"dim": None, "name": "toy encoder"}, "lower-case kebab"),
    ],
)
def test_wrong_fact_is_told(facts: dict[str, object], sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_encoder(card(**facts))


def test_trainable_card_needs_a_module() -> None:
    class FrozenOnly:
        dim, geometry, identity = 24, GEOMETRY, "frozen-only"

        def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
            return ToyEncoder().embed(patches, device=device)

    check_encoder(card(FrozenOnly, trainable=False, lora=False))
    with pytest.raises(ContractError, match=r"it has no module\(\) or lora_targets\(\)"):
        check_encoder(card(FrozenOnly))
