"""HisToGene as a method: it learns, its attention is the plain formula, and published weights predict the same."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from histobench import ConfigError, DataError, FitContext, Kind, PatchGeometry
from histobench.contracts.published import ConvertRequest
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson, save_weights
from histobench_heads.frames.saved import write_facts
from histobench_heads.frames.transformer import Attention
from histobench_heads.histogene.catalogue import HISTOGENE
from histobench_heads.histogene.method import HisToGene
from histobench_heads.histogene.network import HisToGeneNetwork
from histobench_heads.histogene.options import HisToGeneOptions
from histobench_heads.histogene.published import convert

NARROW: dict[str, Any] = {"patch_px": 32, "dim": 128, "depth": 2, "heads": 2, "hidden": 256}


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold()


# learning


def test_histogene_learns(fold: ToyFold) -> None:
    method = HisToGene(HisToGeneOptions(**NARROW, epochs=60, lr=1e-3))
    method.fit(fold.train, fold.val, FitContext(seed=0))
    predicted = method.predict(unlabelled(fold.test)).values
    assert mean_pearson(torch.from_numpy(predicted), torch.from_numpy(fold.test.targets.values)) > 0.5


def test_a_spot_is_told_apart_by_its_place_alone(fold: ToyFold) -> None:
    """Same patch everywhere: only the position tables differ."""
    network = HisToGeneNetwork(3, HisToGeneOptions(**NARROW)).eval()
    patches = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    with torch.no_grad():
        here = network(patches, torch.tensor([[1, 2], [1, 2]]))
        there = network(patches, torch.tensor([[1, 2], [2, 1]]))
    torch.testing.assert_close(here[0], here[1])
    assert not torch.allclose(there[0], there[1], atol=1e-3)


# attention


def test_attention_is_the_softmax_of_scaled_products() -> None:
    torch.manual_seed(0)
    layer = Attention(24, heads=2, dropout=0.0)
    tokens = torch.randn(7, 24)
    q, k, v = layer.to_qkv(layer.norm(tokens)).chunk(3, dim=1)
    heads = []
    for columns in (slice(0, 64), slice(64, 128)):
        weights = (q[:, columns] @ k[:, columns].T / 8).softmax(dim=1)
        heads.append(weights @ v[:, columns])
    torch.testing.assert_close(layer(tokens), layer.to_out(torch.cat(heads, dim=1)), rtol=1e-5, atol=1e-5)


def test_attention_keeps_no_table_of_all_pairs() -> None:
    layer = Attention(16, heads=1, dropout=0.0)
    tokens, sizes = torch.randn(600, 16, requires_grad=True), []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(tokens)
    assert max(sizes) <= 600 * 3 * 64 < 600 * 600


# published settings and weights


@pytest.mark.parametrize(
    ("kind", "n_pos", "weight_decay", "field_px"), [("cell_abundance", 128, 1e-4, 224), ("gene_expression", 64, 0, 112)]
)
def test_each_kind_of_target_is_trained_as_published(
    kind: Kind, n_pos: int, weight_decay: float, field_px: int
) -> None:
    options = HisToGeneOptions(**HISTOGENE.kind_options.get(kind, {}))
    assert (options.n_pos, options.weight_decay, options.lr, options.epochs) == (n_pos, weight_decay, 1e-5, 100)
    assert HISTOGENE.patch is not None
    assert HISTOGENE.patch(options) == PatchGeometry(patch_px=112, field_px=field_px)


def _published(ours: HisToGeneNetwork) -> dict[str, Tensor]:
    """Our tensors under the specification's names."""
    names = {"attn.norm": "0.norm", "attn.to_qkv": "0.fn.to_qkv", "attn.to_out": "0.fn.to_out.0",
             "ff.norm": "1.norm", "ff.net": "1.fn.net"}  # fmt: skip
    tensors = {}
    for name, tensor in ours.state_dict().items():
        for mine, theirs in names.items():
            name = name.replace(mine, theirs)
        tensors[name.replace("blocks.", "vit.transformer.layers.")] = tensor
    return tensors


def test_original_weights_predict_what_the_authors_flattening_gives(fold: ToyFold, tmp_path: Any) -> None:
    """Column by column, row by row, the channels together, from 0 to 255 (histogene.md, Inputs)."""
    torch.manual_seed(0)
    options = HisToGeneOptions(**NARROW, inputs="original", n_pos=64)
    theirs = HisToGeneNetwork(5, options).eval()
    request = ConvertRequest(options=options, kind="gene_expression", targets=fold.train.targets.names)
    converted = convert(_published(theirs), request)
    write_facts(tmp_path, converted.facts)
    ours = HisToGeneNetwork(5, options)
    ours.load_state_dict(dict(converted.tensors))
    save_weights(ours, tmp_path / "weights.safetensors")

    method = HisToGene(HisToGeneOptions(**{**NARROW, "inputs": "original", **converted.options}))
    method.load(tmp_path, FitContext(seed=0))

    assert fold.test.patches is not None
    pixels = torch.from_numpy(np.array(fold.test.patches[:])).float()  # (n, y, x, channel)
    by_column = pixels.transpose(1, 2).flatten(1)
    layer = theirs.patch_embedding
    with torch.no_grad():
        looked = torch.nn.functional.linear(by_column, layer.weight, layer.bias)
        expected = theirs.gene_head(theirs.tokens(looked, torch.from_numpy(fold.test.array)))
    np.testing.assert_allclose(method.predict(unlabelled(fold.test)).values, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_sizes_are_read_off_the_checkpoint() -> None:
    options = HisToGeneOptions(**NARROW, n_pos=40)
    request = ConvertRequest(options=HisToGeneOptions(), kind="cell_abundance", targets=("a", "b"))
    converted = convert(_published(HisToGeneNetwork(2, options)), request)
    assert converted.options == {**NARROW, "n_pos": 40}


def test_weights_of_something_else_are_refused() -> None:
    request = ConvertRequest(options=HisToGeneOptions(), kind="cell_abundance", targets=("a",))
    with pytest.raises(DataError, match=r"this is not a checkpoint of the method: it has no tensor 'gene_head.1.bias'"):
        convert({"conv1.weight": torch.zeros(3)}, request)


@pytest.mark.parametrize("name", ["dim", "depth", "heads", "hidden"])
def test_sizes_without_a_unit_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        HisToGeneOptions(**{name: 0})
