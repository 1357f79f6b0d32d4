"""Hist2ST's network against the numbers of its specification (specs/hist2st.md, numeric checks)."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from histobench.contracts.published import ConvertRequest
from histobench_heads.hist2st.catalogue import HIST2ST
from histobench_heads.hist2st.modules import GraphLayer, JumpingKnowledge
from histobench_heads.hist2st.network import Hist2STNetwork
from histobench_heads.hist2st.options import Hist2STOptions
from histobench_heads.hist2st.published import convert

pytestmark = pytest.mark.reference

POSITIONS = torch.tensor([[1, 2], [3, 4], [5, 6]])
# two-axis adjacency rows (0,1,1), (1,0,0), (1,1,0): source, target
EDGES = torch.tensor([[1, 2, 0, 0, 1], [0, 0, 1, 2, 2]])


def published_shapes(n_targets: int, *, n_pos: int) -> dict[str, tuple[int, ...]]:
    """The specification's table at its published sizes: no ZINB, with the coefficient network; without buffers."""
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embedding.weight": (32, 3, 7, 7), "patch_embedding.bias": (32,),
        "x_embed.weight": (n_pos, 1024), "y_embed.weight": (n_pos, 1024),
    }  # fmt: skip
    for b in range(2):
        mixer = f"vit.transformer.layer1.{b}"
        for place in (0, 3):
            shapes |= {f"{mixer}.dw.{place}.weight": (32, 1, 5, 5), f"{mixer}.dw.{place}.bias": (32,)}
        shapes |= {f"{mixer}.pw.0.weight": (32, 32, 1, 1), f"{mixer}.pw.0.bias": (32,)}
        for norm in ("dw.1", "dw.4", "pw.2"):
            shapes |= {f"{mixer}.{norm}.weight": (32,), f"{mixer}.{norm}.bias": (32,)}
    for k in range(8):
        block = f"vit.transformer.layer2.{k}"
        shapes |= {f"{block}.{part}.norm.{kind}": (1024,) for part in ("attn", "ff") for kind in ("weight", "bias")}
        shapes |= {f"{block}.attn.fn.to_qkv.weight": (3072, 1024)}
        for layer in ("attn.fn.to_out.0", "ff.fn.net.0", "ff.fn.net.3"):
            shapes |= {f"{block}.{layer}.weight": (1024, 1024), f"{block}.{layer}.bias": (1024,)}
    shapes |= {f"vit.transformer.layer3.{d}.weight": (1024, 1024) for d in range(4)}
    for layer in ("l0", "l1"):
        for side in ("ih", "hh"):
            shapes |= {f"vit.transformer.jknet.0.weight_{side}_{layer}": (4096, 1024)}
            shapes |= {f"vit.transformer.jknet.0.bias_{side}_{layer}": (4096,)}
    shapes |= {"vit.transformer.down.0.weight": (4, 32, 1, 1), "vit.transformer.down.0.bias": (4,)}
    shapes |= {"coef.0.weight": (1024, 1024), "coef.0.bias": (1024,), "coef.2.weight": (1, 1024), "coef.2.bias": (1,)}
    shapes |= {"gene_head.0.weight": (1024,), "gene_head.0.bias": (1024,)}
    return shapes | {"gene_head.1.weight": (n_targets, 1024), "gene_head.1.bias": (n_targets,)}


def _meta(n_targets: int, *, models_counts: bool = False, **options: Any) -> Hist2STNetwork:
    with torch.device("meta"):
        return Hist2STNetwork(n_targets, Hist2STOptions(**options), models_counts=models_counts)


@pytest.mark.parametrize(
    ("n_targets", "models_counts", "weight_distilled", "n_pos", "count"),
    [
        (80, False, 0.5, 240, 73_013_781),
        (39, False, 0.5, 240, 72_971_756),
        (785, True, 0.5, 64, 75_789_833),
        (785, False, 0.0, 64, 72_325_333),
        (39, False, 0.0, 240, 72_971_756 - 1_050_625),
    ],
)
def test_parameter_count_is_the_published_one(
    rule: SimpleNamespace, n_targets: int, models_counts: bool, weight_distilled: float, n_pos: int, count: int
) -> None:
    network = _meta(n_targets, models_counts=models_counts, weight_distilled=weight_distilled, n_pos=n_pos)
    assert rule.count(network) == count
    assert count in HIST2ST.parameters.values()
    assert len(HIST2ST.parameters) == 5


