"""Every built-in model, narrowed: what is taken from its tokens, and how a file in its publishers' layout is loaded.

Two blocks of width 24 and images of two by two tokens; names of tensors, registers, gates and poolings stay the
record's. Where Hugging Face has a class of the same network, that class writes the file and gives the numbers.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor, nn

from histobench import PatchGeometry, UInt8, WeightsError
from histobench.training import seeded
from histobench_encoders.entries import ENTRIES
from histobench_encoders.entry import TimmEntry
from histobench_encoders.timm_encoder import PatchNetwork, TimmEncoder

WIDTH = 24
TRANSFORMERS = [name for name, entry in ENTRIES.items() if entry.token_px and entry.builder == "timm"]
PUBLISHED = [name for name, entry in ENTRIES.items() if entry.weights and entry.blocks]  # CNNs: test_timm_encoder
IN_TIMMS_LAYOUT = [name for name in PUBLISHED if "timm" in ENTRIES[name].formats or name == "gpfm"]


def narrowed(name: str) -> TimmEntry:
    """Narrow a record; convolutional networks become ResNet-18, which has the same names."""
    entry = ENTRIES[name]
    if entry.builder == "ctranspath":
        kwargs: dict[str, object] = {"embed_dim": WIDTH, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 8)}
        return replace(entry, kwargs=kwargs, dim=8 * WIDTH)
    if entry.token_px is None:
        return replace(entry, arch="resnet18", head=(*entry.head, "fc."), dim=256 if entry.builder == "stage" else 512)
    kwargs = {**entry.kwargs, "depth": 2, "embed_dim": WIDTH, "num_heads": 2}
    side = 2 * entry.token_px
    entry = replace(entry, kwargs=kwargs, sides=(side,), patch_px=side, depth=2)
    if entry.builder == "conch":
        return replace(entry, dim=16)
    variants = {"cls": WIDTH, "mean": WIDTH, "cls+mean": 2 * WIDTH, "projected": 8}
    return replace(entry, dim=variants[entry.pooling], variants=variants)


def encoder(name: str, entry: TimmEntry | None = None, weights: Path | None = None) -> TimmEncoder:
    entry = entry or narrowed(name)
    side = entry.patch_px if entry.token_px else 32
    return TimmEncoder(name, entry, geometry=PatchGeometry(patch_px=side), weights=weights)


def drawn(network: nn.Module, seed: int = 1) -> nn.Module:
    """Draw every parameter of a network, so that none is zero or one and all have a say."""
    with seeded(seed), torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    return network.eval()


def tensors(name: str) -> dict[str, Tensor]:
    """Give the tensors of a drawn network by timm's names."""
    return dict(drawn(encoder(name).module().trunk).state_dict())


def patches(made: TimmEncoder, n: int = 3) -> UInt8:
    side = made.geometry.patch_px
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def loaded(name: str, path: Path, entry: TimmEntry | None = None) -> PatchNetwork:
    return encoder(name, entry, path).module().eval()


def assert_same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for key in left:
        torch.testing.assert_close(left[key], right[key], msg=lambda told, key=key: f"{key}: {told}")


# what is taken


@pytest.mark.parametrize("pooling", ["cls", "mean", "cls+mean"])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_pooling_takes_its_own_tokens(name: str, pooling: str) -> None:
    made = encoder(name, narrowed(name).pooled(pooling))  # type: ignore[arg-type]
    module = made.module()
    drawn(module.trunk)
    given = torch.from_numpy(patches(made))
    with torch.no_grad():
        tokens = module.trunk.forward_features(module.normalise(given))
        pooled = module(given)
    assert tokens.shape[1] == 1 + ENTRIES[name].registers + 4
    cls, mean = tokens[:, 0], tokens[:, -4:].mean(dim=1)
    expected = {"cls": cls, "mean": mean, "cls+mean": torch.cat([cls, mean], dim=1)}[pooling]
    torch.testing.assert_close(pooled, expected)
    assert pooled.shape[1] == made.dim


