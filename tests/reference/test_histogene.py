"""HisToGene's network against the numbers of its specification (specs/histogene.md, numeric checks)."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from histobench.contracts.published import ConvertRequest
from histobench_heads.histogene.catalogue import HISTOGENE
from histobench_heads.histogene.network import HisToGeneNetwork
from histobench_heads.histogene.options import HisToGeneOptions
from histobench_heads.histogene.published import convert

pytestmark = pytest.mark.reference

POSITIONS = torch.tensor([[1, 2], [3, 4], [5, 6]])


def published_tensors(n_targets: int, *, dim: int, side: int, depth: int, hidden: int, n_pos: int) -> dict[str, Tensor]:
    """Empty tensors under the names and shapes of the specification's table; attention as wide as the token."""
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embedding.weight": (dim, 3 * side * side),
        "patch_embedding.bias": (dim,),
        "x_embed.weight": (n_pos, dim),
        "y_embed.weight": (n_pos, dim),
    }
    for k in range(depth):
        block = f"vit.transformer.layers.{k}"
        shapes |= {
            f"{block}.0.norm.weight": (dim,),
            f"{block}.0.norm.bias": (dim,),
            f"{block}.0.fn.to_qkv.weight": (3 * dim, dim),
            f"{block}.0.fn.to_out.0.weight": (dim, dim),
            f"{block}.0.fn.to_out.0.bias": (dim,),
            f"{block}.1.norm.weight": (dim,),
            f"{block}.1.norm.bias": (dim,),
            f"{block}.1.fn.net.0.weight": (hidden, dim),
            f"{block}.1.fn.net.0.bias": (hidden,),
            f"{block}.1.fn.net.3.weight": (dim, hidden),
            f"{block}.1.fn.net.3.bias": (dim,),
        }
    shapes |= {"gene_head.0.weight": (dim,), "gene_head.0.bias": (dim,)}
    shapes |= {"gene_head.1.weight": (n_targets, dim), "gene_head.1.bias": (n_targets,)}
    return {name: torch.empty(shape) for name, shape in shapes.items()}


def _meta(n_targets: int, **options: int) -> HisToGeneNetwork:
    with torch.device("meta"):
        return HisToGeneNetwork(n_targets, HisToGeneOptions(**options))


@pytest.mark.parametrize(
    ("n_targets", "depth", "n_pos", "count"),
    [(80, 8, 128, 106_056_784), (39, 8, 128, 106_014_759), (785, 8, 64, 106_648_337), (1000, 4, 64, 73_281_512)],
)
def test_parameter_count_is_the_published_one(
    rule: SimpleNamespace, n_targets: int, depth: int, n_pos: int, count: int
) -> None:
    assert rule.count(_meta(n_targets, depth=depth, n_pos=n_pos)) == count
    assert count in HISTOGENE.parameters.values()
    assert len(HISTOGENE.parameters) == 4


@pytest.mark.parametrize(
    ("part", "count"),
    [("patch_embedding", 38_536_192), ("x_embed", 131_072), ("y_embed", 131_072), ("blocks.0", 8_396_800),
     ("blocks", 67_174_400), ("gene_head", 2_048 + 1_025 * 39)],
)  # fmt: skip
def test_each_part_has_the_published_number_of_parameters(rule: SimpleNamespace, part: str, count: int) -> None:
    assert rule.count(_meta(39).get_submodule(part)) == count


def test_parts_are_those_that_the_tutorial_prints(rule: SimpleNamespace) -> None:
    """38.5 M, 67.2 M, 806 K and 106 M in all, with tables of 35 places."""
    network = _meta(785, n_pos=35)
    parts = [rule.count(part) for part in (network.patch_embedding, network.blocks, network.gene_head, network)]
    assert [part // 1000 for part in parts[:3]] == [38_536, 67_174, 806]
    assert parts[3] // 1_000_000 == 106


def test_original_weights_take_pixels_in_the_specifications_order() -> None:
    """Original column (x * 112 + y) * 3 + c is adapted column c * 12544 + y * 112 + x."""
    tensors = published_tensors(2, dim=64, side=112, depth=1, hidden=8, n_pos=4)
    columns = torch.arange(37_632.0)
    tensors["patch_embedding.weight"] = columns.expand(64, -1)
    request = ConvertRequest(options=HisToGeneOptions(inputs="original"), kind="gene_expression", targets=("a", "b"))
    found = convert(tensors, request).tensors["patch_embedding.weight"][0]
    for x, y, c in ((0, 0, 0), (5, 0, 1), (0, 7, 2), (111, 3, 0), (17, 111, 2)):
        assert found[c * 12_544 + y * 112 + x] == (x * 112 + y) * 3 + c


def test_there_are_no_buffers() -> None:
    assert not list(_meta(39).buffers())


@pytest.fixture(scope="module")
def filled(rule: SimpleNamespace) -> HisToGeneNetwork:
    """Through the conversion of a checkpoint of CUCA's copy."""
    tensors = published_tensors(39, dim=1024, side=112, depth=8, hidden=2048, n_pos=128)
    rule.fill(SimpleNamespace(named_parameters=tensors.items, eval=lambda: None))
    options = HisToGeneOptions()
    request = ConvertRequest(options=options, kind="cell_abundance", targets=tuple(map(str, range(39))))
    network = _meta(39)
    network.load_state_dict(dict(convert(tensors, request).tensors), assign=True)
    return network.eval()


@pytest.fixture(scope="module")
def tokens(rule: SimpleNamespace, filled: HisToGeneNetwork) -> Tensor:
    layer = filled.patch_embedding
    with torch.no_grad():
        looked = functional.linear(rule.wave(3, 3, 112, 112).flatten(1), layer.weight, layer.bias)
        return filled.tokens(looked, POSITIONS)


def test_tokens_match_the_fill_rule_check(rule: SimpleNamespace, tokens: Tensor) -> None:
    expected = [-1.29824, -9.28422, -9.52170, -1.37630, -9.55090, -0.01872, 6.47172]
    assert tokens.shape == (3, 1024)
    assert rule.summary(tokens) == pytest.approx(expected, rel=1e-3)


def test_predictions_match_the_fill_rule_check(rule: SimpleNamespace, filled: HisToGeneNetwork, tokens: Tensor) -> None:
    expected = [-0.88474, -1.18206, -1.18948, -0.90632, -1.20420, -0.06640, 0.94893]
    predicted = filled.gene_head(tokens)
    assert predicted.shape == (3, 39)
    assert rule.summary(predicted) == pytest.approx(expected, rel=1e-3)
