"""THItoGene's network against the numbers of its specification (specs/thitogene.md, numeric checks)."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from histobench.contracts.published import renamed
from histobench_heads.frames.slidewise.slides import neighbour_edges
from histobench_heads.thitogene.catalogue import THITOGENE
from histobench_heads.thitogene.network import ThitogeneNetwork
from histobench_heads.thitogene.options import ThitogeneOptions
from histobench_heads.thitogene.published import NAMES

pytestmark = pytest.mark.reference

# hist2st.md, fill-rule check: rows of the adjacency (0, 1, 1), (1, 0, 0), (1, 1, 0); the row sees the column
POSITIONS = torch.tensor([[1, 2], [3, 4], [5, 6]])
EDGES = torch.tensor([[1, 2, 0, 0, 1], [0, 0, 1, 2, 2]])


def _shapes(*, n_targets: int, n_pos: int, depth: int) -> dict[str, tuple[int, ...]]:
    """The published names and shapes (thitogene.md, Parameters in order)."""
    shapes: dict[str, tuple[int, ...]] = {
        "odconv2d.weight": (4, 16, 3, 4, 4),
        "odconv2d.attention.fc.weight": (16, 3, 1, 1),
        **_layer("odconv2d.attention.bn", 16),
        **_layer("odconv2d.attention.channel_fc", 3, 16, 1, 1),
        **_layer("odconv2d.attention.filter_fc", 16, 16, 1, 1),
        **_layer("odconv2d.attention.spatial_fc", 16, 16, 1, 1),
        **_layer("odconv2d.attention.kernel_fc", 4, 16, 1, 1),
    }
    for k, shape in enumerate([(32, 16, 5, 5), (64, 32, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3)], start=1):
        shapes |= _layer(f"caps_layer.conv{k}", *shape) | _layer(f"caps_layer.batch_norm{k}", shape[0])
    shapes |= _layer("caps_layer.primary_caps.depthwise_conv", 128, 1, 9, 9)
    shapes |= {"caps_layer.digit_caps.W": (20, 16, 8, 64), "caps_layer.digit_caps.b": (20, 16, 1)}
    shapes |= {"x_embed.weight": (n_pos, 64), "y_embed.weight": (n_pos, 64)}
    for k in range(depth):
        block = f"vit.transformer.layers.{k}"
        shapes |= _layer(f"{block}.0.norm", 1408) | {f"{block}.0.fn.to_qkv.weight": (3072, 1408)}
        shapes |= _layer(f"{block}.0.fn.to_out.0", 1408, 1024) | _layer(f"{block}.1.norm", 1408)
        shapes |= _layer(f"{block}.1.fn.net.0", 2048, 1408) | _layer(f"{block}.1.fn.net.3", 1408, 2048)
    for h in range(8):
        shapes |= {f"gat.attention_{h}.W": (1408, 1024), f"gat.attention_{h}.a": (2048, 1)}
    shapes |= {"gat.out_att.W": (8192, 512), "gat.out_att.a": (1024, 1)}
    return (
        shapes | _layer("gene_head.0", 1024, 512) | _layer("gene_head.2", 1024) | _layer("gene_head.3", n_targets, 1024)
    )


def _layer(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _empty(n_targets: int, *, n_pos: int = 128, depth: int = 4) -> ThitogeneNetwork:
    with torch.device("meta"):
        return ThitogeneNetwork(ThitogeneOptions(n_pos=n_pos, depth=depth), n_targets)


@pytest.fixture(scope="module")
def network() -> ThitogeneNetwork:
    torch.manual_seed(0)
    return ThitogeneNetwork(ThitogeneOptions(), 39)


@pytest.fixture(scope="module")
def filled(rule: SimpleNamespace) -> ThitogeneNetwork:
    network = ThitogeneNetwork(ThitogeneOptions(), 39)
    ours = dict(network.named_parameters())
    published = {
        name: ours[renamed({name: torch.empty(0)}, NAMES).popitem()[0]]
        for name in _shapes(n_targets=39, n_pos=128, depth=4)
    }
    rule.fill(SimpleNamespace(named_parameters=published.items, eval=network.eval))
    return network


# sizes


@pytest.mark.parametrize(
    ("n_targets", "n_pos", "count"), [(80, 128, 62_872_279), (39, 128, 62_830_254), (785, 64, 63_586_712)]
)
def test_parameter_count_is_the_published_one(rule: SimpleNamespace, n_targets: int, n_pos: int, count: int) -> None:
    assert rule.count(_empty(n_targets, n_pos=n_pos)) == count
    assert count in THITOGENE.parameters.values()
    assert len(THITOGENE.parameters) == 3


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("maps", 3_815),
        ("maps.convolution.attention", 3_815 - 3_072),
        ("capsules", 317_344),
        ("x_embed", 64 * 128),
        ("y_embed", 64 * 128),
        ("blocks", 46_179_328),
        ("blocks.0", 11_544_832),
        ("graph", 15_746_048),
        ("graph.attentions.0", 1_443_840),
        ("graph.out_att", 4_195_328),
        ("head", 527_360 + 1_025 * 39),
    ],
)
def test_each_part_has_the_published_number_of_parameters(rule: SimpleNamespace, part: str, count: int) -> None:
    assert rule.count(_empty(39).get_submodule(part)) == count


def test_buffers_have_the_published_number_of_entries() -> None:
    assert sum(b.numel() for b in _empty(39).buffers()) == 613


@pytest.mark.parametrize(("n_targets", "n_pos", "depth"), [(39, 128, 4), (785, 64, 4), (171, 64, 8)])
def test_every_published_tensor_has_its_place_and_shape(n_targets: int, n_pos: int, depth: int) -> None:
    shapes = _shapes(n_targets=n_targets, n_pos=n_pos, depth=depth)
    found = renamed({name: torch.empty(shape, device="meta") for name, shape in shapes.items()}, NAMES)
    parameters = _empty(n_targets, n_pos=n_pos, depth=depth).named_parameters()
    assert {name: t.shape for name, t in found.items()} == {name: p.shape for name, p in parameters}


# shapes on the way


@torch.no_grad()
def test_patches_become_maps_capsules_and_predictions_of_the_published_shapes(network: ThitogeneNetwork) -> None:
    images = torch.rand(3, 3, 112, 112)
    maps = [network.maps(images)]
    for stage in network.capsules.stages:
        maps.append(stage(maps[-1]))
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 28, 28), (32, 24, 24), (64, 22, 22), (64, 20, 20), (128, 9, 9)]
    primary = network.capsules.primary(maps[-1])
    assert primary.shape == (3, 16, 8)
    assert network.capsules.digits(primary).shape == (3, 20, 64)
    embedded = network.embed(images, POSITIONS, EDGES)
    assert embedded.shape == (3, 512)
    assert network.head(embedded).shape == (3, 39)


# the fill rule


@torch.no_grad()
def test_embedding_matches_the_fill_rule_check(filled: ThitogeneNetwork, rule: SimpleNamespace) -> None:
    expected = [-0.10843, -0.15781, -0.13753, -0.05311, -0.12999, 0.03535, 0.36572]
    found = rule.summary(filled.embed(rule.wave(3, 3, 112, 112), POSITIONS, EDGES))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


@torch.no_grad()
def test_prediction_matches_the_fill_rule_check(filled: ThitogeneNetwork, rule: SimpleNamespace) -> None:
    expected = [-1.43568, -1.37357, -0.95277, -0.26970, -1.55796, -0.08844, 1.07441]
    found = rule.summary(filled(rule.wave(3, 3, 112, 112), POSITIONS, EDGES))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


# the graph


def test_a_hexagonal_lattice_of_400_spots_keeps_its_places_and_no_spot_looks_at_itself() -> None:
    """Known defects: rounded to a square step they have 280 positions; 120 see themselves, 14 are seen by none."""
    row, column = np.divmod(np.arange(400), 20)
    centres = np.stack([column + 0.5 * (row % 2), row * 0.75**0.5], axis=1)
    rounded = np.round(centres).astype(np.int64)
    distance = np.linalg.norm(rounded[:, None] - rounded[None], axis=2)
    published = distance.argsort(axis=1, kind="stable")[:, 1:5]  # the 14 are one unstable sort's
    assert len(np.unique(rounded, axis=0)) == 280
    assert (published == np.arange(400)[:, None]).sum() == 120
    source, receiver = neighbour_edges(np.stack([2 * column + row % 2, row], axis=1), ThitogeneOptions())
    assert not (source == receiver).any()
    assert set(source) == set(receiver) == set(range(400))
    assert np.bincount(receiver).tolist() == [4] * 400


# initialisation


def _deviation(tensor: Tensor) -> float:
    return tensor.std(correction=0).item()


def test_weights_are_drawn_as_published(network: ThitogeneNetwork) -> None:
    gates = network.maps.convolution.attention
    assert _deviation(network.capsules.digits.W) == pytest.approx(0.015625, rel=0.01)
    assert _deviation(network.maps.convolution.weight) == pytest.approx((2 / (16 * 16)) ** 0.5, rel=0.05)  # fan out
    assert _deviation(gates.filter_fc.weight) == pytest.approx((2 / 16) ** 0.5, rel=0.15)
    assert _deviation(network.capsules.stages[1].conv.weight) == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.02)
    bound = 1.414 * (6 / (1408 + 1024)) ** 0.5
    assert network.graph.attentions[0].W.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert network.graph.attentions[0].a.abs().max().item() == pytest.approx(1.414 * (6 / 2049) ** 0.5, rel=0.02)
    assert not torch.cat([gates.spatial_fc.bias, gates.kernel_fc.bias, network.capsules.digits.b.flatten()]).any()