def test_projected_is_the_class_token_through_the_projection() -> None:
    made = encoder("plip", narrowed("plip").pooled("projected"))
    module = made.module()
    drawn(module.trunk)
    given = torch.from_numpy(patches(made))
    with torch.no_grad():
        tokens = module.trunk.forward_features(module.normalise(given))
        torch.testing.assert_close(module(given), module.trunk.head(tokens[:, 0]))


def test_conchs_pool_is_attention_of_one_query() -> None:
    """Softmax(q k / √d) v in eight heads, computed by hand: encoders.md, section 3."""
    made = encoder("conch-v1")
    module = made.module()
    network = drawn(module.trunk)
    given = torch.from_numpy(patches(made))
    with torch.no_grad():
        embedded = module(given)
        pool, tokens = network.attn_pool_contrast, network.trunk.forward_features(module.normalise(given))
        query = (nn.functional.layer_norm(pool.query, (16,)) * pool.ln_q.weight + pool.ln_q.bias) @ pool.to_q.weight.T
        both = pool.ln_k(tokens) @ pool.to_kv.weight.T
        heads = []
        for h in range(8):
            q, k, v = query[:, 2 * h : 2 * h + 2], both[..., 2 * h : 2 * h + 2], both[..., 16 + 2 * h : 18 + 2 * h]
            heads.append((torch.softmax(q @ k.transpose(1, 2) / 2**0.5, dim=-1) @ v)[:, 0])
        expected = network.ln_contrast(torch.cat(heads, dim=1) @ pool.to_out.weight.T)
    torch.testing.assert_close(embedded, expected)


@pytest.mark.parametrize("name", [name for name in ENTRIES if not name.startswith(("resnet", "densenet"))])
def test_an_embedding_does_not_depend_on_the_batch(name: str) -> None:
    made = encoder(name)
    given = patches(made)
    whole = made.embed(given)
    np.testing.assert_allclose(whole[1:2], made.embed(given[1:2]), rtol=1e-4, atol=1e-5)
    assert whole.shape == (3, made.dim)


# what is loaded


@pytest.mark.parametrize("name", IN_TIMMS_LAYOUT)
def test_a_file_in_timms_layout_is_loaded_strictly(name: str, tmp_path: Path) -> None:
    state = tensors(name)
    torch.save(state, tmp_path / "w.bin")
    assert_same(loaded(name, tmp_path / "w.bin").trunk.state_dict(), state)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_of_another_network_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    save_file({"stem.weight": torch.ones(3), "cls_token": torch.ones(1, 1, 5)}, tmp_path / "w.safetensors")
    with pytest.raises(
        WeightsError, match=rf"w\.safetensors: these are not the weights of encoder '{name}': tensors missing"
    ):
        loaded(name, tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_that_lacks_one_tensor_is_refused(name: str, tmp_path: Path) -> None:
    state = tensors(name)
    lost = next(key for key in state if key.endswith("norm1.weight") or "bn1.weight" in key)
    del state[lost]
    torch.save(state, tmp_path / "w.bin")
    with pytest.raises(WeightsError, match=f"tensors missing: {lost}"):
        loaded(name, tmp_path / "w.bin")


@pytest.mark.parametrize("name", ["uni", "virchow2", "phikon", "hibou-b", "plip", "gpfm", "ctranspath"])
def test_a_tensor_too_many_is_refused(name: str, tmp_path: Path) -> None:
    torch.save({**tensors(name), "blocks.1.stray.weight": torch.ones(2)}, tmp_path / "w.bin")
    with pytest.raises(WeightsError, match=r"tensors unexpected: blocks\.1\.stray\.weight"):
        loaded(name, tmp_path / "w.bin")


def _dinov2(name: str) -> nn.Module:
    entry = narrowed(name)
    facts = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": entry.token_px}
    facts["image_size"] = entry.patch_px
    if entry.registers:
        registers = transformers.Dinov2WithRegistersConfig(num_register_tokens=entry.registers, **facts)
        return transformers.Dinov2WithRegistersModel(registers)
    return transformers.Dinov2Model(transformers.Dinov2Config(use_swiglu_ffn=name == "midnight-12k", **facts))


def _vit(name: str) -> nn.Module:
    entry = narrowed(name)
    facts = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 4 * WIDTH}
    return transformers.ViTModel(transformers.ViTConfig(image_size=entry.patch_px, patch_size=entry.token_px, **facts))


