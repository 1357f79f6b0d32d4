"""GIST: who is linked, what attention along edges costs and gives, what is learned from whom, and what is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from histobench import ConfigError, Counts, DataError, FitContext, Float, LabelledSamples
from histobench.contracts.options import options_from_json
from histobench.contracts.registry import Registry
from histobench.study.checkpoint_conversion import Wanted, convert_file
from histobench.testing import toy_fold, unlabelled
from histobench.weights.converted import open_checkpoint, unpacked
from histobench_heads.enhancement.method import RawCounts
from histobench_heads.enhancement.options import LatentOptions
from histobench_heads.frames.expression import choose_genes, read_genes
from histobench_heads.frames.radius_graph import nearest_links, radius_links
from histobench_heads.gist import attention
from histobench_heads.gist.attention import GraphTransformerLayer, edge_products, edge_sums
from histobench_heads.gist.catalogue import GIST
from histobench_heads.gist.method import Gist, losses, own_folder, read_section
from histobench_heads.gist.network import GistNetwork
from histobench_heads.gist.options import GistOptions

SMALL = GistOptions(epochs=3, hidden=16, latent=4)
CONTEXT = FitContext(seed=1)


@pytest.fixture(scope="module")
def tissue() -> tuple[LabelledSamples, LabelledSamples, Float]:
    """Two sections to learn the genes on, one to enhance, and the expression that its counts were drawn from."""
    fold = toy_fold("enhance")
    assert fold.test.oracle is not None
    return fold.train, fold.test, fold.test.oracle.values


def _fitted(train: LabelledSamples, context: FitContext = CONTEXT, **options: Any) -> Gist:
    method = Gist(replace(SMALL, **options))
    method.fit(train, None, context)
    return method


# who is linked


def _degrees(edges: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(edges[1], minlength=n)


def _lattice(side: int) -> Float:
    return np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2) * 100.0


def test_the_own_radius_reaches_eight_on_a_square_and_six_on_a_hexagonal_lattice() -> None:
    square = _lattice(5)
    row = square[:, 1] / 100
    hexagonal = np.stack([square[:, 0] + 50 * (row % 2), row * 100 * 0.75**0.5], axis=1)
    assert [_degrees(radius_links(at), 25)[12] for at in (square, hexagonal)] == [8, 6]


def test_a_radius_is_inclusive_and_links_go_both_ways() -> None:
    at = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 9.1]])
    np.testing.assert_array_equal(radius_links(at, radius_um=5.0), [[1, 0], [0, 1]])


def test_coincident_spots_are_not_linked_with_each_other() -> None:
    at = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(radius_links(at), [[2, 2, 0, 1], [0, 1, 2, 2]])


@pytest.mark.parametrize("at", [np.zeros((1, 2)), np.zeros((3, 2))], ids=["one spot", "all in one place"])
def test_spots_without_another_place_have_no_links(at: Float) -> None:
    assert radius_links(at).shape == nearest_links(at, k=2).shape == (2, 0)


def test_a_spot_receives_from_those_that_list_it_among_their_nearest() -> None:
    at = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    np.testing.assert_array_equal(nearest_links(at, k=1), [[1, 0, 2], [0, 1, 1]])


# attention along edges


@pytest.fixture
def graph() -> tuple[Tensor, Tensor]:
    """Thirty nodes of width 5 in float64, the last two without edges."""
    draw = torch.Generator().manual_seed(0)
    edges = (torch.rand(28, 28, generator=draw) < 0.2).nonzero().T
    return torch.randn(30, 5, dtype=torch.float64, generator=draw), edges


def test_sums_over_edges_taken_in_parts_have_the_values_and_gradients_of_plain_indexing(
    graph: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_AT_ONCE", 35)  # seven edges at a time
    nodes, edges = graph
    weights = torch.linspace(-1, 1, edges.shape[1], dtype=torch.float64)
    one, other, numbers = (part.clone().requires_grad_() for part in (nodes, nodes.flip(0), weights))
    ours = edge_products(one, other, edges), edge_sums(numbers, other, edges)
    source, target = edges
    plain = (
        (one[target] * other[source]).sum(dim=1),
        torch.zeros_like(nodes).index_add(0, target, numbers[:, None] * other[source]),
    )
    torch.testing.assert_close(ours, plain)
    gradients = [
        torch.autograd.grad(sum((part.sin()).sum() for part in found), (one, other, numbers)) for found in (ours, plain)
    ]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_widening_layer_computes_the_same_on_the_side_of_its_input(graph: tuple[Tensor, Tensor]) -> None:
    nodes, edges = graph
    torch.manual_seed(0)
    layer = GraphTransformerLayer(5, 11).double()
    ways = [mix(nodes, edges) for mix in (layer._mix_inputs, layer._mix_values)]
    torch.testing.assert_close(ways[0], ways[1])
    parameters = [p for name, p in layer.named_parameters() if "skip" not in name]
    # a bias of the keys adds the same to all scores of a node, so that its gradient is rounding alone
    gradients = [torch.autograd.grad(found.sin().sum(), parameters) for found in ways]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("out", [3, 11], ids=["narrows", "widens"])
def test_a_spot_without_links_keeps_itself(graph: tuple[Tensor, Tensor], out: int) -> None:
    nodes, edges = graph
    layer = GraphTransformerLayer(5, out).double()
    torch.testing.assert_close(layer(nodes, edges)[28:], layer.lin_skip(nodes[28:]))


def test_the_backward_pass_keeps_no_vector_of_every_edge() -> None:
    n, width = 200, 64
    edges = torch.from_numpy(radius_links(_lattice(15)[:n], radius_um=450.0))  # dozens of links a spot
    largest = 0

    def keep(tensor: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        GraphTransformerLayer(width, width)(torch.zeros(n, width), edges).sum().backward()
    assert largest <= max(n * width, edges.numel()) < edges.shape[1] * width / 10


def test_mixed_precision_sums_over_edges_exactly() -> None:
    layer = GraphTransformerLayer(16, 4)
    nodes, edges = torch.randn(30, 16), torch.from_numpy(radius_links(_lattice(6)[:30]))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(nodes, edges)
    torch.testing.assert_close(mixed.float(), layer(nodes, edges), rtol=0.1, atol=0.05)


# genes


COUNTS = Counts(names=("A", "B", "C", "D"), values=np.array([[1, 2, 0, 7], [0, 0, 0, 0]], dtype=np.float32))


def test_expression_is_normalised_before_genes_are_left_out() -> None:
    np.testing.assert_allclose(read_genes(COUNTS, ("D", "B")), [[np.log(7001), np.log(2001)], [0, 0]], rtol=1e-6)


def test_the_panel_and_the_most_expressed_others_are_read_in_the_order_of_the_counts() -> None:
    assert choose_genes(COUNTS, ("C",), 3) == ("B", "C", "D")
    assert choose_genes(COUNTS, ("A", "C"), 1) == ("A", "C")
    assert choose_genes(COUNTS, ("C",)) == COUNTS.names


def test_a_gene_that_was_not_measured_is_zero_and_told() -> None:
    with pytest.warns(UserWarning, match="1 of the 2 genes were not measured and count as zero, e.g. 'E'"):
        values = read_genes(COUNTS, ("E", "B"))
    np.testing.assert_allclose(values[0], [0, np.log(2001)], rtol=1e-6)


def test_counts_of_none_of_the_genes_are_refused() -> None:
    with pytest.raises(DataError, match=r"none of the 2 genes was measured, .* 'E'"):
        read_genes(COUNTS, ("E", "F"))


def test_a_gene_to_enhance_needs_counts() -> None:
    with pytest.raises(DataError, match=r"1 of the 2 genes to enhance have no counts, .* 'E'"):
        choose_genes(COUNTS, ("A", "E"))


# learning


def test_gist_is_nearer_to_the_tissue_than_the_counts_that_it_was_given(
    tissue: tuple[LabelledSamples, LabelledSamples, Float],
) -> None:
    train, test, truth = tissue
    raw = RawCounts(LatentOptions())
    raw.fit(train, None, CONTEXT)
    gist = _fitted(train, epochs=60, hidden=64, latent=16)
    errors = [float(np.square(method.predict(unlabelled(test)).values - truth).mean()) for method in (gist, raw)]
    assert errors[0] < 0.5 * errors[1]


def test_trained_for_long_on_its_own_section_gist_gives_the_counts_back(
    tissue: tuple[LabelledSamples, LabelledSamples, Float],
) -> None:
    train, test, truth = tissue
    given = read_genes(test.counts, train.targets.names)

    def errors(epochs: int) -> tuple[float, float]:
        said = _fitted(train, epochs=epochs, hidden=32, latent=16, lr=5e-3).predict(unlabelled(test)).values
        return float(np.square(said - given).mean()), float(np.square(said - truth).mean())

    (short_input, short_truth), (long_input, long_truth) = errors(30), errors(150)
    assert long_input < 0.7 * short_input
    assert long_truth > 2.0 * short_truth


def test_the_section_itself_is_learned_from_and_no_other(
    tissue: tuple[LabelledSamples, LabelledSamples, Float],
) -> None:
    train, test, _ = tissue
    alone = train.take(np.flatnonzero(train.slide_ids == train.slide_ids[0]))
    many, one = (_fitted(samples).predict(unlabelled(test)).values for samples in (train, alone))
    np.testing.assert_array_equal(many, one)


def test_a_section_is_enhanced_alike_with_and_without_others(
    tissue: tuple[LabelledSamples, LabelledSamples, Float],
) -> None:
    train, _, _ = tissue
    first = np.flatnonzero(train.slide_ids == train.slide_ids[0])
    for fit_on in ("own", "training"):
        method = _fitted(train, fit_on=fit_on)
        together, alone = method.predict(unlabelled(train)), method.predict(unlabelled(train.take(first)))
        np.testing.assert_array_equal(together.values[first], alone.values)
        np.testing.assert_array_equal(together.latent[first], alone.latent)


def test_weights_of_the_training_sections_are_kept_and_applied(
    tissue: tuple[LabelledSamples, LabelledSamples, Float], tmp_path: Path
) -> None:
    train, test, _ = tissue
    method = _fitted(train, fit_on="training")
    method.save(tmp_path)
    loaded = Gist(replace(SMALL, fit_on="training"))
    loaded.load(tmp_path, FitContext(seed=9))
    expected, found = method.predict(unlabelled(test)), loaded.predict(unlabelled(test))
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.latent, expected.latent)
    assert not np.array_equal(_fitted(train).predict(unlabelled(test)).values, expected.values)


def test_every_epoch_steps_once_on_every_training_section(
    tissue: tuple[LabelledSamples, LabelledSamples, Float],
) -> None:
    train, _, _ = tissue
    told: list[int] = []
    _fitted(train, replace(CONTEXT, report=lambda epoch, _: told.append(epoch)), fit_on="training")
    assert told == [0, 1, 2]


class _KilledError(Exception):
    pass


def test_a_killed_training_on_the_own_section_goes_on_where_it_was(
    tissue: tuple[LabelledSamples, LabelledSamples, Float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test, _ = tissue
    monkeypatch.setattr("histobench.training.checkpoints.CHECKPOINT_SECONDS", 0.0)
    test = replace(test, slide_ids=np.full(len(test), "a/slide"))
    expected = _fitted(train).predict(unlabelled(test)).values

    def kill(epoch: int, _: object) -> None:
        if epoch == 2:
            raise _KilledError

    killed = _fitted(train, replace(CONTEXT, resume=tmp_path, report=kill))
    killed.save(tmp_path / "method")
    with pytest.raises(_KilledError):
        killed.predict(unlabelled(test))
    (checkpoint,) = tmp_path.glob("own-*/epoch.ckpt")
    assert len(torch.load(checkpoint, weights_only=True)["history"]) == 2
    again = Gist(SMALL)
    again.load(tmp_path / "method", FitContext(seed=7, resume=tmp_path))
    np.testing.assert_array_equal(again.predict(unlabelled(test)).values, expected)


def test_checkpoints_of_other_counts_of_the_same_slide_are_not_taken(
    tissue: tuple[LabelledSamples, LabelledSamples, Float],
) -> None:
    _, test, _ = tissue
    section = read_section(unlabelled(test), test.counts.names, SMALL)
    other = section._replace(expression=section.expression + 1)
    names = {own_folder("a", section), own_folder("b", section), own_folder("a", other)}
    assert len(names) == 3
    assert own_folder("a/b", section).isprintable()
    assert "/" not in own_folder("a/b", section)


def test_what_is_rebuilt_is_never_negative(tissue: tuple[LabelledSamples, LabelledSamples, Float]) -> None:
    train, test, _ = tissue
    prediction = _fitted(train, epochs=1).predict(unlabelled(test))
    assert prediction.values.min() == 0
    assert prediction.latent.shape == (60, 4)


@pytest.mark.parametrize(
    "options",
    [
        {"branch": "gene"},
        {"branch": "image"},
        {"use_img_loss": True},
        {"neighbours": 3},
        {"radius_um": 200.0},
        {"standardise": True},
        {"combined_weight": 0.0},
    ],
    ids=str,
)
def test_every_switch_changes_what_is_made_of_a_section(
    tissue: tuple[LabelledSamples, LabelledSamples, Float], options: dict[str, Any]
) -> None:
    train, test, _ = tissue
    plain, switched = (_fitted(train, **chosen).predict(unlabelled(test)) for chosen in ({}, options))
    assert not np.allclose(switched.latent, plain.latent)


def test_standardised_embeddings_do_not_depend_on_their_scale(
    tissue: tuple[LabelledSamples, LabelledSamples, Float],
) -> None:
    _, test, _ = tissue
    options = replace(SMALL, standardise=True)
    stained = replace(unlabelled(test), embeddings=test.embeddings * 3 + 5)
    one, other = (read_section(samples, test.counts.names, options).image for samples in (unlabelled(test), stained))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(one.std(dim=0, correction=0), torch.ones(one.shape[1]), rtol=1e-4, atol=1e-4)


def test_the_image_branch_may_rebuild_the_embedding(tissue: tuple[LabelledSamples, LabelledSamples, Float]) -> None:
    _, test, _ = tissue
    options = replace(SMALL, use_img_loss=True)
    section = read_section(unlabelled(test), test.counts.names, options)
    said = GistNetwork(30, 24, hidden=16, latent=4, use_img_loss=True)(*section)
    expected = (said.image - section.image).square().mean()
    torch.testing.assert_close(losses(said, section, options)["image"], expected)


# what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"neighbours": 0}, "neighbours must be at least 1, got 0"),
        ({"radius_um": 0.0}, "radius_um must be positive, got 0.0"),
        ({"gene_weight": -1.0}, "must not be negative nor all 0, got"),
        ({"gene_weight": 0.0, "image_weight": 0.0, "combined_weight": 0.0}, "must not be negative nor all 0, got"),
        ({"branch": "image", "use_img_loss": True}, "with 'use_img_loss' the image branch rebuilds embeddings"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GistOptions(**options)


@pytest.mark.parametrize(
    ("part", "message"),
    [("counts", "gist needs raw counts"), ("embeddings", "gist needs embeddings")],
)
def test_samples_without_counts_or_embeddings_are_refused(
    tissue: tuple[LabelledSamples, LabelledSamples, Float], part: str, message: str
) -> None:
    train, test, _ = tissue
    with pytest.raises(DataError, match=message):
        _fitted(train).predict(replace(unlabelled(test), **{part: None}))


def test_nothing_is_enhanced_before_it_is_fitted(tissue: tuple[LabelledSamples, LabelledSamples, Float]) -> None:
    with pytest.raises(DataError, match="gist has learned nothing yet"):
        Gist(SMALL).predict(unlabelled(tissue[1]))


# checkpoints


def _published(train: LabelledSamples, folder: Path) -> tuple[Gist, dict[str, Tensor]]:
    method = _fitted(train, fit_on="training")
    method.save(folder)
    return method, load_file(folder / "weights.safetensors")


def test_a_published_checkpoint_predicts_the_same(
    tissue: tuple[LabelledSamples, LabelledSamples, Float], tmp_path: Path
) -> None:
    train, test, _ = tissue
    ours, tensors = _published(train, tmp_path / "ours")
    source, out = tmp_path / "final.pth", tmp_path / "gist.safetensors"
    torch.save(tensors, source)
    genes = train.counts.names  # what is read is what is rebuilt
    convert_file(GIST, Registry.load(), Wanted(source=source, out=out, kind="enhance", targets=genes))
    header = open_checkpoint(out).header
    found = Gist(options_from_json(GIST, header.options))
    with unpacked(header, out) as folder:
        found.load(folder, FitContext(seed=0))
    expected, prediction = ours.predict(unlabelled(test)), found.predict(unlabelled(test))
    columns = [prediction.names.index(name) for name in expected.names]
    np.testing.assert_array_equal(prediction.values[:, columns], expected.values)
    np.testing.assert_array_equal(prediction.latent, expected.latent)
    assert (found.options.hidden, found.options.latent, found.options.fit_on) == (16, 4, "training")


def test_a_checkpoint_of_something_else_is_named(
    tissue: tuple[LabelledSamples, LabelledSamples, Float], tmp_path: Path
) -> None:
    train, _, _ = tissue
    _, tensors = _published(train, tmp_path / "ours")
    source = tmp_path / "final.pth"
    torch.save({name: tensor for name, tensor in tensors.items() if name != "neck2.lin_skip.bias"}, source)
    wanted = Wanted(source=source, out=tmp_path / "x.safetensors", kind="enhance", targets=train.counts.names)
    with pytest.raises(DataError, match=r"missing: neck2\.lin_skip\.bias"):
        convert_file(GIST, Registry.load(), wanted)
