"""Checkpoints in the publishers' naming, made here: converted, each method predicts what the publisher's would."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from histobench import DataError, FitContext, Method, Mode, PatchGeometry
from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json
from histobench.contracts.published import ConvertRequest
from histobench.contracts.registry import Registry
from histobench.study.checkpoint_conversion import Wanted, convert_file
from histobench.testing import ToyEncoder, ToyFold, toy_fold, unlabelled
from histobench.weights.converted import open_checkpoint, unpacked
from histobench.weights.slots import converted_encoder
from histobench_heads.cuca.catalogue import CUCA, CUCA_MLP
from histobench_heads.cuca.published import convert as convert_cuca
from histobench_heads.frames.saved import write_facts
from histobench_heads.hist2cell.catalogue import HIST2CELL
from histobench_heads.hist2cell.published import convert as convert_hist2cell

State = dict[str, Tensor]

TYPES = ("tumour", "fibroblast", "t-cell", "b-cell", "endothelium")

RESNET = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture(scope="module")
def patches() -> ToyFold:
    return toy_fold(patch_px=32, beside=["gene_expression"])


@pytest.fixture(scope="module")
def embedded() -> ToyFold:
    return toy_fold(beside=["gene_expression"])


def redrawn(module: nn.Module) -> State:
    """Draw every trained tensor anew, so that nothing agrees by starting alike."""
    draw = torch.Generator().manual_seed(5)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not name.endswith("running_var"):
            tensor.add_(0.02 * torch.randn(tensor.shape, generator=draw))
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def fitted(card: MethodCard, fold: ToyFold, context: FitContext, **options: Any) -> tuple[Any, State]:
    method = card.build(options_from_json(card, {"epochs": 1, **options}))
    method.fit(fold.train, None, context)
    return method, redrawn(method._module.eval())


def saved(path: Path, state: Mapping[str, Tensor]) -> Path:
    torch.save(dict(state), path)
    return path


def converted(card: MethodCard, registry: Registry, file: Path, **wanted: Any) -> Method:
    """Convert a file, and load the result as a run would."""
    out = file.with_suffix(".safetensors")
    convert_file(card, registry, Wanted(source=file, out=out, kind="cell_abundance", targets=TYPES, **wanted))
    header = open_checkpoint(out).header
    options = options_from_json(card, header.options)
    choice = converted_encoder(registry, card.encoder, header.encoder, header.mode)
    encoder = None if header.mode == "frozen" else choice.card.build(choice.geometry(options))
    method = card.build(options)
    with unpacked(header, out) as folder:
        method.load(folder, FitContext(seed=0, mode=header.mode, encoder=encoder))
    return method


def values(method: Method, fold: ToyFold) -> np.ndarray:
    prediction = method.predict(unlabelled(fold.test))
    assert prediction.names == TYPES
    assert prediction.values.std() > 0
    return prediction.values


def loaded(card: MethodCard, found: Any, folder: Path, mode: Mode, fold: ToyFold) -> np.ndarray:
    """Predict with a method that loads a conversion's facts and tensors."""
    write_facts(folder, found.facts)
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in found.tensors.items()}, folder / "weights.safetensors"
    )
    method = card.build(options_from_json(card, found.options))
    encoder = None if mode == "frozen" else ToyEncoder()
    method.load(folder, FitContext(seed=0, mode=mode, encoder=encoder))
    return values(method, fold)


# hist2cell


@pytest.fixture(scope="module")
def hist2cell(registry: Registry, patches: ToyFold) -> tuple[Any, State]:
    encoder = registry.encoders.get("resnet18.random").build(None)
    context = FitContext(seed=3, mode="full", encoder=encoder)
    few = ToyFold(train=patches.train.take(np.arange(20)), val=patches.val, test=patches.test)
    return fitted(HIST2CELL, few, context, faithful=True, depth=2)


def theirs(state: State, prefix: str) -> State:
    """Name the tensors as the original repository does (``resnet18``), or CUCA's copy (``backbone``)."""
    renamed = {}
    for name, tensor in state.items():
        inner = re.match(r"backbone\.trunk\.(\w+)(.*)", name)
        renamed[f"{prefix}.{RESNET[inner[1]]}{inner[2]}" if inner else name] = tensor
    return renamed


@pytest.mark.parametrize("prefix", ["resnet18", "backbone"])
def test_hist2cell_predicts_the_same_from_the_published_names(
    registry: Registry, patches: ToyFold, hist2cell: tuple[Any, State], tmp_path: Path, prefix: str
) -> None:
    method, state = hist2cell
    file = saved(tmp_path / "leave_A50_out.pth", theirs(state, prefix))
    ours = converted(HIST2CELL, registry, file)
    expected = values(method, patches)
    if prefix == "resnet18":  # the original rectifies its output, and CUCA's copy does not
        expected = expected.clip(min=0)
    np.testing.assert_allclose(values(ours, patches), expected, atol=1e-5)
    assert ours.options.depth == 2


