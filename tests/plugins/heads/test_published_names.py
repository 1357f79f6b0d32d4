"""Checkpoints of whole-slide and fine-tuned methods in their publishers' names, converted as the command does it.

Every method is given tensors drawn here, under the names that its specification lists, and predicts what the same
tensors predict under our names; what is missing, unknown or of another shape is named and refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import DataError, FitContext, Kind, LabelledSamples, Method, PatchGeometry, Prediction
from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json
from histobench.contracts.registry import Registry
from histobench.study.checkpoint_conversion import Wanted, convert_file
from histobench.testing import toy_fold, unlabelled
from histobench.weights.converted import open_checkpoint, unpacked
from histobench.weights.slots import converted_encoder
from histobench_heads.frames.cards import HBCIS_MEAN, HBCIS_STD
from histobench_heads.he2gene.catalogue import HE2GENE_BASE, HE2GENE_SPAT
from histobench_heads.hist2st.catalogue import HIST2ST
from histobench_heads.histogene.catalogue import HISTOGENE
from histobench_heads.stnet.catalogue import STNET
from histobench_heads.stnet.options import CUCAS_SETTINGS
from histobench_heads.thitogene.catalogue import THITOGENE

State = dict[str, Tensor]

SPOTS = 6

_TRANSFORMER = {
    r"blocks\.(\d+)\.attn\.norm\.": r"vit.transformer.layers.\1.0.norm.",
    r"blocks\.(\d+)\.attn\.to_qkv\.": r"vit.transformer.layers.\1.0.fn.to_qkv.",
    r"blocks\.(\d+)\.attn\.to_out\.": r"vit.transformer.layers.\1.0.fn.to_out.0.",
    r"blocks\.(\d+)\.ff\.norm\.": r"vit.transformer.layers.\1.1.norm.",
    r"blocks\.(\d+)\.ff\.net\.": r"vit.transformer.layers.\1.1.fn.net.",
}  # histogene.md and thitogene.md, Parameters in order

_HIST2ST = {
    r"mixers\.": "vit.transformer.layer1.",
    r"blocks\.(\d+)\.attn\.norm\.": r"vit.transformer.layer2.\1.attn.norm.",
    r"blocks\.(\d+)\.attn\.to_qkv\.": r"vit.transformer.layer2.\1.attn.fn.to_qkv.",
    r"blocks\.(\d+)\.attn\.to_out\.": r"vit.transformer.layer2.\1.attn.fn.to_out.0.",
    r"blocks\.(\d+)\.ff\.norm\.": r"vit.transformer.layer2.\1.ff.norm.",
    r"blocks\.(\d+)\.ff\.net\.": r"vit.transformer.layer2.\1.ff.fn.net.",
    r"graph\.": "vit.transformer.layer3.",
    r"jumping\.lstm\.": "vit.transformer.jknet.0.",
    r"down\.": "vit.transformer.down.",
}  # hist2st.md, Parameters in order

_THITOGENE = {
    **_TRANSFORMER,
    r"maps\.convolution\.": "odconv2d.",
    **{rf"capsules\.stages\.{k}\.conv\.": f"caps_layer.conv{k + 1}." for k in range(4)},
    **{rf"capsules\.stages\.{k}\.norm\.": f"caps_layer.batch_norm{k + 1}." for k in range(4)},
    r"capsules\.primary\.": "caps_layer.primary_caps.",
    r"capsules\.digits\.": "caps_layer.digit_caps.",
    r"graph\.attentions\.(\d+)\.": r"gat.attention_\1.",
    r"graph\.out_att\.": "gat.out_att.",
    r"head\.": "gene_head.",
}  # thitogene.md, Parameters in order

_STNET = {r"backbone\.trunk\.": "", r"head\.": "classifier."}  # stnet.md, Parameters

_BASE = {r"backbone\.trunk\.": "base_model.", r"target\.": "fc1.", r"aux\.": "fc2.", r"tumour\.": "fc3."}
_SPAT = {r"backbone\.trunk\.": "base_model.", r"target\.": "fc.", r"aux\.": "fc_aux.", r"tumour\.": "fc_tmr."}
# he2gene.md, section 4


@dataclass(frozen=True, kw_only=True)
class Case:
    """A method in a small size.

    Attributes
    ----------
    names
        Beginnings of our names, as regular expressions → the publisher's.
    untold
        Options that no tensor of the checkpoint tells; the rest is read off it.
    wrap
        How the publisher's training script keeps the state.
    lost, misshapen
        A tensor of each published name to take away and to cut short, with our name of it; neither tells a size.
    """

    card: MethodCard
    kind: Kind
    names: Mapping[str, str]
    lost: tuple[str, str]
    misshapen: tuple[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    untold: Mapping[str, Any] = field(default_factory=dict)
    encoder: str = ""
    wrap: Callable[[State], object] = lambda state: state


_SLIDE = {"patch_px": 32, "n_pos": 40, "depth": 2, "heads": 1}

CASES = {
    "histogene": Case(
        card=HISTOGENE, kind="cell_abundance", names=_TRANSFORMER, options={**_SLIDE, "dim": 48, "hidden": 32},
        lost=("vit.transformer.layers.1.1.norm.bias", "blocks.1.ff.norm.bias"),
        misshapen=("gene_head.0.weight", "gene_head.0.weight"),
        wrap=lambda state: {"state_dict": state, "epoch": 99},
    ),
    "hist2st": Case(
        card=HIST2ST, kind="cell_abundance", names=_HIST2ST,
        options={**_SLIDE, "stride": 8, "channels": 32, "mixers": 1, "graph_layers": 2},
        lost=("vit.transformer.jknet.0.bias_hh_l1", "jumping.lstm.bias_hh_l1"),
        misshapen=("vit.transformer.layer3.1.weight", "graph.1.weight"),
    ),
    "thitogene": Case(
        card=THITOGENE, kind="cell_abundance", names=_THITOGENE,
        options={**_SLIDE, "width": 8, "capsules": 4, "route_dim": 8, "hidden": 32, "graph_heads": 2, "graph_dim": 16,
                 "embedding": 16, "head_hidden": 32, "stride": 2},
        untold={"patch_px": 32, "stride": 2},
        lost=("caps_layer.batch_norm3.running_var", "capsules.stages.2.norm.running_var"),
        misshapen=("gat.attention_1.a", "graph.attentions.1.a"),
        wrap=lambda state: {"state_dict": state},
    ),
    "stnet": Case(
        card=STNET, kind="cell_abundance", names=_STNET, options={**CUCAS_SETTINGS, "patch_px": 32, "batch": 3},
        untold={"patch_px": 32}, encoder="densenet121",
        lost=("features.norm5.bias", "backbone.trunk.features.norm5.bias"),
        misshapen=("features.denseblock2.denselayer3.conv1.weight",
                   "backbone.trunk.features.denseblock2.denselayer3.conv1.weight"),
    ),
    "stnet, original": Case(
        card=STNET, kind="gene_expression", names=_STNET, options={"patch_px": 32, "batch": 3},
        untold={"patch_px": 32}, encoder="densenet121",
        lost=("features.transition1.norm.running_mean", "backbone.trunk.features.transition1.norm.running_mean"),
        misshapen=("features.conv0.weight", "backbone.trunk.features.conv0.weight"),
        wrap=lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}, "optim": {}},
    ),
    "he2gene-base": Case(
        card=HE2GENE_BASE, kind="gene_expression", names=_BASE, options={"patch_px": 32, "batch": 3},
        untold={"patch_px": 32}, encoder="resnet18",
        lost=("base_model.layer3.0.downsample.1.weight", "backbone.trunk.layer3.0.downsample.1.weight"),
        misshapen=("fc2.weight", "aux.weight"),
    ),
    "he2gene-spat": Case(
        card=HE2GENE_SPAT, kind="gene_expression", names=_SPAT,
        options={"patch_px": 32, "batch": 3, "average": "single"}, untold={"patch_px": 32, "average": "single"},
        encoder="resnet18.imagenet",  # whose weights are not here, and need not be: all are overwritten
        lost=("fc_tmr.bias", "tumour.bias"), misshapen=("fc_aux.weight", "aux.weight"),
    ),
}  # fmt: skip

every_case = pytest.mark.parametrize("name", CASES)


@cache
def _registry() -> Registry:
    return Registry.load()


def _few(samples: LabelledSamples) -> LabelledSamples:
    """Keep some spots of one slide; of genes the first four, the others beside them."""
    few, values = samples.take(np.arange(SPOTS)), samples.targets
    if values.kind != "gene_expression":
        return few
    genes = few.targets
    panel = replace(genes, names=genes.names[:4], values=genes.values[:, :4])
    others = replace(genes, names=genes.names[4:], values=genes.values[:, 4:])
    return replace(few, targets=panel, beside={**few.beside, "other_genes": others})


@cache
def _samples(kind: Kind) -> LabelledSamples:
    return _few(toy_fold(kind, patch_px=32, beside=("label",)).train)


@cache
def _ours(name: str) -> Any:
    """Make the method with tensors drawn at random, so that nothing agrees by starting alike."""
    case, registry = CASES[name], _registry()
    method: Any = case.card.build(options_from_json(case.card, {**case.options, "epochs": 1}))
    mode = "full" if case.encoder else "frozen"
    encoder = (
        registry.encoders.get(f"{case.encoder.partition('.')[0]}.random").build(PatchGeometry(patch_px=32))
        if case.encoder
        else None
    )
    method.fit(_samples(case.kind), None, FitContext(seed=3, mode=mode, encoder=encoder))
    module = _module(method)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for tensor_name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and not tensor_name.endswith(("running_var", "bn.running_mean")):
                tensor.add_(0.02 * torch.randn(tensor.shape, generator=draw))
        if getattr(module, "pixels", None) is not None:  # which the publishers keep nowhere
            module.pixels.mean.copy_(torch.tensor(HBCIS_MEAN))
            module.pixels.std.copy_(torch.tensor(HBCIS_STD))
    return method


def _module(method: Any) -> nn.Module:
    module: nn.Module = getattr(method, "_network", None) or method._module
    return module


def _published(case: Case, module: nn.Module) -> State:
    named = {}
    for name, tensor in module.state_dict().items():
        fits = next(((ours, theirs) for ours, theirs in case.names.items() if re.match(ours, name)), ("", ""))
        named[re.sub(f"^{fits[0]}", fits[1], name)] = tensor.clone()
    return {name: tensor for name, tensor in named.items() if not name.startswith("pixels.")}


def _converted(case: Case, state: State, folder: Path) -> Method:
    """Write what the publisher would, convert it, and load the result as a run would."""
    registry = _registry()
    source, out = folder / "theirs.ckpt", folder / "ours.safetensors"
    torch.save(case.wrap(state), source)
    names = _samples(case.kind).targets.names
    encoder = case.encoder if "resnet" in case.encoder else ""  # the others are the published ones
    convert_file(
        case.card, registry,
        Wanted(source=source, out=out, kind=case.kind, targets=names, encoder=encoder, settings=case.untold),
    )  # fmt: skip
    header = open_checkpoint(out).header
    method: Method = case.card.build(options_from_json(case.card, header.options))
    choice = converted_encoder(registry, case.card.encoder, header.encoder, header.mode) if case.card.encoder else None
    context = FitContext(seed=0, mode=header.mode or "frozen")
    if choice is not None:
        context = replace(context, encoder=choice.card.build(PatchGeometry(patch_px=32)))
    with unpacked(header, out) as unpacked_folder:
        method.load(unpacked_folder, context)
    return method


@every_case
def test_published_names_predict_the_same(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    ours = _ours(name)
    samples = unlabelled(_samples(case.kind))
    expected = ours.predict(samples)
    found = _converted(case, _published(case, _module(ours)), tmp_path).predict(samples)
    assert found.names == expected.names
    assert expected.values.std() > 0
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5)
    assert set(found.beside) == set(expected.beside)
    for other in expected.beside:
        np.testing.assert_allclose(_first(found.beside[other]), _first(expected.beside[other]), rtol=1e-4, atol=1e-5)


def _first(prediction: Prediction) -> np.ndarray:
    """Give what is predicted beside, of labels the probability of tumour alone: other classes are the dataset's."""
    return (
        prediction.values[:, [prediction.names.index("tumour")]] if "tumour" in prediction.names else prediction.values
    )


@every_case
def test_tensors_missing_unknown_and_of_another_shape_are_named(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    state = _published(case, _module(_ours(name)))
    del state[case.lost[0]]
    shape = tuple(state[case.misshapen[0]].shape)
    state[case.misshapen[0]] = state[case.misshapen[0]][1:]
    state["decoder.weight"] = torch.ones(2)
    with pytest.raises(DataError) as caught:
        _converted(case, state, tmp_path)
    said = str(caught.value)
    assert "theirs.ckpt' does not fit" in said
    assert f"tensors missing: {case.lost[1]};" in said
    assert "unexpected: decoder.weight;" in said
    assert f"{case.misshapen[1]} is {(shape[0] - 1, *shape[1:])} and must be {shape}." in said
    assert not (tmp_path / "ours.safetensors").exists()