@pytest.mark.reference
@pytest.mark.parametrize(
    ("name", "make"),
    [("phikon", _vit), ("phikon-v2", _dinov2), ("midnight-12k", _dinov2), ("hibou-b", _dinov2), ("hibou-l", _dinov2)],
)
def test_a_file_of_hugging_faces_gives_its_numbers(name: str, make, tmp_path: Path) -> None:
    """Class token and mean of the patches: encoders.md, section 5."""
    theirs = drawn(make(name))
    theirs.save_pretrained(tmp_path)
    entry = narrowed(name).pooled("cls+mean")
    ours = loaded(name, tmp_path / "model.safetensors", entry)
    given = torch.from_numpy(patches(encoder(name, entry)))
    with torch.no_grad():
        tokens = theirs(pixel_values=ours.normalise(given)).last_hidden_state
        embedded = ours(given)
    expected = torch.cat([tokens[:, 0], tokens[:, -4:].mean(dim=1)], dim=1)
    torch.testing.assert_close(embedded, expected, rtol=1e-4, atol=1e-4)


def _clip() -> nn.Module:
    shared = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 4 * WIDTH}
    vision = {**shared, "image_size": 64, "patch_size": 32}
    text = {**shared, "vocab_size": 10, "max_position_embeddings": 6}
    return transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))


@pytest.mark.reference
@pytest.mark.parametrize("pooling", ["cls", "projected"])
def test_a_file_of_clips_gives_its_numbers(pooling: str, tmp_path: Path) -> None:
    theirs = drawn(_clip())
    theirs.save_pretrained(tmp_path)
    entry = narrowed("plip").pooled(pooling)  # type: ignore[arg-type]
    ours = loaded("plip", tmp_path / "model.safetensors", entry)
    given = torch.from_numpy(patches(encoder("plip", entry)))
    with torch.no_grad():
        pooled = theirs.vision_model(pixel_values=ours.normalise(given)).pooler_output
        expected = theirs.visual_projection(pooled) if pooling == "projected" else pooled
        torch.testing.assert_close(ours(given), expected, rtol=1e-4, atol=1e-4)


def test_a_file_for_larger_images_is_loaded_as_it_is_and_bent_when_used(tmp_path: Path) -> None:
    entry = narrowed("hibou-b")
    larger = replace(entry, sides=(56,), patch_px=56)
    theirs = encoder("hibou-b", larger).module().trunk
    torch.save(theirs.state_dict(), tmp_path / "w.bin")
    made = encoder("hibou-b", replace(entry, sides=(28, 56)), tmp_path / "w.bin")
    assert made.module().trunk.pos_embed.shape == (1, 16, WIDTH)  # type: ignore[union-attr]
    assert made.embed(patches(made)).shape == (3, WIDTH)


