"""hist2scRNA's networks against the numbers of their specification (specs/hist2scrna.md, sections 6 and 12)."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from histobench_heads.hist2scrna.catalogue import HIST2SCRNA, HIST2SCRNA_LIGHT
from histobench_heads.hist2scrna.learning import Truth, losses
from histobench_heads.hist2scrna.network import GraphAttention, Hist2ScrnaLightNetwork, Hist2ScrnaNetwork, Said
from histobench_heads.hist2scrna.options import Hist2ScrnaLightOptions, Hist2ScrnaOptions

pytestmark = pytest.mark.reference

# section 6, in order; the two blocks follow each other
_HEADS = [f"{head}.{part}" for head in ("mu_decoder", "theta_decoder", "pi_decoder", "cell_type_head") for part in "wb"]
_BLOCK = ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"]
_ORDER = [
    *("vit.pos_embed", "vit.cls_token", "vit.patch_embed.proj.w", "vit.patch_embed.proj.b"),
    *(f"vit.blocks.{block}.{layer}.{part}" for block in range(2) for layer in _BLOCK for part in "wb"),
    *("vit.norm.w", "vit.norm.b"),
    *(f"spatial_gnn.gat{n}.{part}" for n in (1, 2) for part in ("lin.w", "att_src", "att_dst", "bias")),
    *(f"decoder.{layer}.{part}" for layer in (0, 1, 4, 5) for part in "wb"),
    *_HEADS,
]
_LIGHT_ORDER = [
    *(f"feature_proj.{layer}.{part}" for layer in (0, 1) for part in "wb"),
    *("spatial_attn.in_proj_weight", "spatial_attn.in_proj_bias"),
    *("spatial_attn.out_proj.w", "spatial_attn.out_proj.b"),
    *(f"decoder.{layer}.{part}" for layer in (0, 1) for part in "wb"),
    *_HEADS,
]


def _names(order: Iterable[str]) -> list[str]:
    return [re.sub(r"\.w$", ".weight", re.sub(r"\.b$", ".bias", name)) for name in order]


def _fill(network: nn.Module, order: Iterable[str]) -> nn.Module:
    """Section 12: tensor t, flat element k is 0.05 sin(0.37 k + 0.1 t), and one more in a LayerNorm's weight."""
    network.double()
    parameters = dict(network.named_parameters())
    norms = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.LayerNorm)}
    names = _names(order)
    assert sorted(names) == sorted(parameters)
    with torch.no_grad():
        for t, name in enumerate(names):
            k = torch.arange(parameters[name].numel(), dtype=torch.float64)
            values = 0.05 * torch.sin(0.37 * k + 0.1 * t) + (1.0 if name in norms else 0.0)
            parameters[name].copy_(values.reshape(parameters[name].shape))
    return network.eval()


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


SMALL = Hist2ScrnaOptions(patch_px=32, embed=24, depth=2, heads=3, gnn_hidden=16, gnn_heads=2)
EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


@pytest.fixture(scope="module")
def small() -> Hist2ScrnaNetwork:
    network = Hist2ScrnaNetwork(SMALL, n_genes=7, n_classes=3)
    return _fill(network, _ORDER)


@pytest.fixture(scope="module")
def class_tokens(small: Hist2ScrnaNetwork) -> Tensor:
    b, c, h, w = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (4, 3, 32, 32)), indexing="ij")
    with torch.no_grad():
        return small.vit(torch.sin(0.7 * b + 0.9 * c + 0.11 * h + 0.07 * w))


@pytest.fixture(scope="module")
def output(small: Hist2ScrnaNetwork, class_tokens: Tensor) -> Said:
    with torch.no_grad():
        return small.read(class_tokens, EDGES)


# parameters


CONFIGURATIONS = [
    (Hist2ScrnaOptions(), 2000, 10, 27_806_714),
    (Hist2ScrnaOptions(graph=False), 2000, 10, 25_832_954),
    (Hist2ScrnaOptions(), 500, 5, 18_575_969),
    (Hist2ScrnaOptions(depth=4), 500, 5, 15_027_041),
    (Hist2ScrnaOptions(embed=768, heads=12), 2000, 10, 60_845_690),
    (Hist2ScrnaOptions(embed=256, depth=4, heads=4), 2000, 10, 19_932_794),
    (Hist2ScrnaOptions(embed=512, depth=8, heads=8), 2000, 10, 42_765_178),
]


