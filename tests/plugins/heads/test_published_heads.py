"""Checkpoints of heads on embeddings and of hist2scRNA, in their publishers' names, converted as the command does it.

The tensors are drawn here, under the names that the specifications list. What they must predict is computed from them
by torch's own functions, layer by layer as the specification says, and not by our modules.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from histobench import DataError, FitContext, Kind, Prediction, Samples
from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json
from histobench.contracts.registry import Registry
from histobench.study.checkpoint_conversion import Wanted, convert_file
from histobench.testing import toy_fold, unlabelled
from histobench.weights.converted import open_checkpoint, unpacked
from histobench_heads.cuca.catalogue import CUCA, CUCA_MLP
from histobench_heads.foundation.catalogue import FMMLP, LINEAR_PROBE, MLP
from histobench_heads.hist2rna.catalogue import HIST2RNA
from histobench_heads.hist2scrna.catalogue import HIST2SCRNA, HIST2SCRNA_LIGHT

State = dict[str, Tensor]

SPOTS, DIM, GENES = 6, 512, 4  # the encoder is as wide as ResNet-18
NAMES = ("a", "b", "c", "d")


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> State:
    """Draw small tensors; deviations must be positive."""
    draw = torch.Generator().manual_seed(4)
    state = {name: 0.1 * torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    return {name: tensor.abs() + 0.5 if name.endswith("running_var") else tensor for name, tensor in state.items()}


def layer(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    running = {f"{name}.{part}": (width,) for part in ("running_mean", "running_var")}
    return {**layer(name, width), **running, f"{name}.num_batches_tracked": ()}


def projector(hidden: int, out: int, *, closed: bool = False) -> dict[str, tuple[int, ...]]:
    layers = {**layer("projector_head.0", hidden, DIM), **norm("projector_head.1", hidden)}
    layers |= {**layer("projector_head.4", hidden, hidden), **norm("projector_head.5", hidden)}
    layers |= {**layer("projector_head.8", out, hidden), **(norm("projector_head.9", out) if closed else {})}
    return {**layers, **layer("regression_head", GENES, out)}


def snn(latent: int) -> dict[str, tuple[int, ...]]:
    first = {**layer("snn_branch.fc_omic.0.0", 1024, 9), **layer("snn_branch.fc_omic.1.0", 1024, 1024)}
    decoder = {**layer("snn_branch.classifier.0", latent, latent), **layer("snn_branch.classifier.3", 9, latent)}
    return {**first, **layer("snn_branch.fc_omic.2", latent, 1024), **decoder}


def heads(width: int) -> dict[str, tuple[int, ...]]:
    gene_heads = [layer(f"{name}_decoder", GENES, width) for name in ("mu", "theta", "pi")]
    return {name: shape for part in (*gene_heads, layer("cell_type_head", 3, width)) for name, shape in part.items()}


def light() -> dict[str, tuple[int, ...]]:
    attention = {"spatial_attn.in_proj_weight": (48, 16), "spatial_attn.in_proj_bias": (48,)}
    shapes = {**layer("feature_proj.0", 16, DIM), **layer("feature_proj.1", 16), **attention}
    return {**shapes, **layer("spatial_attn.out_proj", 16, 16), **decoder_of("decoder", 0, 16, 32), **heads(32)}


def decoder_of(name: str, place: int, dim: int, out: int) -> dict[str, tuple[int, ...]]:
    return {**layer(f"{name}.{place}", out, dim), **layer(f"{name}.{place + 1}", out)}


def gat(name: str, dim: int, width: int, n_heads: int, *, lin: str) -> dict[str, tuple[int, ...]]:
    attention = {f"{name}.{part}": (1, n_heads, width) for part in ("att_src", "att_dst")}
    return {f"{name}.{lin}.weight": (n_heads * width, dim), **attention, f"{name}.bias": (n_heads * width,)}


def full(*, lin: str = "lin") -> dict[str, tuple[int, ...]]:
    """128 wide, so that there are two heads of 64, as in the published configurations."""
    shapes = {"vit.pos_embed": (1, 5, 128), "vit.cls_token": (1, 1, 128), **layer("vit.patch_embed.proj", 128, 3, 8, 8)}
    for name, *shape in (
        *(("norm1", 128), ("attn.qkv", 384, 128), ("attn.proj", 128, 128), ("norm2", 128)),
        *(("mlp.0", 512, 128), ("mlp.3", 128, 512)),
    ):
        shapes |= layer(f"vit.blocks.0.{name}", *shape)
    shapes |= {**layer("vit.norm", 128), **gat("spatial_gnn.gat1", 128, 8, 2, lin=lin)}
    shapes |= {**gat("spatial_gnn.gat2", 16, 8, 1, lin=lin), **decoder_of("decoder", 0, 8, 10)}
    return {**shapes, **decoder_of("decoder", 4, 10, 20), **heads(20)}


# what the published networks predict, from section to section of their specifications


def linear(state: State, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def batch_norm(state: State, name: str, x: Tensor) -> Tensor:
    parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(x, *parts)


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])


def published_linear_probe(state: State, x: Tensor) -> Tensor:
    return linear(state, "linearprob_head", x)


def published_mlp(state: State, x: Tensor) -> Tensor:
    for place in (0, 4):
        x = batch_norm(state, f"projector_head.{place + 1}", linear(state, f"projector_head.{place}", x)).relu()
    x = linear(state, "projector_head.8", x)
    if "projector_head.9.weight" in state:
        x = batch_norm(state, "projector_head.9", x).relu()
    return linear(state, "regression_head", x)


def published_hist2rna(state: State, x: Tensor) -> Tensor:
    x = x.unsqueeze(2)
    for name, padding in (("c1.0", 2), ("c2.0", 0), ("c3.0", 0)):
        x = functional.conv1d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding).relu()
    return linear(state, "output.0", x.mean(dim=2))


def counts(state: State, features: Tensor) -> Tensor:
    """(1 - π)μ of the published heads."""
    zero = linear(state, "pi_decoder", features).sigmoid()
    return (1 - zero) * linear(state, "mu_decoder", features).exp()


def published_light(state: State, x: Tensor) -> Tensor:
    """Attention over a single token is its value, projected (section 5)."""
    x = layer_norm(state, "feature_proj.1", linear(state, "feature_proj.0", x)).relu()
    x = functional.linear(x, state["spatial_attn.in_proj_weight"][32:], state["spatial_attn.in_proj_bias"][32:])
    x = linear(state, "spatial_attn.out_proj", x)
    return counts(state, layer_norm(state, "decoder.1", linear(state, "decoder.0", x)).relu())


PUBLISHED: dict[str, tuple[MethodCard, Kind, dict[str, tuple[int, ...]], Callable[[State, Tensor], Tensor]]] = {
    "linear-probe": (LINEAR_PROBE, "cell_abundance", layer("linearprob_head", GENES, DIM), published_linear_probe),
    "mlp": (MLP, "cell_abundance", projector(16, 12), published_mlp),
    "fmmlp": (FMMLP, "cell_abundance", projector(16, 12), published_mlp),
    "cuca-mlp": (CUCA_MLP, "cell_abundance", {**projector(16, 512), **snn(512)}, published_mlp),
    "cuca": (CUCA, "cell_abundance", {**projector(16, 256, closed=True), **snn(256)}, published_mlp),
    "hist2rna": (
        HIST2RNA,
        "gene_expression",
        {
            **layer("c1.0", 256, DIM, 5),
            **layer("c2.0", 512, 256, 1),
            **layer("c3.0", 512, 512, 1),
            **layer("output.0", GENES, 512),
        },
        published_hist2rna,
    ),
    "hist2scrna-light": (HIST2SCRNA_LIGHT, "gene_expression", light(), published_light),
}
by_name = pytest.mark.parametrize("name", PUBLISHED)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture(scope="module")
def samples() -> Samples:
    fold = toy_fold("gene_expression", patch_px=16)
    some = unlabelled(fold.test).take(np.arange(SPOTS))
    embeddings = np.random.default_rng(0).normal(size=(SPOTS, DIM)).astype(np.float32)
    return replace(some, embeddings=embeddings)


def wanted(card: MethodCard, kind: Kind, file: Path, **more: Any) -> Wanted:
    encoder = "" if card.encoder is None else "resnet18.random@frozen"
    return Wanted(source=file, out=file.with_suffix(".safetensors"), kind=kind, targets=NAMES, encoder=encoder, **more)


def predicted(card: MethodCard, registry: Registry, asked: Wanted, samples: Samples) -> Prediction:
    """Convert a file, and predict with the result as a run would."""
    convert_file(card, registry, asked)
    header = open_checkpoint(asked.out).header
    method = card.build(options_from_json(card, header.options))
    with unpacked(header, asked.out) as folder:
        method.load(folder, FitContext(seed=0, mode=header.mode or "frozen"))
    return method.predict(samples)


def saved(path: Path, held: object) -> Path:
    torch.save(held, path)
    return path


@by_name
def test_a_published_checkpoint_predicts_what_its_tensors_say(
    registry: Registry, samples: Samples, tmp_path: Path, name: str
) -> None:
    card, kind, shapes, published = PUBLISHED[name]
    state = drawn(shapes)
    found = predicted(card, registry, wanted(card, kind, saved(tmp_path / "theirs.pth", state)), samples)
    expected = published(state, torch.from_numpy(samples.embeddings)).numpy()
    ours = found.beside["counts"].values if "counts" in found.beside else found.values
    assert found.names == NAMES
    assert expected.std() > 1e-3
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


Spoil = Callable[[State, str], str]


def _lose(state: State, name: str) -> str:
    del state[name]
    return name


def _add(state: State, name: str) -> str:
    state["classifier.extra.weight"] = torch.ones(2)
    return "classifier.extra.weight"


def _misshape(state: State, name: str) -> str:
    state[name] = torch.ones(*(side + 1 for side in state[name].shape))
    return name


@by_name
@pytest.mark.parametrize("spoil", [_lose, _add, _misshape], ids=["missing", "extra", "misshapen"])
def test_a_tensor_that_does_not_belong_is_named(registry: Registry, tmp_path: Path, name: str, spoil: Spoil) -> None:
    card, kind, shapes, _ = PUBLISHED[name]
    state = drawn(shapes)
    fault = spoil(state, {"linear-probe": "linearprob_head.weight"}.get(name, _inner(state)))
    asked = wanted(card, kind, saved(tmp_path / "theirs.pth", state))
    with pytest.raises(DataError) as caught:
        convert_file(card, registry, asked)
    assert fault in str(caught.value)
    assert not asked.out.exists()


def _inner(state: State) -> str:
    """A tensor on whose shape no other is judged."""
    known = ("projector_head.4.weight", "c2.0.weight", "spatial_attn.out_proj.weight", "vit.norm.weight")
    return next((name for name in known if name in state), "")


def test_the_encoder_of_an_end_to_end_hist2rna_is_left_out(registry: Registry, tmp_path: Path) -> None:
    state = drawn({**PUBLISHED["hist2rna"][2], "base_model.conv1.weight": (64, 3, 7, 7)})
    asked = wanted(HIST2RNA, "gene_expression", saved(tmp_path / "theirs.pth", state))
    _, found = convert_file(HIST2RNA, registry, asked)
    assert found.left_out == {"base_model.conv1.weight": "the frozen encoder's own weights are used"}


# hist2scRNA's training script wraps its weights


def _training_checkpoint(state: State) -> dict[str, object]:
    numbers = {"train_losses": [3.0, 2.5], "val_losses": [3.1, 2.7], "val_metrics": {"loss": 2.7}}
    optimiser = {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    schedule = {"scheduler_state_dict": {"best": 2.7, "num_bad_epochs": 0}}
    return {"epoch": 1, "model_state_dict": state, "optimizer_state_dict": optimiser, **numbers, **schedule}


def test_a_training_checkpoint_of_hist2scrna_is_read_as_the_dictionary_it_is(
    registry: Registry, samples: Samples, tmp_path: Path
) -> None:
    state = drawn(full())
    plain, wrapped = (
        predicted(
            HIST2SCRNA, registry, wanted(HIST2SCRNA, "gene_expression", saved(tmp_path / name, held)), samples
        ).values
        for name, held in (("plain.pth", state), ("wrapped.pth", _training_checkpoint(state)))
    )
    np.testing.assert_array_equal(wrapped, plain)
    assert plain.std() > 1e-5


def test_both_names_of_the_graph_librarys_projection_are_read(
    registry: Registry, samples: Samples, tmp_path: Path
) -> None:
    newer = drawn(full())
    older = {name.replace(".lin.", ".lin_src."): tensor for name, tensor in newer.items()}
    older |= {name.replace(".lin.", ".lin_dst."): newer[name] for name in newer if ".lin." in name}
    one, other = (
        predicted(HIST2SCRNA, registry, wanted(HIST2SCRNA, "gene_expression", saved(tmp_path / name, held)), samples)
        for name, held in (("newer.pth", newer), ("older.pth", older))
    )
    np.testing.assert_array_equal(one.values, other.values)


def test_what_no_shape_tells_of_hist2scrna_follows_the_published_configurations(
    registry: Registry, tmp_path: Path
) -> None:
    header, _ = convert_file(
        HIST2SCRNA, registry, wanted(HIST2SCRNA, "gene_expression", saved(tmp_path / "theirs.pth", drawn(full())))
    )
    read = ("embed", "heads", "depth", "token_px", "patch_px", "gnn_hidden", "gnn_heads", "decoder", "graph")
    assert [header.options[name] for name in read] == [128, 2, 1, 8, 16, 8, 2, 10, True]


@pytest.mark.parametrize("spoil", [_lose, _add, _misshape], ids=["missing", "extra", "misshapen"])
def test_a_tensor_that_does_not_belong_to_hist2scrna_is_named(registry: Registry, tmp_path: Path, spoil: Spoil) -> None:
    state = drawn(full())
    fault = spoil(state, "vit.norm.weight")
    with pytest.raises(DataError) as caught:
        convert_file(HIST2SCRNA, registry, wanted(HIST2SCRNA, "gene_expression", saved(tmp_path / "theirs.pth", state)))
    assert fault in str(caught.value)
