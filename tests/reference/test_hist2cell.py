"""Hist2Cell's network against the numbers of its specification (specs/hist2cell.md, numeric checks)."""

import re

import numpy as np
import pytest
import timm
import torch
from torch import nn

from histobench_heads.hist2cell.catalogue import HIST2CELL
from histobench_heads.hist2cell.network import GraphAttention, Hist2CellNetwork, fuse
from histobench_heads.hist2cell.options import Hist2CellOptions

COUNTS = HIST2CELL.parameters

pytestmark = pytest.mark.reference

# timm's resnet18 and the numbered children of the published backbone
_CHILDREN = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


class _Normalised(nn.Module):
    """A timm ResNet-18 that takes ready-made floats, as the specification's check does."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = timm.create_model("resnet18", pretrained=False, num_classes=0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.resnet(images)


def _network(n_targets: int) -> Hist2CellNetwork:
    return Hist2CellNetwork(_Normalised(), 512, n_targets=n_targets, depth=3, dropout=0.3, final_relu=False)


def _published_name(name: str) -> str:
    inner = re.match(r"backbone\.resnet\.(\w+)(.*)", name)
    return f"backbone.{_CHILDREN[inner[1]]}{inner[2]}" if inner else name


def _fill(network: nn.Module) -> None:
    """abundance_protocol.md, section 12."""
    for name, parameter in network.named_parameters():
        phase = sum(map(ord, _published_name(name))) % 97
        wave = np.sin(0.7 * np.arange(parameter.numel(), dtype=np.float64) + phase)
        if parameter.ndim >= 2:
            values = wave / np.sqrt(parameter.numel() / parameter.shape[0])
        else:
            values = 0.1 * wave + (1.0 if name.endswith("weight") else 0.0)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values.reshape(parameter.shape).astype(np.float32)))


def _wave(*shape: int) -> torch.Tensor:
    flat = np.sin(0.01 * np.arange(np.prod(shape), dtype=np.float64))
    return torch.from_numpy(flat.reshape(shape).astype(np.float32))


def _summary(values: torch.Tensor) -> list[float]:
    return [*values[0, :4].tolist(), values[-1, -1].item(), values.mean().item(), values.std(correction=0).item()]


@pytest.fixture(scope="module")
def filled() -> Hist2CellNetwork:
    network = _network(80)
    _fill(network)
    return network.eval()


@pytest.fixture(scope="module")
def features(filled: Hist2CellNetwork) -> torch.Tensor:
    with torch.no_grad():
        return filled.backbone(_wave(3, 3, 224, 224))


EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


@pytest.mark.parametrize(
    ("n_targets", "count"),
    [(80, 14_232_064), (39, 14_100_700), (1, 13_975_744 + 3_204)],
)
def test_parameter_count_is_the_published_one(n_targets: int, count: int) -> None:
    assert sum(p.numel() for p in _network(n_targets).parameters()) == count


def test_the_card_tells_the_published_counts() -> None:
    assert list(COUNTS.values()) == [14_232_064, 14_100_700]


def test_the_published_recipe_of_cucas_comparison_is_the_default() -> None:
    options = Hist2CellOptions()
    assert (options.epochs, options.lr, options.weight_decay) == (10, 1e-4, 1e-4)
    assert (options.seeds_per_batch, options.hops, options.depth, options.dropout) == (16, 2, 3, 0.3)


def test_numbers_on_released_weights_are_the_means_of_the_published_slides() -> None:
    released = {r.folds: round(r.value, 5) for r in HIST2CELL.reproductions if "weights" in r.settings}
    assert released == {("A50",): 0.32565, ("A37",): 0.2824}  # (.2839 + .3674) / 2; (.3016 + .2709 + .2336 + .3235) / 4


def test_every_number_is_run_with_the_published_batches() -> None:
    assert all(record.settings["faithful"] is True for record in HIST2CELL.reproductions)


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("backbone", 11_176_512),
        ("conv1", 263_168),
        ("norm1", 512),
        ("cell_transformer", 1_625_040),
        ("cell_transformer.blocks", 1_581_312),
        ("cell_transformer.head", 43_216),
        ("spot_fc", 131_328),
        ("spot_head", 345_168),
        ("local_head", 345_168),
        ("fused_head", 345_168),
    ],
)
def test_each_part_has_the_published_number_of_parameters(part: str, count: int) -> None:
    assert sum(p.numel() for p in _network(80).get_submodule(part).parameters()) == count


def test_buffers_have_the_published_number_of_entries() -> None:
    assert sum(b.numel() for b in _network(80).buffers()) == 9_620


def test_features_match_the_fill_rule_check(features: torch.Tensor) -> None:
    expected = [101.70569, 260.76602, 304.87814, 107.48596, 121.69984, 218.84997, 74.53847]
    assert _summary(features) == pytest.approx(expected, rel=1e-3)


@torch.no_grad()
def test_fused_embedding_matches_the_fill_rule_check(filled: Hist2CellNetwork, features: torch.Tensor) -> None:
    expected = [39.24713, 48.87932, 54.22142, 56.97157, -38.36546, 1.39887, 42.41107]
    assert _summary(fuse(*filled.branches(features, EDGES))) == pytest.approx(expected, rel=1e-3)


@torch.no_grad()
def test_abundances_match_the_fill_rule_check(filled: Hist2CellNetwork) -> None:
    expected = [-0.07722, -0.16106, -0.17440, -0.17545, 0.14243, 0.01277, 0.16608]
    assert _summary(filled(_wave(3, 3, 224, 224), EDGES)) == pytest.approx(expected, rel=1e-3, abs=2e-5)


@torch.no_grad()
def test_final_relu_cuts_the_fill_rule_check_at_zero(filled: Hist2CellNetwork) -> None:
    images = _wave(3, 3, 224, 224)
    plain = filled(images, EDGES)
    filled.final_relu = True
    rectified = filled(images, EDGES)
    filled.final_relu = False
    assert torch.equal(rectified, plain.clamp(min=0))


def test_graph_attention_starts_as_published() -> None:
    torch.manual_seed(0)
    layer = GraphAttention(512)
    bounds = [layer.lin_l.weight.abs().max().item(), layer.att.abs().max().item(), layer.lin_r.bias.abs().max().item()]
    assert bounds == pytest.approx([(6 / 768) ** 0.5, (6 / 40) ** 0.5, 512**-0.5], rel=0.05)
    assert not layer.bias.any()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
@torch.no_grad()
def test_graph_attention_agrees_with_torch_geometric() -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    theirs = geometric.GATv2Conv(512, 32, heads=8, negative_slope=0.2)
    ours = GraphAttention(512)
    ours.load_state_dict(theirs.state_dict())
    nodes = torch.randn(40, 512, generator=torch.Generator().manual_seed(1))
    linked = torch.rand(40, 40, generator=torch.Generator().manual_seed(2)) < 0.1
    edges = (linked & ~torch.eye(40, dtype=torch.bool)).nonzero().T  # directed: the direction matters
    torch.testing.assert_close(ours(nodes, edges), theirs(nodes, edges), rtol=1e-5, atol=1e-5)