@pytest.mark.parametrize(("options", "genes", "classes", "count"), CONFIGURATIONS)
def test_parameter_count_is_the_specified_one(options: Hist2ScrnaOptions, genes: int, classes: int, count: int) -> None:
    with torch.device("meta"):
        assert _count(Hist2ScrnaNetwork(options, n_genes=genes, n_classes=classes)) == count


def test_the_card_tells_the_specified_counts() -> None:
    assert list(HIST2SCRNA.parameters.values()) == [count for _, _, _, count in CONFIGURATIONS]


def test_the_published_recipe_and_command_line_are_the_default() -> None:
    options = Hist2ScrnaOptions()
    recipe = (options.epochs, options.batch, options.lr, options.weight_decay, options.plateau_epochs, options.alpha)
    assert recipe == (50, 8, 1e-4, 0.01, 5, 0.1)
    sizes = (options.embed, options.depth, options.heads, options.gnn_hidden, options.gnn_heads, options.neighbours)
    assert sizes == (384, 6, 6, 512, 4, 6)


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("vit", 11_018_880),
        ("vit.blocks.0", 1_774_464),
        ("spatial_gnn", 1_842_688),
        ("decoder", 2_630_656),
        ("mu_decoder", 4_098_000),
        ("cell_type_head", 20_490),
    ],
)
def test_each_part_has_the_specified_number_of_parameters(part: str, count: int) -> None:
    with torch.device("meta"):
        network = Hist2ScrnaNetwork(Hist2ScrnaOptions(), n_genes=2000, n_classes=10)
    assert _count(network.get_submodule(part)) == count


LIGHT_CONFIGURATIONS = [
    (2048, 2000, 10, 20_716_410),
    (1024, 2000, 10, 19_667_834),
    (1536, 2000, 10, 20_192_122),
    (2048, 500, 5, 11_485_665),
]


def test_the_card_of_the_lightweight_model_tells_the_specified_counts() -> None:
    assert list(HIST2SCRNA_LIGHT.parameters.values()) == [count for *_, count in LIGHT_CONFIGURATIONS]


@pytest.mark.parametrize(("dim", "genes", "classes", "count"), LIGHT_CONFIGURATIONS)
def test_lightweight_parameter_count_is_the_specified_one(dim: int, genes: int, classes: int, count: int) -> None:
    with torch.device("meta"):
        network = Hist2ScrnaLightNetwork(Hist2ScrnaLightOptions(), dim, n_genes=genes, n_classes=classes)
    assert _count(network) == count


def test_the_small_model_has_the_specified_tensors(small: Hist2ScrnaNetwork) -> None:
    assert (_count(small), len(list(small.parameters()))) == (2_206_448, 54)


# the whole model


def test_class_tokens_match_the_worked_values(class_tokens: Tensor) -> None:
    assert class_tokens.sum().item() == pytest.approx(-0.8657807071, abs=1e-9)
    assert class_tokens[0, 0].item() == pytest.approx(1.8912805146, abs=1e-9)


def test_graph_output_matches_the_worked_values(small: Hist2ScrnaNetwork, class_tokens: Tensor) -> None:
    with torch.no_grad():
        near = small.spatial_gnn(class_tokens, EDGES)
    assert near.sum().item() == pytest.approx(-0.1174174489, abs=1e-9)
    assert near[3, 0].item() == pytest.approx(0.0159842862, abs=1e-9)


def _values(output: Said) -> dict[str, Tensor]:
    mean, dispersion, zero = output.zinb.parameters()
    return {"mu": mean, "theta": dispersion, "pi": zero, "logits": output.logits, "features": output.features}


@pytest.mark.parametrize(
    ("name", "total", "first", "last"),
    [
        ("mu", 112.5792874694, 11.3513899078, 0.1765211416),
        ("theta", 107.4511876811, 10.2418392766, 0.2614790199),
        ("pi", 14.5918807667, 0.8938678359, 0.2900769408),
        ("logits", 1.0242659132, 1.8503131678, -1.0094295382),
        ("features", 3690.8263041990, 1.2311952463, 0.0),
    ],
)
def test_outputs_match_the_worked_values(output: Said, name: str, total: float, first: float, last: float) -> None:
    values = _values(output)[name]
    found = [values.sum().item(), values[0, 0].item(), values[3, -1].item()]
    assert found == pytest.approx([total, first, last], abs=1e-8, rel=1e-9)