@pytest.mark.parametrize(
    ("part", "count"),
    [("patch_embedding", 4_736), ("mixers", 5_824), ("blocks", 50_388_992), ("blocks.0", 6_298_624),
     ("graph", 4_194_304), ("jumping", 16_793_600), ("down", 132), ("coef", 1_050_625),
     ("gene_head", 2_048 + 1_025 * 39), ("counts.mean", 1_025 * 39)],
)  # fmt: skip
def test_each_part_has_the_published_number_of_parameters(rule: SimpleNamespace, part: str, count: int) -> None:
    network = _meta(39, models_counts=True, weight_distilled=0.5)
    assert rule.count(network.get_submodule(part)) == count


def test_buffers_have_the_published_number_of_entries() -> None:
    assert sum(buffer.numel() for buffer in _meta(39).buffers()) == 390


def test_weights_are_drawn_as_published() -> None:
    """Graph layers Xavier-uniform, the LSTM uniform within a 32nd, tables standard normal."""
    torch.manual_seed(0)
    layer, lstm = GraphLayer(1024, policy="mean"), JumpingKnowledge(1024).lstm
    assert layer.weight.abs().max().item() == pytest.approx((6 / 2048) ** 0.5, rel=1e-3)
    assert lstm.weight_hh_l1.abs().max().item() == pytest.approx(1 / 32, rel=1e-3)
    small = Hist2STNetwork(2, Hist2STOptions(mixers=1, depth=1, graph_layers=1, channels=8), models_counts=False)
    assert small.x_embed.weight.std().item() == pytest.approx(1, rel=0.02)


@pytest.fixture(scope="module")
def filled(rule: SimpleNamespace) -> Hist2STNetwork:
    """Through the conversion of a checkpoint of CUCA's copy."""
    tensors = {name: torch.empty(shape) for name, shape in published_shapes(39, n_pos=240).items()}
    rule.fill(SimpleNamespace(named_parameters=tensors.items, eval=lambda: None))
    options = Hist2STOptions()
    request = ConvertRequest(options=options, kind="cell_abundance", targets=tuple(map(str, range(39))))
    network = Hist2STNetwork(39, options, models_counts=False)
    missing, unexpected = network.load_state_dict(dict(convert(tensors, request).tensors), strict=False)
    assert not unexpected
    assert set(missing) <= {name for name, _ in network.named_buffers()}  # fresh, as the rule has them
    return network.eval()


@pytest.fixture(scope="module")
def looked(rule: SimpleNamespace, filled: Hist2STNetwork) -> Tensor:
    layer = filled.patch_embedding
    with torch.no_grad():
        return functional.conv2d(rule.wave(3, 3, 112, 112), layer.weight, layer.bias, stride=7)


@torch.no_grad()
def test_every_shape_is_the_published_one(filled: Hist2STNetwork, looked: Tensor) -> None:
    assert looked.shape == (3, 32, 16, 16)
    assert filled.mixers[0](looked).shape == (3, 32, 16, 16)
    assert filled.down(looked).shape == (3, 1024)


@torch.no_grad()
def test_outputs_match_the_fill_rule_check(rule: SimpleNamespace, filled: Hist2STNetwork, looked: Tensor) -> None:
    hidden = filled.embed(looked, POSITIONS, EDGES)
    of_hidden = [0.02179, -0.11592, -0.19447, -0.24382, -0.17913, -0.03125, 0.15501]
    of_values = [1.07723, 2.15265, 2.64671, 2.42910, 2.49517, 0.11976, 1.82544]
    assert rule.summary(hidden) == pytest.approx(of_hidden, rel=1e-3)
    assert rule.summary(filled.gene_head(hidden)) == pytest.approx(of_values, rel=1e-3)


@torch.no_grad()
def test_a_spot_that_nobody_looks_at_leaves_every_prediction_finite(
    rule: SimpleNamespace, filled: Hist2STNetwork
) -> None:
    """Four spots, as in the specification's check of the adjacency's axis; the fourth sees only the others."""
    edges = torch.tensor([[1, 2, 0, 0, 1, 0, 1], [0, 0, 1, 2, 2, 3, 3]])
    maps = rule.wave(4, 32, 16, 16)
    hidden = filled.embed(maps, torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]]), edges)
    assert hidden.isfinite().all()
