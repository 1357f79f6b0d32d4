"""What goes into a network, what is taken out of it, and which weights it has."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from histobench import ConfigError, Float, PatchGeometry, UInt8, WeightsError
from histobench.training import seeded
from histobench_encoders.entries import ENTRIES, IMAGENET_MEAN, IMAGENET_STD, TimmEntry
from histobench_encoders.timm_encoder import PatchNetwork, TimmEncoder

TINY = TimmEntry(arch="test_vit", pooling="cls", token_px=16, blocks="blocks.{}", depth=6)
VIRCHOW2 = ENTRIES["virchow2"]


class Trunk(nn.Module):
    """Ten tokens, each holding its own number: one class token, four registers, five patches."""

    num_prefix_tokens = 5

    def forward_features(self, images: Tensor) -> Tensor:
        return torch.arange(10.0)[None, :, None].expand(len(images), 10, 2)


def patches(n: int = 4, side: int = 32) -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def encoder(entry: TimmEntry = TINY, *, weights: Path | None = None, side: int = 32) -> TimmEncoder:
    return TimmEncoder("tiny", entry, geometry=PatchGeometry(patch_px=side), weights=weights)


def checkpoint(arch: str, **kwargs: object) -> Mapping[str, Tensor]:
    with seeded(5):
        network: nn.Module = timm.create_model(arch, **kwargs)
    return network.state_dict()


def embedded_by(arch: str, state: Mapping[str, Tensor], given: UInt8) -> Float:
    """Embed with timm alone, from a checkpoint with its classifier."""
    network = timm.create_model(arch)
    network.load_state_dict(state)
    network.reset_classifier(0)
    images = torch.from_numpy(given).permute(0, 3, 1, 2) / 255
    images = (images - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    with torch.no_grad():
        embeddings: Float = network.eval()(images).numpy()
    return embeddings


def test_a_patch_is_scaled_and_normalised_by_the_record() -> None:
    entry = replace(TINY, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    patch = torch.tensor([[[[0, 51, 255], [255, 102, 0]]]], dtype=torch.uint8)
    normalised = PatchNetwork(Trunk(), entry).normalise(patch)
    expected = [[[[-0.2, 1.8]], [[0.0, 0.8]], [[0.35, -0.15]]]]
    torch.testing.assert_close(normalised, torch.tensor(expected))


def test_normalisation_is_never_asked_from_timm() -> None:
    with torch.device("meta"):
        trunk = timm.create_model("vit_small_patch16_224", num_classes=0)
    assert trunk.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)
    assert ENTRIES["vit-small"].mean == (0.485, 0.456, 0.406)


def test_normalisation_is_no_part_of_the_state() -> None:
    assert all(name.startswith("trunk.") for name in encoder().module().state_dict())


def test_a_network_of_one_input_side_gets_its_patches_resampled() -> None:
    network = PatchNetwork(Trunk(), replace(TINY, fixed_px=16, mean=(0, 0, 0), std=(1, 1, 1)))
    normalised = network.normalise(torch.full((1, 40, 40, 3), 255, dtype=torch.uint8))
    torch.testing.assert_close(normalised, torch.ones(1, 3, 16, 16))


def test_the_class_token_is_the_first() -> None:
    pooled = PatchNetwork(Trunk(), TINY)(torch.zeros(3, 8, 8, 3, dtype=torch.uint8))
    assert pooled.tolist() == [[0.0, 0.0]] * 3


def test_registers_are_left_out_of_the_patch_mean() -> None:
    pooled = PatchNetwork(Trunk(), replace(TINY, pooling="cls+mean"))(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    assert pooled.tolist() == [[0.0, 0.0, 7.0, 7.0]]


@pytest.mark.parametrize("arch", ["resnet18", "densenet121"])
def test_gap_is_the_networks_own_pooling(arch: str) -> None:
    entry = TimmEntry(arch=arch, pooling="gap")
    own = encoder(replace(entry, pooling="own")).embed(patches(2))
    np.testing.assert_allclose(encoder(entry).embed(patches(2)), own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("entry", [TINY, ENTRIES["resnet18.random"]], ids=lambda entry: entry.arch)
def test_an_embedding_does_not_depend_on_the_batch(entry: TimmEntry) -> None:
    given, whole = patches(70), encoder(entry)
    alone = np.concatenate([whole.embed(given[i : i + 1]) for i in (0, 63, 64, 69)])
    np.testing.assert_allclose(whole.embed(given)[[0, 63, 64, 69]], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_an_embedding_is_the_same_on_the_gpu() -> None:
    np.testing.assert_allclose(encoder().embed(patches(), device="cuda:0"), encoder().embed(patches()), atol=1e-3)


def test_random_frozen_weights_are_the_same_everywhere() -> None:
    torch.manual_seed(1)
    first = encoder().embed(patches())
    torch.manual_seed(2)
    np.testing.assert_array_equal(encoder().embed(patches()), first)


def test_embedding_leaves_torchs_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    encoder().embed(patches())
    assert torch.equal(torch.rand(3), expected)


def test_read_only_patches_are_embedded() -> None:
    given = patches()
    given.flags.writeable = False
    assert encoder().embed(given).dtype == np.float32


def test_no_patches_give_no_embeddings() -> None:
    assert encoder(replace(TINY, dim=64)).embed(patches(0)).shape == (0, 64)


def test_the_width_of_an_unknown_network_is_measured() -> None:
    # its head widens what the body gives
    unknown = encoder(TimmEntry(arch="mobilenetv3_small_050", pooling="own"))
    assert unknown.dim == unknown.embed(patches(1)).shape[1] == 1024


def test_a_scratch_vit_is_made_for_its_patch() -> None:
    assert encoder(side=48).module().trunk.pos_embed.shape[1] == (48 // 16) ** 2 + 1  # type: ignore[union-attr, index]


def test_a_pretrained_vit_keeps_its_positions_and_bends_them() -> None:
    entry = replace(TINY, weights=VIRCHOW2.weights)
    network = encoder(entry, side=48).module()
    assert network.trunk.pos_embed.shape[1] == (224 // 16) ** 2 + 1  # type: ignore[union-attr, index]
    assert network(torch.from_numpy(patches(2, 48))).shape[0] == 2


def test_a_patch_that_does_not_divide_into_tokens_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"'v' takes patches with a side that is a multiple of 14 px, got 64 px; use 56 or 70"
    ):
        TimmEncoder("v", VIRCHOW2, geometry=PatchGeometry(patch_px=64))


@pytest.mark.reference
def test_virchow2_gates_with_silu_and_has_four_registers() -> None:
    with torch.device("meta"):
        trunk = TimmEncoder("virchow2", VIRCHOW2, geometry=PatchGeometry()).module().trunk
    assert {type(block.mlp.act) for block in trunk.blocks} == {nn.SiLU}  # type: ignore[union-attr]
    assert trunk.num_prefix_tokens == 5
    assert trunk.pos_embed.shape == (1, 261, 1280)
    assert trunk.blocks[0].mlp.fc1.weight.shape == (6832, 1280)  # type: ignore[index, union-attr]
    assert trunk.blocks[0].ls1.gamma.shape == (1280,)  # type: ignore[index, union-attr]


def test_a_packed_gate_multiplies_its_two_halves() -> None:
    """fc1 in halves (a, b), SiLU(a)·b, fc2: cuca.md, "Encoders"."""
    kwargs = {**VIRCHOW2.kwargs, "depth": 1, "embed_dim": 16, "num_heads": 2, "mlp_ratio": 2.0}
    mlp = encoder(replace(VIRCHOW2, kwargs=kwargs, dim=32), side=28).module().trunk.blocks[0].mlp  # type: ignore[index, union-attr]
    given = torch.linspace(-1, 1, 16)[None]
    a, b = mlp.fc1(given).chunk(2, dim=-1)
    torch.testing.assert_close(mlp(given), mlp.fc2(nn.functional.silu(a) * b))


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("with_head", [True, False])
def test_a_published_checkpoint_is_loaded_with_or_without_its_head(
    tmp_path: Path, suffix: str, with_head: bool
) -> None:
    state = checkpoint("resnet18")
    kept = {name: tensor for name, tensor in state.items() if with_head or not name.startswith("fc.")}
    path = tmp_path / f"weights{suffix}"
    save_file(kept, path) if suffix == ".safetensors" else torch.save(kept, path)
    loaded = encoder(ENTRIES["resnet18.imagenet"], weights=path)
    expected = embedded_by("resnet18", state, patches())
    np.testing.assert_allclose(loaded.embed(patches()), expected, rtol=1e-4, atol=1e-5)


def test_half_precision_weights_are_widened(tmp_path: Path) -> None:
    state = {name: t.half() if t.is_floating_point() else t for name, t in checkpoint("resnet18").items()}
    save_file(state, tmp_path / "half.safetensors")
    module = encoder(ENTRIES["resnet18.imagenet"], weights=tmp_path / "half.safetensors").module()
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_loaded_weights_can_be_trained(tmp_path: Path) -> None:
    save_file(dict(checkpoint("resnet18")), tmp_path / "w.safetensors")
    module = encoder(ENTRIES["resnet18.imagenet"], weights=tmp_path / "w.safetensors").module()
    module(torch.from_numpy(patches(2))).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    save_file(dict(checkpoint("resnet18")), tmp_path / "w.safetensors")
    wrong = encoder(ENTRIES["resnet50.imagenet"], weights=tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"not the weights of encoder 'tiny': tensors missing: .*of another shape: "):
        wrong.module()


def test_anything_else_than_virchow2_is_refused_as_virchow2(tmp_path: Path) -> None:
    save_file(
        {"cls_token": torch.ones(1, 1, 1024), "blocks.0.attn.q.weight": torch.ones(1)}, tmp_path / "w.safetensors"
    )
    wrong = TimmEncoder("virchow2", VIRCHOW2, geometry=PatchGeometry(), weights=tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"missing: .*unexpected: blocks\.0\.attn\.q.*of another shape: cls_t"):
        wrong.module()


def test_a_tensor_too_many_is_refused(tmp_path: Path) -> None:
    save_file({**checkpoint("resnet18"), "blocks.0.ls1.gamma": torch.ones(3)}, tmp_path / "w.safetensors")
    wrong = encoder(ENTRIES["resnet18.imagenet"], weights=tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"tensors unexpected: blocks\.0\.ls1\.gamma; remove the file"):
        wrong.module()


@pytest.mark.parametrize("name", ["w.safetensors", "w.bin"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x02not weights")
    with pytest.raises(WeightsError, match=f"{name}: the weights of encoder 'tiny' cannot be read"):
        encoder(ENTRIES["resnet18.imagenet"], weights=tmp_path / name).module()


def test_a_file_of_anything_else_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.bin")
    with pytest.raises(WeightsError, match="must hold tensors by name, and under 'epoch' holds int"):
        encoder(ENTRIES["resnet18.imagenet"], weights=tmp_path / "w.bin").module()


def test_identity_is_the_same_for_the_same_encoder() -> None:
    assert encoder().identity == encoder().identity


@pytest.mark.parametrize(
    "change",
    [
        {"arch": "test_vit2"},
        {"pooling": "cls+mean"},
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.5)},
        {"kwargs": {"init_values": 1.0}},
        {"fixed_px": 64},
    ],
    ids=str,
)
def test_identity_follows_whatever_decides_an_embedding(change: Mapping[str, object]) -> None:
    assert encoder(replace(TINY, **change)).identity != encoder().identity  # type: ignore[arg-type]


def test_identity_follows_the_weights(tmp_path: Path) -> None:
    identities = set()
    for content in (b"one", b"two"):
        (tmp_path / "w.bin").write_bytes(content)
        identities.add(encoder(weights=tmp_path / "w.bin").identity)
    assert len({*identities, encoder().identity}) == 3


def test_identity_does_not_follow_the_place_of_the_weights(tmp_path: Path) -> None:
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(b"same")
    assert encoder(weights=tmp_path / "a.bin").identity == encoder(weights=tmp_path / "b.bin").identity


def test_a_fresh_module_follows_torchs_generator() -> None:
    states = []
    for seed in (1, 1, 2):
        with seeded(seed):
            states.append(encoder().module().state_dict()["trunk.patch_embed.proj.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize("name", ["resnet18.random", "resnet50.random"])
def test_every_block_of_a_random_network_has_a_say(name: str) -> None:
    patches = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    with seeded(0):
        module = TimmEncoder(name, ENTRIES[name], geometry=PatchGeometry(patch_px=64)).module().eval()
    with torch.no_grad():
        before = module(torch.from_numpy(patches))
        module.trunk.layer4[-1].conv2.weight.mul_(2)
        after = module(torch.from_numpy(patches))
    assert not torch.equal(before, after)
