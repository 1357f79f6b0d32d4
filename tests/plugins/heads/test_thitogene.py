"""THItoGene as a method: sparse graph attention is the dense one, memory saved changes nothing, and it learns."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from histobench import ConfigError, DataError, FitContext
from histobench.contracts.registry import Registry
from histobench.study.checkpoint_conversion import Wanted, convert_file
from histobench.study.config import RunConfig, method_options
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson
from histobench.weights.converted import unpacked
from histobench_heads.frames.slidewise.slides import neighbour_edges, scaled
from histobench_heads.thitogene.capsules import squash
from histobench_heads.thitogene.catalogue import THITOGENE
from histobench_heads.thitogene.dynamic_convolution import DynamicConvolution
from histobench_heads.thitogene.graph_attention import Axis, GraphAttention, GraphAttentionHead, Links
from histobench_heads.thitogene.method import Thitogene
from histobench_heads.thitogene.network import ThitogeneNetwork
from histobench_heads.thitogene.options import ThitogeneOptions
from histobench_heads.thitogene.published import NAMES

SMALL = ThitogeneOptions(
    epochs=2,
    lr=2e-3,
    patch_px=32,
    stride=2,
    width=8,
    capsules=4,
    route_dim=16,
    depth=1,
    heads=1,
    hidden=32,
    graph_heads=2,
    graph_dim=16,
    embedding=16,
    head_hidden=32,
)
# 0 and 1 see each other, 2 sees both, no spot sees 2 or 3, and 3 sees no spot
EDGES = torch.tensor([[1, 0, 0, 1], [0, 1, 2, 2]])


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold(patch_px=32)


def _network(options: ThitogeneOptions = SMALL, *, n_targets: int = 3) -> ThitogeneNetwork:
    torch.manual_seed(0)
    return ThitogeneNetwork(options, n_targets)


def _slide(n: int, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Patches, positions and edges of ``n`` spots on a lattice six wide."""
    draw = np.random.default_rng(seed)
    array = np.stack([np.arange(n) % 6, np.arange(n) // 6], axis=1)
    patches = draw.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    return torch.from_numpy(patches), torch.from_numpy(array), torch.from_numpy(neighbour_edges(array, SMALL))


# graph attention


def _dense_head(head: GraphAttentionHead, nodes: Tensor, adjacency: Tensor, axis: Axis) -> Tensor:
    """thitogene.md, Architecture 7, word by word; rows of the adjacency are the spots that look."""
    sent = nodes @ head.W
    width = sent.shape[1]
    scores = functional.leaky_relu(sent @ head.a[:width] + (sent @ head.a[width:]).T, 0.01)
    kept = torch.where(adjacency > 0, scores, torch.full_like(scores, -9e15))
    return kept.softmax(dim=0 if axis == "receivers" else 1) @ sent


def _dense(layer: GraphAttention, nodes: Tensor, adjacency: Tensor, axis: Axis) -> Tensor:
    mixed = [functional.elu(_dense_head(head, nodes, adjacency, axis)) for head in layer.attentions]
    return functional.elu(_dense_head(layer.out_att, torch.cat(mixed, dim=1), adjacency, axis))


def _layer(axis: Axis) -> GraphAttention:
    torch.manual_seed(1)
    return GraphAttention(8, heads=3, width=6, out=5, dropout=0.2, axis=axis).eval()


def _adjacency(edges: Tensor, n: int) -> Tensor:
    table = torch.zeros(n, n)
    table[edges[1], edges[0]] = 1
    return table


def _random_edges(n: int) -> Tensor:
    """Directed, without self loops; some spots are seen by no spot, some see no spot."""
    draw = torch.Generator().manual_seed(3)
    linked = (torch.rand(n, n, generator=draw) < 0.04) & ~torch.eye(n, dtype=torch.bool)
    return linked.nonzero().T


@pytest.mark.parametrize("axis", ["receivers", "neighbours"])
@pytest.mark.parametrize("self_loops", [False, True])
def test_sparse_attention_equals_the_dense_formula(axis: Axis, self_loops: bool) -> None:
    n = 30
    edges, layer = _random_edges(n), _layer(axis)
    links = Links.of(edges, n, self_loops=self_loops)
    adjacency = _adjacency(edges, n) + (torch.eye(n) if self_loops else 0)
    assert self_loops or (0 < links.alone("receivers").sum() < n and 0 < links.alone("neighbours").sum() < n)
    nodes = torch.randn(n, 8, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(layer(nodes, links), _dense(layer, nodes, adjacency, axis), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", ["receivers", "neighbours"])
def test_sparse_attention_has_the_gradients_of_the_dense_formula(axis: Axis) -> None:
    n = 30
    edges, layer = _random_edges(n), _layer(axis)
    nodes = torch.randn(n, 8, generator=torch.Generator().manual_seed(4), requires_grad=True)
    inputs = [nodes, *layer.parameters()]
    sparse = torch.autograd.grad(layer(nodes, Links.of(edges, n, self_loops=False)).square().sum(), inputs)
    dense = torch.autograd.grad(_dense(layer, nodes, _adjacency(edges, n), axis).square().sum(), inputs)
    torch.testing.assert_close(sparse, dense, rtol=1e-4, atol=1e-5)


def test_weights_sum_to_one_over_the_spots_that_look_at_a_spot() -> None:
    links = Links.of(EDGES, 4, self_loops=False)
    weights = links.weights(torch.tensor([0.3, -1.0, 2.0, 0.0]), "receivers")
    assert torch.zeros(4).index_add(0, links.source, weights).tolist() == pytest.approx([1, 1, 0, 0])


def test_weights_sum_to_one_over_the_spots_that_a_spot_looks_at() -> None:
    links = Links.of(EDGES, 4, self_loops=False)
    weights = links.weights(torch.tensor([0.3, -1.0, 2.0, 0.0]), "neighbours")
    assert torch.zeros(4).index_add(0, links.receiver, weights).tolist() == pytest.approx([1, 1, 1, 0])


@torch.no_grad()
def test_a_spot_that_nobody_looks_at_reaches_every_spot_alike() -> None:
    head = GraphAttentionHead(4, 4, dropout=0.0, axis="receivers").eval()
    links = Links.of(EDGES, 4, self_loops=False)
    nodes = torch.zeros(4, 4)
    nodes[3] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(head(nodes, links), (nodes[3] @ head.W / 4).expand(4, 4))


def test_scores_of_any_size_give_finite_weights() -> None:
    links = Links.of(EDGES, 4, self_loops=False)
    assert links.weights(torch.tensor([1e30, -1e30, 1e4, -1e4]), "receivers").isfinite().all()


def test_a_self_loop_that_is_there_already_is_counted_once() -> None:
    links = Links.of(torch.tensor([[0, 1], [0, 0]]), 2, self_loops=True)
    assert torch.stack([links.source, links.receiver]).T.tolist() == [[1, 0], [0, 0], [1, 1]]


def test_dropout_of_edges_keeps_the_mean() -> None:
    torch.manual_seed(0)
    head = GraphAttentionHead(4, 4, dropout=0.5, axis="receivers")
    links = Links.of(EDGES, 4, self_loops=False)
    nodes = torch.randn(4, 4)
    with torch.no_grad():
        noisy = torch.stack([head.train()(nodes, links) for _ in range(4000)]).mean(dim=0)
        torch.testing.assert_close(noisy, head.eval()(nodes, links), atol=0.1, rtol=0.1)


# dynamic convolution and capsules


@torch.no_grad()
@pytest.mark.parametrize("stride", [2, 4])
def test_dynamic_convolution_equals_one_convolution_a_patch(stride: int) -> None:
    """thitogene.md, Architecture 1: gate the input's channels, convolve with the patch's kernel, gate the filters."""
    torch.manual_seed(0)
    layer = DynamicConvolution(6, stride=stride)
    images = torch.randn(5, 3, 16, 16)
    channel, filters, position, candidate = layer.attention(images.mean(dim=(2, 3)))
    expected = []
    for k, image in enumerate(images):
        kernel = sum(w * layer.weight[c] for c, w in enumerate(candidate[k])) * position[k].view(4, 4)
        convolved = functional.conv2d((image * channel[k, :, None, None])[None], kernel, stride=stride)[0]
        expected.append(convolved * filters[k, :, None, None])
    torch.testing.assert_close(layer(images), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_squash_is_the_published_formula() -> None:
    capsules = torch.randn(7, 8, dtype=torch.float64) * torch.logspace(-3, 1, 7, dtype=torch.float64)[:, None]
    length = capsules.norm(dim=1, keepdim=True)
    torch.testing.assert_close(squash(capsules), (1 - 1 / (length.exp() + 1e-20)) * capsules / (length + 1e-20))


@pytest.mark.parametrize("length", [0.0, 1e-30, 200.0])
def test_capsules_of_any_length_have_a_gradient(length: float) -> None:
    capsule = torch.tensor([[length, 0.0]], requires_grad=True)
    squash(capsule).sum().backward()
    assert capsule.grad is not None
    assert capsule.grad.isfinite().all()


# memory


def _gradients(network: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    parameters = dict(network.named_parameters())
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


def _step(options: ThitogeneOptions) -> tuple[Tensor, Mapping[str, Tensor], Mapping[str, Tensor]]:
    network = _network(options).train()
    torch.manual_seed(5)
    loss = network(*_slide(20)).square().mean()
    gradients = _gradients(network, loss)
    return loss, gradients, dict(network.named_buffers())


def test_computing_stages_again_changes_neither_loss_nor_gradients_nor_statistics() -> None:
    kept, again = _step(replace(SMALL, recompute_above=1000)), _step(replace(SMALL, recompute_above=1))
    for one, other in zip(kept, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@torch.no_grad()
@pytest.mark.parametrize(("training", "looked"), [(False, [8, 8, 4]), (True, [20])])
def test_patches_are_looked_at_some_at_a_time_where_nothing_is_normalised_by_them(
    training: bool, looked: list[int]
) -> None:
    whole, chunked = (_network(replace(SMALL, chunk_spots=spots, dropout=0.0)).train(training) for spots in (256, 8))
    seen: list[int] = []
    chunked.maps.register_forward_hook(lambda _module, given, _out: seen.append(len(given[0])))
    torch.testing.assert_close(chunked(*_slide(20)), whole(*_slide(20)), rtol=1e-5, atol=1e-6)
    assert seen == looked


# inputs


@torch.no_grad()
def test_original_inputs_are_the_patch_from_0_to_255_with_its_axes_exchanged() -> None:
    network = _network(replace(SMALL, inputs="original")).eval()
    patches, positions, edges = _slide(5)
    images = patches.permute(0, 3, 2, 1).float()
    torch.testing.assert_close(network(images, positions, edges), network(patches, positions, edges))


@torch.no_grad()
def test_adapted_inputs_are_normalised() -> None:
    network = _network().eval()
    patches, positions, edges = _slide(5)
    torch.testing.assert_close(
        network(scaled(patches, SMALL.inputs), positions, edges), network(patches, positions, edges)
    )


@torch.no_grad()
def test_without_self_loops_a_spot_never_sees_what_only_its_own_graph_edge_would_bring() -> None:
    """With the transformer left out, a spot's own patch does not reach its prediction, as published."""
    torch.manual_seed(0)
    layer = GraphAttention(4, heads=1, width=4, out=4, dropout=0.0, axis="neighbours").eval()
    nodes = torch.randn(4, 4)
    moved = nodes.clone()
    moved[2] += 1
    plain, looped = (Links.of(EDGES, 4, self_loops=loops) for loops in (False, True))
    assert torch.equal(layer(nodes, plain)[:3], layer(moved, plain)[:3])
    assert not torch.allclose(layer(nodes, looped)[2], layer(moved, looped)[2])


# the method


def test_it_learns_from_neighbours_and_its_own_patch(fold: ToyFold) -> None:
    options = replace(SMALL, epochs=40, lr=5e-3, width=16, graph_dim=32, embedding=32, self_loops=True, dropout=0.0)
    method = Thitogene(options)
    method.fit(fold.train, fold.val, FitContext(seed=0))
    predicted = torch.from_numpy(method.predict(unlabelled(fold.test)).values)
    observed = torch.from_numpy(fold.test.targets.values)
    mean = torch.from_numpy(fold.train.targets.values).mean(dim=0)
    assert mean_pearson(predicted, observed) > 0.3
    assert functional.mse_loss(predicted, observed) < 0.9 * functional.mse_loss(mean.expand_as(observed), observed)


def test_a_slide_is_predicted_alone_and_in_any_order(fold: ToyFold) -> None:
    method = Thitogene(SMALL)
    method.fit(fold.train, None, FitContext(seed=0))
    both = method.predict(unlabelled(fold.train)).values
    first = fold.train.slide_ids == fold.train.slide_ids[0]
    alone = method.predict(unlabelled(fold.train.take(np.flatnonzero(first)))).values
    np.testing.assert_allclose(both[first], alone, rtol=1e-5, atol=1e-6)


def test_the_published_options_are_cucas_for_abundance_and_the_authors_for_expression() -> None:
    abundance, expression = (
        method_options(THITOGENE, RunConfig(), dataset="her2st", kind=kind, mode=None)
        for kind in ("cell_abundance", "gene_expression")
    )
    assert abundance == ThitogeneOptions(epochs=200, lr=1e-5, weight_decay=1e-4, n_pos=128, inputs="adapted")
    assert expression == ThitogeneOptions(epochs=300, lr=1e-5, weight_decay=0.0, n_pos=64, inputs="original")
    assert THITOGENE.patch is not None
    assert (THITOGENE.patch(abundance).patch_px, THITOGENE.patch(abundance).field_px) == (112, 224)
    assert (THITOGENE.patch(expression).patch_px, THITOGENE.patch(expression).field_px) == (112, 112)


# published checkpoints


def _publish(network: ThitogeneNetwork) -> dict[str, Tensor]:
    """Return the tensors under their published names, by inverting the table of names."""
    published = {}
    for name, tensor in network.state_dict().items():
        ours, theirs = next(((ours, theirs) for theirs, ours in NAMES.items() if _fits(ours, name)), ("", ""))
        number = next(iter(re.findall(r"\.(\d+)\.", name)), "") if r"\1" in ours else ""
        there = theirs.replace("\\.", ".").replace(r"(\d+)", number)
        published[there + name.removeprefix(ours.replace(r"\1", number))] = tensor
    return published


def _fits(ours: str, name: str) -> bool:
    return re.match(re.escape(ours).replace(r"\\1", r"\d+"), name) is not None


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@torch.no_grad()
@pytest.mark.parametrize("inputs", ["adapted", "original"])
def test_a_lightning_checkpoint_in_published_names_predicts_the_same(
    tmp_path: Path, registry: Registry, fold: ToyFold, inputs: str
) -> None:
    options = replace(SMALL, inputs=inputs, n_pos=16)
    network = _network(options).eval()
    published = _publish(network)
    assert {"gat.attention_1.W", "vit.transformer.layers.0.0.fn.to_out.0.bias", "caps_layer.digit_caps.b"} < set(
        published
    )
    torch.save({"state_dict": published, "epoch": 299}, tmp_path / "theirs.ckpt")
    wanted = Wanted(
        source=tmp_path / "theirs.ckpt",
        out=tmp_path / "ours.safetensors",
        kind="gene_expression" if inputs == "original" else "cell_abundance",
        targets=("a", "b", "c"),
        settings={"patch_px": 32, "stride": 2},  # not shown by any tensor
    )
    header, _ = convert_file(THITOGENE, registry, wanted)
    method = Thitogene(ThitogeneOptions(**header.options))
    with unpacked(header, wanted.out) as folder:
        method.load(folder, FitContext(seed=0))
    assert method.options.inputs == inputs
    first = fold.test.take(np.arange(20))
    expected = network(
        torch.from_numpy(np.asarray(first.patches)),
        torch.from_numpy(first.array),
        torch.from_numpy(neighbour_edges(first.array, options)),
    )
    np.testing.assert_allclose(method.predict(unlabelled(first)).values, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_a_checkpoint_with_a_head_too_few_is_refused(tmp_path: Path, registry: Registry) -> None:
    published = _publish(_network())
    del published["gat.attention_0.a"]
    torch.save(published, tmp_path / "theirs.ckpt")
    wanted = Wanted(
        source=tmp_path / "theirs.ckpt",
        out=tmp_path / "ours.safetensors",
        kind="cell_abundance",
        targets=("a", "b", "c"),
        settings={"patch_px": 32, "stride": 2},
    )
    with pytest.raises(DataError, match=r"graph\.attentions\.0\.a"):
        convert_file(THITOGENE, registry, wanted)


# options


@pytest.mark.parametrize("name", ["stride", "capsules", "depth", "heads", "graph_heads", "embedding"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        ThitogeneOptions(**{name: 0})


@pytest.mark.parametrize("width", [0, 2, 6])
def test_a_width_that_makes_no_capsules_is_refused(width: int) -> None:
    with pytest.raises(ConfigError, match=f"width must be a multiple of 4 and at least 4, got {width}"):
        ThitogeneOptions(width=width)


def test_a_patch_that_the_convolutions_use_up_is_refused() -> None:
    with pytest.raises(ConfigError, match="with stride 4 patches must be at least 44 pixels a side, got patch_px 43"):
        ThitogeneOptions(patch_px=43)


@torch.no_grad()
@pytest.mark.parametrize(("stride", "patch_px"), [(4, 44), (2, 24)])
def test_the_smallest_patch_is_predicted(stride: int, patch_px: int) -> None:
    network = _network(replace(SMALL, stride=stride, patch_px=patch_px)).eval()
    patches = torch.zeros(2, patch_px, patch_px, 3, dtype=torch.uint8)
    assert network(patches, torch.tensor([[0, 0], [1, 0]]), torch.tensor([[1, 0], [0, 1]])).shape == (2, 3)
