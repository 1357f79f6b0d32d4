"""Adapters on the encoders that have blocks, counted as published."""

import pytest
import torch

from histobench import ConfigError, FitContext, Mode, PatchGeometry
from histobench.training import seeded
from histobench.training.adapters import tuned_encoder
from histobench_encoders.entries import ENTRIES
from histobench_encoders.entry import TimmEntry
from histobench_encoders.timm_encoder import TimmEncoder

SMALL = TimmEntry(arch="test_vit", pooling="cls", token_px=16, blocks="blocks.{}", depth=6)
FOUR = ["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"]


def encoder(name: str) -> TimmEncoder:
    return TimmEncoder(name, ENTRIES[name], geometry=PatchGeometry())


@pytest.mark.reference
@pytest.mark.parametrize(("name", "count"), [("virchow2", 327_808), ("uni", 262_144), ("h-optimus-0", 393_216)])
def test_adapters_have_the_published_count(name: str, count: int) -> None:
    """cuca.md, "Numeric checks"; encoders.md, section 6."""
    with torch.device("meta"):
        module = tuned_encoder(FitContext(seed=0, mode="lora", encoder=encoder(name)))
    assert sum(p.numel() for p in module.parameters() if p.requires_grad) == count
    assert sum(p.numel() for p in module.parameters() if not p.requires_grad) == ENTRIES[name].params


@pytest.mark.reference
@pytest.mark.parametrize(("name", "blocks"), [("virchow2", (30, 31)), ("uni", (22, 23)), ("vit-tiny", (10, 11))])
def test_every_linear_layer_of_the_last_two_blocks_is_adapted(name: str, blocks: tuple[int, ...]) -> None:
    expected = [f"trunk.blocks.{block}.{layer}" for block in blocks for layer in FOUR]
    assert encoder(name).lora_targets(2) == expected


def test_one_block_is_the_last_one() -> None:
    assert {target.split(".")[2] for target in encoder("vit-tiny").lora_targets(1)} == {"11"}


@pytest.mark.parametrize("last_blocks", [0, 13])
def test_more_blocks_than_there_are_are_refused(last_blocks: int) -> None:
    with pytest.raises(
        ConfigError, match=f"'vit-tiny' has 12 blocks; adapters on the last {last_blocks} were requested"
    ):
        encoder("vit-tiny").lora_targets(last_blocks)


def test_a_network_without_blocks_takes_no_adapters() -> None:
    context = FitContext(seed=0, mode="lora", encoder=encoder("resnet18.random"))
    with pytest.raises(ConfigError, match="names no linear layer to adapt"):
        tuned_encoder(context)


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_gradient_checkpointing_moves_no_gradient(mode: Mode) -> None:
    small = TimmEncoder("small", SMALL, geometry=PatchGeometry(patch_px=32))
    patches = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = []
    for checkpointing in (False, True):
        with seeded(0):
            context = FitContext(seed=0, mode=mode, encoder=small, gradient_checkpointing=checkpointing)
            module = tuned_encoder(context).train()
            module(patches).square().sum().backward()
        found.append({name: p.grad for name, p in module.named_parameters() if p.grad is not None})
    plain, recomputed = found
    assert plain.keys() == recomputed.keys()
    assert all(torch.equal(gradient, recomputed[name]) for name, gradient in plain.items())