def _registers_apart(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write timm's tensors as DINOv2's own code does: the class token has a position, and registers have none."""
    position = torch.full((1, 1, WIDTH), 0.25)
    apart = {key: tensor for key, tensor in state.items() if key not in ("reg_token", "cls_token", "pos_embed")}
    apart |= {"register_tokens": state["reg_token"], "cls_token": state["cls_token"] - position}
    return apart | {"pos_embed": torch.cat([position, state["pos_embed"]], dim=1), "mask_token": torch.zeros(1, WIDTH)}


@pytest.mark.parametrize("name", ["kaiko-vitl14", "hibou-l"])
def test_registers_of_dinov2_are_folded(name: str, tmp_path: Path) -> None:
    state = tensors(name)
    torch.save(_registers_apart(state), tmp_path / "w.pth")
    entry = replace(narrowed(name), formats=("dinov2",))
    assert_same(loaded(name, tmp_path / "w.pth", entry).trunk.state_dict(), state)


def test_gpfms_training_checkpoint_gives_up_its_teacher(tmp_path: Path) -> None:
    state = tensors("gpfm")
    teacher = {f"backbone.{key.replace('blocks.', 'blocks.0.')}": tensor for key, tensor in state.items()}
    teacher |= {"backbone.mask_token": torch.zeros(1, WIDTH), "dino_head.mlp.0.weight": torch.ones(2, 2)}
    student = {key: torch.zeros_like(tensor) for key, tensor in teacher.items()}
    torch.save({"student": student, "teacher": teacher}, tmp_path / "GPFM.pth")
    assert_same(loaded("gpfm", tmp_path / "GPFM.pth").trunk.state_dict(), state)


@pytest.mark.parametrize("wrapper", ["model", "state_dict"])
def test_a_wrapped_file_is_unwrapped(wrapper: str, tmp_path: Path) -> None:
    state = tensors("uni")
    torch.save({wrapper: {f"module.{key}": tensor for key, tensor in state.items()}}, tmp_path / "w.bin")
    assert_same(loaded("uni", tmp_path / "w.bin").trunk.state_dict(), state)


def test_conchs_file_keeps_the_image_tower(tmp_path: Path) -> None:
    state = tensors("conch-v1")
    published = {f"module.visual.{key}": tensor for key, tensor in state.items()}
    for other in ("visual.attn_pool_caption.query", "visual.proj_contrast", "text.cls_emb", "logit_scale"):
        published[f"module.{other}"] = torch.ones(2)
    torch.save(published, tmp_path / "pytorch_model.bin")
    assert_same(loaded("conch-v1", tmp_path / "pytorch_model.bin").trunk.state_dict(), state)


def test_conch_v15s_file_is_the_image_tower(tmp_path: Path) -> None:
    state = tensors("conch-v1.5")
    assert "trunk.blocks.0.ls1.gamma" in state
    torch.save(state, tmp_path / "pytorch_model_vision.bin")
    assert_same(loaded("conch-v1.5", tmp_path / "pytorch_model_vision.bin").trunk.state_dict(), state)


def test_ctranspaths_file_of_an_older_timm_is_translated(tmp_path: Path) -> None:
    state = tensors("ctranspath")
    older = {}
    for key, tensor in state.items():
        for stage in (1, 2, 3):
            key = key.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample")
        older[key] = tensor
    assert "layers.0.downsample.norm.weight" in older
    older |= {
        "layers.0.blocks.1.attn_mask": torch.ones(2),
        "layers.0.blocks.0.attn.relative_position_index": torch.ones(2),
    }
    torch.save({"model": older}, tmp_path / "ctranspath.pth")
    network = loaded("ctranspath", tmp_path / "ctranspath.pth")
    assert_same(network.trunk.state_dict(), state)
    made = encoder("ctranspath", weights=tmp_path / "ctranspath.pth")
    assert np.isfinite(made.embed(patches(made))).all()


def test_stock_swin_is_refused_as_ctranspath(tmp_path: Path) -> None:
    """The classic failure: a Swin-T with timm's own patch embedding."""
    stock = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, **narrowed("ctranspath").kwargs)
    torch.save(stock.state_dict(), tmp_path / "ctranspath.pth")
    with pytest.raises(WeightsError, match=r"missing: patch_embed\.proj\.0\.weight"):
        loaded("ctranspath", tmp_path / "ctranspath.pth")


def test_hests_resnet_leaves_out_the_last_stage_of_a_whole_file(tmp_path: Path) -> None:
    whole = timm.create_model("resnet18")
    torch.save(whole.state_dict(), tmp_path / "w.bin")
    made = encoder("resnet50-hest", weights=tmp_path / "w.bin")
    images = torch.zeros(1, 3, 32, 32)
    with torch.no_grad():
        expected = whole.eval().forward_intermediates(images, indices=[3], intermediates_only=True)[-1].mean(dim=(2, 3))
        stages = made.module().eval().trunk(images)
    torch.testing.assert_close(stages[-1].mean(dim=(2, 3)), expected)


def test_layer_scale_that_the_record_forgets_is_found(tmp_path: Path) -> None:
    """Without `init_values` a network has none, and a lenient load would drop it: encoders.md, section 1."""
    torch.save(tensors("uni"), tmp_path / "w.bin")
    entry = narrowed("uni")
    without = replace(entry, kwargs={key: value for key, value in entry.kwargs.items() if key != "init_values"})
    with pytest.raises(WeightsError, match=r"unexpected: blocks\.0\.ls1\.gamma"):
        loaded("uni", tmp_path / "w.bin", without)