def test_hist2cell_on_a_frozen_model_leaves_it_to_the_encoder(
    registry: Registry, embedded: ToyFold, tmp_path: Path
) -> None:
    method, state = fitted(HIST2CELL, embedded, FitContext(seed=3), faithful=True)
    dim = embedded.train.embeddings.shape[1]
    request = ConvertRequest(options=None, kind="cell_abundance", mode="frozen", targets=TYPES, dim=dim)
    found = convert_hist2cell({**state, "backbone.encoder.cls_token": torch.ones(1, 1, 192)}, request)
    assert list(found.left_out) == ["backbone.encoder.cls_token"]
    np.testing.assert_array_equal(loaded(HIST2CELL, found, tmp_path, "frozen", embedded), values(method, embedded))


Spoil = Callable[[State], None]


def _lose(state: State) -> None:
    for name in [name for name in state if name.startswith("cell_transformer.blocks.0.")]:
        del state[name]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s.pop("fused_head.fc2.bias"), "no tensor 'fused_head.fc2.bias'"),
        (lambda s: s.pop("conv1.att"), "tensors missing: conv1.att."),
        (_lose, "and 8 more."),
        (lambda s: s.update({"resnet18.9.weight": torch.ones(1)}), "unexpected: resnet18.9.weight"),
        (lambda s: s.update(spot_fc=torch.ones(1)), "unexpected: spot_fc."),
        (lambda s: s.update({"spot_fc.weight": torch.ones(256, 1024)}), "spot_fc.weight is (256, 1024) and must be"),
        (lambda s: s.update({"backbone.0.weight": s["resnet18.0.weight"]}), "are both 'backbone.trunk.conv1.weight'"),
    ],
)
def test_hist2cell_names_what_is_wrong(
    registry: Registry, hist2cell: tuple[Any, State], tmp_path: Path, spoil: Spoil, words: str
) -> None:
    state = theirs(hist2cell[1], "resnet18")
    spoil(state)
    with pytest.raises(DataError) as caught:
        converted(HIST2CELL, registry, saved(tmp_path / "theirs.pth", state))
    assert words in str(caught.value)


# cuca


def test_cuca_with_a_whole_encoder_predicts_the_same_from_the_published_names(
    registry: Registry, patches: ToyFold, tmp_path: Path
) -> None:
    options = {"hidden": 24, "projection": 256, "batch": 16, "patch_px": 32}
    encoder = registry.encoders.get("vit-tiny").build(PatchGeometry(patch_px=32))
    method, state = fitted(CUCA, patches, FitContext(seed=3, mode="full", encoder=encoder), **options)
    published = {name.replace("backbone.trunk.", "backbone.encoder."): tensor for name, tensor in state.items()}
    file = saved(tmp_path / "ckpt_0.pth", published)
    ours = converted(CUCA, registry, file, encoder="vit-tiny@full", settings={"patch_px": 32})
    np.testing.assert_allclose(values(ours, patches), values(method, patches), atol=1e-5)
    assert (ours.options.hidden, ours.options.projection) == (24, 256)  # read off the tensors


def test_cucamlp_predicts_the_same_from_the_published_names(
    registry: Registry, embedded: ToyFold, tmp_path: Path
) -> None:
    method, state = fitted(CUCA_MLP, embedded, FitContext(seed=3), hidden=16, batch=16)
    dim = embedded.train.embeddings.shape[1]
    request = ConvertRequest(options=None, kind="cell_abundance", mode="frozen", targets=TYPES, dim=dim)
    found = convert_cuca(state, request)
    assert found.left_out == {}
    np.testing.assert_array_equal(loaded(CUCA_MLP, found, tmp_path, "frozen", embedded), values(method, embedded))


def test_cuca_with_adapters_leaves_the_frozen_encoder_to_its_own_weights(patches: ToyFold, tmp_path: Path) -> None:
    context = FitContext(seed=0, mode="lora", encoder=ToyEncoder())
    method, _ = fitted(CUCA, patches, context, hidden=24, projection=256, batch=16, lora_rank=4, lora_last_blocks=1)
    method.save(tmp_path / "saved")  # what was trained; the frozen part is drawn again from the seed
    method.load(tmp_path / "saved", context)
    state = method._module.state_dict()
    published = {re.sub(r"^backbone\.", "backbone.encoder.base_model.model.", name): t for name, t in state.items()}
    request = ConvertRequest(options=None, kind="cell_abundance", mode="lora", targets=TYPES, dim=24)
    found = convert_cuca(published, request)
    assert found.options["lora_rank"] == 4
    assert found.options["lora_last_blocks"] == 1
    assert "backbone.encoder.base_model.model.stem.weight" in found.left_out
    assert "backbone.encoder.base_model.model.blocks.1.up.base_layer.weight" in found.left_out
    assert not any("lora" in name for name in found.left_out)
    np.testing.assert_array_equal(loaded(CUCA, found, tmp_path / "ours", "lora", patches), values(method, patches))


@pytest.mark.parametrize(("mode", "adapted"), [("lora", False), ("full", True)])
def test_cuca_of_another_mode_is_refused(mode: Mode, adapted: bool) -> None:
    name = "backbone.encoder.base_model.model.blocks.30.attn.qkv.lora_A.default.weight"
    request = ConvertRequest(options=None, kind="cell_abundance", mode=mode, targets=TYPES)
    with pytest.raises(DataError, match="pass the right one with --mode"):
        convert_cuca({name: torch.ones(8, 4)} if adapted else {"regression_head.bias": torch.ones(5)}, request)
