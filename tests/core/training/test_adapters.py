"""Adapters start as nothing, sit where they are told, and are all that is trained."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from histobench.contracts.protocols import FitContext, Mode, PatchGeometry
from histobench.data import Float, UInt8
from histobench.errors import ConfigError
from histobench.training import seeded
from histobench.training.adapters import LoraOptions, tuned_encoder

PATCHES = torch.randint(0, 256, (5, 4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """Two layers; the name of one ends as the whole name of the other reads."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(48, 6), nn.Linear(6, 3)])
        self.aside = nn.ModuleDict({"blocks": nn.ModuleList([nn.Identity(), nn.Linear(3, 3)])})

    def forward(self, patches: Tensor) -> Tensor:
        hidden = self.blocks[0](patches.flatten(1).float() / 255)
        return self.aside["blocks"][1](self.blocks[1](hidden))  # type: ignore[index]


class Encoder:
    """An encoder with adapters on what it is told."""

    dim = 3
    geometry = PatchGeometry(patch_px=4)
    identity = "network"

    def __init__(self, *targets: str) -> None:
        self.targets = targets

    def module(self) -> Network:
        return Network()

    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        return self.targets[-last_blocks:]

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        raise NotImplementedError


CONTEXT = FitContext(seed=0, mode="lora", encoder=Encoder("blocks.0", "blocks.1"))


def tuned(context: FitContext, lora: LoraOptions | None = None) -> nn.Module:
    with seeded(context.seed):
        return tuned_encoder(context, lora) if lora else tuned_encoder(context)


def trained(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def test_an_adapted_encoder_starts_as_itself() -> None:
    plain = tuned(replace(CONTEXT, mode="full")).eval()
    assert torch.equal(tuned(CONTEXT).eval()(PATCHES), plain(PATCHES))


def test_only_the_adapters_get_a_gradient() -> None:
    module = tuned(CONTEXT)
    module(PATCHES).square().sum().backward()
    reached = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert reached == trained(module)
    assert all("lora_" in name for name in reached)


def test_adapters_sit_on_the_layers_named_and_on_no_namesake() -> None:
    module = tuned(replace(CONTEXT, encoder=Encoder("blocks.1")))
    assert trained(module) == {"blocks.1.lora_A.default.weight", "blocks.1.lora_B.default.weight"}


def test_an_adapter_adds_its_scaled_product() -> None:
    layer = tuned(replace(CONTEXT, encoder=Encoder("blocks.1")), LoraOptions(rank=2, alpha=6)).eval().blocks[1]  # type: ignore[index]
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    with torch.no_grad():
        up.fill_(0.5)
    inputs = torch.linspace(-1, 1, 6)[None]
    torch.testing.assert_close(layer(inputs), layer.base_layer(inputs) + 6 / 2 * inputs @ down.T @ up.T)


def test_the_options_decide_how_many_blocks_are_adapted() -> None:
    assert {name.split(".lora")[0] for name in trained(tuned(CONTEXT, LoraOptions(last_blocks=1)))} == {"blocks.1"}


def test_adapters_follow_the_seed() -> None:
    one, same, other = (tuned(replace(CONTEXT, seed=seed)).state_dict() for seed in (1, 1, 2))
    name = "blocks.0.lora_A.default.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])


def test_dropout_is_active_only_while_training() -> None:
    module = tuned(CONTEXT, LoraOptions(dropout=0.5)).train()
    with torch.no_grad():
        module.blocks[0].lora_B["default"].weight.fill_(1.0)  # type: ignore[index]
    with seeded(3):
        first, second = module(PATCHES), module(PATCHES)
    assert not torch.equal(first, second)
    assert torch.equal(module.eval()(PATCHES), module(PATCHES))


def test_full_tuning_trains_everything() -> None:
    module = tuned(replace(CONTEXT, mode="full"))
    assert trained(module) == {name for name, _ in module.named_parameters()}


def test_a_frozen_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mode 'lora' or 'full' and an encoder are needed, got a frozen encoder"):
        tuned_encoder(replace(CONTEXT, mode="frozen"))


def test_a_context_without_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="got no encoder"):
        tuned_encoder(replace(CONTEXT, encoder=None))


def test_an_encoder_without_layers_to_adapt_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no linear layer to adapt; use mode 'full' or 'frozen'"):
        tuned_encoder(replace(CONTEXT, encoder=Encoder()))


def test_a_target_that_is_no_linear_layer_is_refused() -> None:
    with pytest.raises(ConfigError, match="adapters on 'blocks', which is not a linear layer"):
        tuned_encoder(replace(CONTEXT, encoder=Encoder("blocks")))


class Recomputing(nn.Module):
    """Two layers that may be computed again in the backward pass, as timm's networks offer it."""

    def __init__(self, *between: nn.Module) -> None:
        super().__init__()
        self.first, self.between, self.last = nn.Linear(48, 64), nn.Sequential(nn.GELU(), *between), nn.Linear(64, 3)
        self.recomputes = False

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        self.recomputes = enable

    def forward(self, patches: Tensor) -> Tensor:
        inputs = patches.flatten(1).float() / 255
        return checkpoint(self._layers, inputs, use_reentrant=False) if self.recomputes else self._layers(inputs)

    def _layers(self, inputs: Tensor) -> Tensor:
        result: Tensor = self.last(self.between(self.first(inputs)))
        return result


class RecomputingEncoder(Encoder):
    def __init__(self, *between: nn.Module) -> None:
        super().__init__("first", "last")
        self.between = between

    def module(self) -> Recomputing:  # type: ignore[override]
        return Recomputing(*self.between)


def kept_bytes_and_gradients(context: FitContext) -> tuple[int, list[Tensor]]:
    """Run forward and back; count what the forward pass keeps beside the parameters."""
    module, kept = tuned(context), 0
    parameters = {parameter.data_ptr() for parameter in module.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += 0 if tensor.data_ptr() in parameters else tensor.nbytes
        return tensor

    with seeded(1), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = module(PATCHES).square().sum()
    loss.backward()
    return kept, [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_gradient_checkpointing_keeps_less_and_gives_the_same_gradients(mode: Mode) -> None:
    context = replace(CONTEXT, mode=mode, encoder=RecomputingEncoder())
    plain, gradients = kept_bytes_and_gradients(context)
    saving, same = kept_bytes_and_gradients(replace(context, gradient_checkpointing=True))
    assert saving < plain / 2
    assert gradients
    assert all(torch.equal(one, other) for one, other in zip(gradients, same, strict=True))


def test_an_encoder_that_cannot_recompute_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no gradient checkpointing; run without it"):
        tuned(replace(CONTEXT, gradient_checkpointing=True))


def test_batch_normalisation_is_not_moved_twice() -> None:
    encoder = RecomputingEncoder(nn.BatchNorm1d(64))
    with pytest.raises(ConfigError, match="would update this encoder's batch statistics twice"):
        tuned(replace(CONTEXT, mode="full", encoder=encoder, gradient_checkpointing=True))
