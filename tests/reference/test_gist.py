"""GIST's network against the numbers of its specification (specs/gist.md, sections 5, 8 and 11)."""

import pytest
import torch
from torch import Tensor

from histobench_heads.gist.attention import GraphTransformerLayer
from histobench_heads.gist.catalogue import GIST
from histobench_heads.gist.method import Section, losses
from histobench_heads.gist.network import Branches, GistNetwork
from histobench_heads.gist.options import GistOptions

pytestmark = pytest.mark.reference

# section 5, in order
_LAYERS = (
    "conv1",
    "conv2",
    "conv3",
    "conv4",
    "imgconv1",
    "imgconv2",
    "imgconv3",
    "imgconv4",
    "neck",
    "neck2",
    "c3",
    "c4",
)
_PARTS = ("lin_key", "lin_query", "lin_value", "lin_skip")
_ORDER = [
    *(f"{layer}.{part}.{tensor}" for layer in _LAYERS for part in _PARTS for tensor in ("weight", "bias")),
    *(f"{norm}.{tensor}" for norm in ("norm1", "norm2") for tensor in ("weight", "bias")),
]

CONFIGURATIONS = [
    (980, 768, False, 9_942_588),
    (980, 768, True, 9_507_564),
    (980, 1024, False, 10_466_876),
    (980, 2560, False, 13_612_604),
    (960, 768, False, 9_778_508),
    (36601, 768, False, 302_177_272),
]


# parameters


@pytest.mark.parametrize(("genes", "dim", "use_img_loss", "count"), CONFIGURATIONS)
def test_parameter_count_is_the_specified_one(genes: int, dim: int, use_img_loss: bool, count: int) -> None:
    with torch.device("meta"):
        network = GistNetwork(genes, dim, use_img_loss=use_img_loss)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_the_card_tells_the_specified_counts() -> None:
    assert list(GIST.parameters.values()) == [count for *_, count in CONFIGURATIONS]


def test_tensors_have_the_published_names_in_their_order() -> None:
    with torch.device("meta"):
        assert list(GistNetwork(980, 768).state_dict()) == _ORDER
    assert len(_ORDER) == 100


def test_the_published_recipe_is_the_default() -> None:
    options = GistOptions()
    assert (options.epochs, options.lr, options.weight_decay, options.clip) == (1000, 1e-3, 1e-4, 5.0)
    assert (options.gene_weight, options.image_weight, options.combined_weight) == (0.1, 0.1, 1.0)
    assert (options.hidden, options.latent, options.use_img_loss, options.n_genes) == (512, 30, False, None)


def test_published_radii_are_in_microns() -> None:
    assert {name: values["radius_um"] for name, values in GIST.dataset_options.items()} == pytest.approx(
        {"nanostring": 14.4, "breast": 112.5, "breast2": 112.5}
    )


# the layer


def test_layer_matches_the_worked_values() -> None:
    layer = GraphTransformerLayer(2, 2).double()
    weights = {
        "lin_query": [[1, 0], [0, 1]],
        "lin_key": [[0, 1], [1, 0]],
        "lin_value": [[1, 1], [0, 2]],
        "lin_skip": [[0.5, 0], [0, 0.5]],
    }
    state = {f"{name}.weight": torch.tensor(rows, dtype=torch.float64) for name, rows in weights.items()}
    layer.load_state_dict({**state, **{f"{name}.bias": torch.zeros(2) for name in weights}})
    nodes = torch.tensor([[1, 0], [0, 1], [2, 1]], dtype=torch.float64)
    edges = torch.tensor([[0, 1, 2, 2], [1, 2, 1, 0]])
    worked = [[3.5, 2.0], [2.3395230986533138, 1.8395230986533138], [2.0, 2.5]]
    torch.testing.assert_close(layer(nodes, edges), torch.tensor(worked, dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
@pytest.mark.parametrize(("dim", "out"), [(24, 6), (6, 24)], ids=["narrows", "widens"])
@torch.no_grad()
def test_layer_agrees_with_torch_geometric(dim: int, out: int) -> None:
    geometric = pytest.importorskip("torch_geometric.nn")
    theirs = geometric.TransformerConv(dim, out)
    ours = GraphTransformerLayer(dim, out)
    ours.load_state_dict(theirs.state_dict())
    nodes = torch.randn(40, dim, generator=torch.Generator().manual_seed(1))
    edges = (torch.rand(40, 40, generator=torch.Generator().manual_seed(2)) < 0.1).nonzero().T
    torch.testing.assert_close(ours(nodes, edges), theirs(nodes, edges), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("part", _PARTS)
def test_initial_weights_are_uniform_within_the_specified_bounds(part: str) -> None:
    torch.manual_seed(0)
    linear = GraphTransformerLayer(400, 300).get_submodule(part)
    found = [linear.weight.abs().max().item(), linear.weight.std().item(), linear.bias.abs().max().item()]
    assert found == pytest.approx([400**-0.5, 400**-0.5 / 3**0.5, 400**-0.5], rel=0.03)


# the network


@pytest.fixture(scope="module")
def section() -> Section:
    i, genes, dims = (torch.arange(n, dtype=torch.float64) for n in (8, 20, 12))
    ring = torch.arange(7)
    one, other = torch.cat([ring, (ring + 1) % 7]), torch.cat([(ring + 1) % 7, ring])  # node 7 is alone
    return Section(
        expression=torch.cos(0.3 * i[:, None] + 0.2 * genes),
        image=torch.sin(0.5 * i[:, None] + 0.1 * dims),
        edges=torch.stack([one, other]),
    )


@pytest.fixture(scope="module")
def branches(section: Section) -> Branches:
    network = GistNetwork(20, 12, hidden=16, latent=6).double()
    parameters = dict(network.named_parameters())
    assert sum(parameter.numel() for parameter in parameters.values()) == 8940
    with torch.no_grad():
        for t, name in enumerate(_ORDER):
            k = torch.arange(parameters[name].numel(), dtype=torch.float64)
            parameters[name].copy_(0.1 * torch.sin(0.37 * k + 0.1 * t).reshape(parameters[name].shape))
        outputs: Branches = network(*section)
    return outputs


def _summary(values: Tensor) -> list[float]:
    return [values.sum().item(), values[0, 0].item(), values[7, -1].item(), values.square().sum().item()]


@pytest.mark.parametrize(
    ("name", "worked"),
    [
        ("gene_latent", (14.6167261530, 0.3044669951, -0.0119214000, 5.1899571007)),
        ("image_latent", (5.0904529257, 0.0801459989, 0.0823060776, 0.6877505201)),
        ("latent", (5.1527131813, 0.3546037228, -0.0037259873, 1.6665002229)),
        ("gene", (3.1868407551, 0.2174784231, 0.0063878457, 3.4137941528)),
        ("image", (6.1587379353, 0.2019871054, 0.1435001820, 12.8730949073)),
        ("combined", (3.4726529801, 0.2273168480, 0.0011121361, 3.5622250095)),
    ],
)
def test_outputs_match_the_worked_values(branches: Branches, name: str, worked: tuple[float, ...]) -> None:
    assert _summary(getattr(branches, name)) == pytest.approx(worked, abs=2e-10)


def test_losses_match_the_worked_values(branches: Branches, section: Section) -> None:
    found = {name: value.item() for name, value in losses(branches, section, GistOptions()).items()}
    worked = {"gene": 0.4499459356, "image": 0.4030723285, "combined": 0.4392724027, "loss": 0.5245742292}
    assert found == pytest.approx(worked, abs=2e-10)