@pytest.mark.parametrize("form", ["stable", "upstream"])
def test_losses_match_the_worked_values(output: Said, form: str) -> None:
    counts = [[0, 1, 2, 0, 5, 0, 0], [3, 0, 0, 0, 1, 0, 2], [0] * 7, [10, 4, 0, 1, 0, 0, 30]]
    truth = Truth(
        counts=torch.tensor(counts, dtype=torch.float64),
        classes=torch.tensor([0, 1, 2, 1]),
        log_size=torch.zeros(4, 1, dtype=torch.float64),
    )
    found = losses(output, truth, replace(SMALL, zinb=form))
    worked = {"loss": 2.8920096734, "zinb": 2.6852304930, "ce": 2.0677918046}
    assert {name: value.item() for name, value in found.items()} == pytest.approx(worked, abs=1e-8)


@pytest.fixture(scope="module")
def light() -> Hist2ScrnaLightNetwork:
    network = Hist2ScrnaLightNetwork(Hist2ScrnaLightOptions(pool="mean"), 10, n_genes=7, n_classes=3)
    return _fill(network, _LIGHT_ORDER)


@torch.no_grad()
def test_lightweight_outputs_match_the_worked_values(light: Hist2ScrnaLightNetwork) -> None:
    b, j = torch.meshgrid(torch.arange(4.0), torch.arange(10.0), indexing="ij")
    values = _values(light(torch.sin(0.7 * b.double() + 0.3 * j.double())))
    sums = {
        "mu": 400.7256396823,
        "theta": 341.3106149433,
        "pi": 14.4885662286,
        "logits": 1.4603270110,
        "features": 3695.6688257973,
    }
    assert {name: part.sum().item() for name, part in values.items()} == pytest.approx(sums, rel=1e-9)
    assert values["mu"][0, 0].item() == pytest.approx(47.0676266078, rel=1e-9)


@torch.no_grad()
def test_lightweight_groups_match_the_worked_values(light: Hist2ScrnaLightNetwork) -> None:
    b, s, j = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in (2, 5, 10)), indexing="ij")
    mean = _values(light(torch.sin(0.7 * b + 0.45 * s + 0.3 * j)))["mu"]
    assert mean.shape == (2, 7)
    assert [mean.sum().item(), mean[0, 0].item()] == pytest.approx([200.3655703169, 47.0685299673], rel=1e-9)


# the graph layer


def test_graph_layer_matches_the_worked_values() -> None:
    layer = GraphAttention(2, 2, heads=2, dropout=0.0)
    layer.load_state_dict(
        {
            "lin.weight": torch.tensor([[1, 0], [0, 1], [0.5, 0.5], [1, -1]]),
            "att_src": torch.tensor([[[1, 2], [-1, 0.5]]]),
            "att_dst": torch.tensor([[[0.5, -1], [1, 1]]]),
            "bias": torch.tensor([0, 0.1, 0.2, 0.3]),
        }
    )
    spots, edges = torch.tensor([[1.0, 0], [0, 1], [2, 1]]), torch.tensor([[0, 1], [1, 2]])
    worked = [[1, 0.1, 0.7, 1.3], [0.26894142, 0.83105858, 0.7, 0.39966799], [1.76159416, 1.1, 1.2, 0.3]]
    torch.testing.assert_close(layer(spots, edges), torch.tensor(worked), rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
@torch.no_grad()
def test_graph_layer_agrees_with_torch_geometric() -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    theirs = geometric.GATConv(24, 16, heads=4)
    ours = GraphAttention(24, 16, heads=4, dropout=0.1).eval()
    ours.load_state_dict(theirs.state_dict())
    spots = torch.randn(40, 24, generator=torch.Generator().manual_seed(1))
    edges = (torch.rand(40, 40, generator=torch.Generator().manual_seed(2)) < 0.1).nonzero().T  # some self loops too
    torch.testing.assert_close(ours(spots, edges), theirs(spots, edges), rtol=1e-5, atol=1e-6)


def test_initial_weights_have_the_specified_bounds() -> None:
    torch.manual_seed(0)
    network = Hist2ScrnaNetwork(Hist2ScrnaOptions(depth=1), n_genes=5, n_classes=2)
    gat = network.spatial_gnn.gat1
    found = [gat.lin.weight.abs().max().item(), gat.att_src.abs().max().item(), network.vit.pos_embed.std().item()]
    assert found == pytest.approx([(6 / (384 + 2048)) ** 0.5, (6 / (4 + 512)) ** 0.5, 0.02], rel=0.02)
    assert network.vit.blocks[0].attn.qkv.weight.abs().max().item() == pytest.approx(384**-0.5, rel=0.01)
    assert network.vit.cls_token.std().item() == pytest.approx(0.02, rel=0.2)
    assert not gat.bias.any()
