"""Hist2ST as a method: it learns, its graph is row-normalised, its losses are the published ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import ConfigError, FitContext, Kind, LabelledSamples, PatchGeometry, Targets
from histobench.contracts.published import ConvertRequest
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson, save_weights
from histobench_heads.frames.saved import write_facts
from histobench_heads.frames.slidewise.slides import SlideBatch
from histobench_heads.hist2st.catalogue import HIST2ST
from histobench_heads.hist2st.distillation import augmented, distilled
from histobench_heads.hist2st.method import Hist2ST, counts_loss, log_size_factors
from histobench_heads.hist2st.modules import GraphLayer, neighbour_mean, neighbour_most
from histobench_heads.hist2st.network import Hist2STNetwork
from histobench_heads.hist2st.options import Hist2STOptions
from histobench_heads.hist2st.published import convert

NARROW: dict[str, Any] = {"patch_px": 32, "stride": 8, "channels": 32, "mixers": 1, "depth": 1, "heads": 1,
                          "graph_layers": 2, "n_pos": 40}  # fmt: skip
TRAINED: dict[str, Any] = {"weight_counts": 0.25, "weight_distilled": 0.5, "copies": 2}
EDGES = torch.tensor([[1, 2, 0, 0, 1], [0, 0, 1, 3, 3]])
"""The first spot sees two, the second one, the third none, the fourth two; no spot sees the fourth."""


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold()


def _with_counts(samples: LabelledSamples) -> LabelledSamples:
    """Whole numbers that follow the targets, as counts of them."""
    counts = Targets(kind="gene_expression", names=samples.targets.names, values=np.round(samples.targets.values))
    return replace(samples, beside={"counts": counts})


# learning


def test_hist2st_learns(fold: ToyFold) -> None:
    options = Hist2STOptions(**{**NARROW, "stride": 16, "channels": 128}, epochs=60, lr=3e-3)
    method = Hist2ST(options)
    method.fit(fold.train, fold.val, FitContext(seed=0))
    predicted = method.predict(unlabelled(fold.test)).values
    assert mean_pearson(torch.from_numpy(predicted), torch.from_numpy(fold.test.targets.values)) > 0.3


def test_counts_and_distillation_are_trained_and_reported(fold: ToyFold) -> None:
    method = Hist2ST(Hist2STOptions(**NARROW, **TRAINED, epochs=8, lr=1e-3))
    method.fit(_with_counts(fold.train), None, FitContext(seed=0))
    assert method.fitted is not None
    first, last = method.fitted.history[0], method.fitted.history[-1]
    for numbers in (first, last):
        total = numbers["mse"] + 0.25 * numbers["counts"] + 0.5 * numbers["distilled"]
        assert numbers["loss"] == pytest.approx(total, rel=1e-5)
    assert last["counts"] < first["counts"]


def test_a_dataset_without_counts_trains_without_their_likelihood(fold: ToyFold) -> None:
    method = Hist2ST(Hist2STOptions(**NARROW, weight_counts=0.25, epochs=1))
    method.fit(fold.train, None, FitContext(seed=0))
    assert method.fitted is not None
    assert "counts" not in method.fitted.history[0]


@pytest.mark.parametrize("beside", [False, True])
def test_what_is_saved_predicts_the_same_again(beside: bool, fold: ToyFold, tmp_path: Path) -> None:
    options = Hist2STOptions(**NARROW, **TRAINED, epochs=1)
    method = Hist2ST(options)
    method.fit(_with_counts(fold.train) if beside else fold.train, None, FitContext(seed=0))
    method.save(tmp_path)
    loaded = Hist2ST(options)
    loaded.load(tmp_path, FitContext(seed=9))
    test = unlabelled(fold.test)
    assert np.array_equal(loaded.predict(test).values, method.predict(test).values)


def test_recomputing_changes_no_prediction(fold: ToyFold) -> None:
    """With dropout, augmented copies and batch statistics, whose running means are counted once."""
    predicted = []
    for limit in (1000, 10):
        method = Hist2ST(Hist2STOptions(**NARROW, **TRAINED, epochs=2, lr=1e-3, recompute_above=limit, chunk_spots=16))
        method.fit(_with_counts(fold.train), None, FitContext(seed=0))
        predicted.append(method.predict(unlabelled(fold.test)).values)
    np.testing.assert_allclose(predicted[1], predicted[0], rtol=1e-3, atol=1e-4)


# the graph


def test_neighbours_are_averaged_by_row_and_none_gives_zero() -> None:
    nodes = torch.tensor([[1.0, 10.0], [2.0, 20.0], [4.0, -40.0], [8.0, 80.0]])
    assert neighbour_mean(nodes, EDGES).tolist() == [[3.0, -10.0], [1.0, 10.0], [0.0, 0.0], [1.5, 15.0]]
    assert neighbour_most(nodes, EDGES).tolist() == [[4.0, 20.0], [1.0, 10.0], [0.0, 0.0], [2.0, 20.0]]


@pytest.mark.parametrize("policy", ["mean", "max"])
def test_a_spot_without_neighbours_spoils_nobodys_gradient(policy: Any) -> None:
    layer = GraphLayer(8, policy=policy)
    nodes = torch.randn(4, 8, requires_grad=True)
    out = layer(nodes, EDGES)
    out.sum().backward()
    assert out[2].tolist() == [0.0] * 8
    assert nodes.grad is not None
    assert nodes.grad.isfinite().all()
    torch.testing.assert_close(out[[0, 1, 3]].norm(dim=1), torch.ones(3))


def test_the_sparse_mean_is_the_row_normalised_adjacency_times_the_nodes(fold: ToyFold) -> None:
    edges = torch.from_numpy(Hist2ST(Hist2STOptions()).edges(fold.test.array))
    dense = torch.zeros(60, 60)
    dense[edges[1], edges[0]] = 1
    nodes = torch.randn(60, 5)
    torch.testing.assert_close(neighbour_mean(nodes, edges), dense / dense.sum(1, keepdim=True) @ nodes)


def test_self_loops_are_added_where_asked_for(fold: ToyFold) -> None:
    plain = Hist2ST(Hist2STOptions()).edges(fold.test.array)
    looped = Hist2ST(Hist2STOptions(self_loops=True)).edges(fold.test.array)
    assert not (plain[0] == plain[1]).any()
    assert (looped[0] == looped[1]).sum() == 60
    assert looped.shape[1] == plain.shape[1] + 60


def test_a_spot_alone_is_predicted(fold: ToyFold) -> None:
    method = Hist2ST(Hist2STOptions(**NARROW, epochs=1))
    method.fit(fold.train, None, FitContext(seed=0))
    assert np.isfinite(method.predict(unlabelled(fold.test).take(np.array([7]))).values).all()


# losses


def test_size_factors_are_totals_over_the_median_total() -> None:
    counts = torch.tensor([[1.0, 1.0], [4.0, 0.0], [5.0, 3.0]])
    torch.testing.assert_close(log_size_factors(counts).exp(), torch.tensor([[0.5], [1.0], [2.0]]))


def test_empty_spots_leave_the_likelihood_finite() -> None:
    counts = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 1.0]])
    output = tuple(torch.randn(3, 2, requires_grad=True) for _ in range(3))
    loss = counts_loss(counts, output)
    loss.backward()
    assert loss.isfinite()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in output)


def test_the_zinb_loss_is_the_published_formula() -> None:
    """hist2st.md, Loss, word for word, in double precision."""
    torch.manual_seed(0)
    counts = torch.poisson(torch.full((6, 4), 2.0)).double()
    output = tuple(torch.randn(6, 4, dtype=torch.float64) for _ in range(3))
    mean = output[0].exp().clamp(1e-5, 1e6) * (counts.sum(1) / counts.sum(1).quantile(0.5))[:, None]
    d, pi, e = nn.functional.softplus(output[1]).clamp(1e-4, 1e4), output[2].sigmoid(), 1e-10
    t1 = torch.lgamma(d + e) + torch.lgamma(counts + 1) - torch.lgamma(counts + d + e)
    t2 = (d + counts) * torch.log(1 + mean / (d + e)) + counts * (torch.log(d + e) - torch.log(mean + e))
    zero = -torch.log(pi + (1 - pi) * (d / (d + mean + e)) ** d + e)
    expected = torch.where(counts <= 1e-8, zero, t1 + t2 - torch.log(1 - pi + e)).mean()
    assert counts_loss(counts, output).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_plain_negative_binomial_has_two_heads_and_learns_them(fold: ToyFold) -> None:
    options = Hist2STOptions(**NARROW, likelihood="nb", weight_counts=0.25, epochs=4, lr=1e-3)
    method = Hist2ST(options)
    method.fit(_with_counts(fold.train), None, FitContext(seed=0))
    assert method.fitted is not None
    losses = [numbers["counts"] for numbers in method.fitted.history]
    assert losses[-1] < losses[0]


def test_copies_are_weighed_by_the_softmax_of_their_scores() -> None:
    values = [torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 6.0]])]
    scores = [torch.tensor([[0.0]]), torch.tensor([[np.log(3.0)]])]
    torch.testing.assert_close(distilled(values, scores).float(), torch.tensor([[2.5, 5.0]]))


def test_the_distillation_stops_no_gradient() -> None:
    torch.manual_seed(0)
    network = Hist2STNetwork(2, Hist2STOptions(**NARROW, weight_distilled=0.5), models_counts=False)
    method = Hist2ST(Hist2STOptions(**NARROW, weight_distilled=0.5, copies=2))
    patches = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    batch = SlideBatch(patches, torch.arange(8).view(4, 2), EDGES, torch.zeros(4, 2), {})
    losses = method.losses(network, batch)
    losses["distilled"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.coef is not None


def test_all_patches_of_a_copy_are_changed_alike() -> None:
    one = torch.randint(0, 256, (1, 16, 16, 3), dtype=torch.uint8)
    torch.manual_seed(3)
    copy = augmented(one.expand(300, -1, -1, -1))
    assert copy.shape == (300, 16, 16, 3)
    assert copy.dtype == torch.uint8
    assert (copy == copy[0]).all()
    assert not torch.equal(copy[0], one[0])


def test_copies_are_grey_and_flipped_as_often_as_published() -> None:
    torch.manual_seed(0)
    ramp = torch.zeros(1, 9, 9, 3, dtype=torch.uint8)
    ramp[:, :, :, 0] = torch.arange(9).view(9, 1) * 20  # red grows downwards
    copies = torch.cat([augmented(ramp) for _ in range(600)])
    middle = copies[:, 2:7, 2:7].float()  # turning leaves no corner of it empty
    grey = (middle[..., 0] == middle[..., 1]).all(dim=2).all(dim=1)
    rises = middle[:, 3:, :, 0].sum((1, 2)) < middle[:, :2, :, 0].sum((1, 2))
    assert grey.float().mean().item() == pytest.approx(0.1, abs=0.04)
    assert rises.float().mean().item() == pytest.approx(0.2, abs=0.06)


# published settings and weights


@pytest.mark.parametrize(
    ("kind", "facts", "field_px"),
    [
        ("cell_abundance", (240, 1e-4, "none", 0.0, 0.0), 224),
        ("gene_expression", (64, 0.0, "grid", 0.25, 0.5), 112),
    ],
)
def test_each_kind_of_target_is_trained_as_published(kind: Kind, facts: tuple[Any, ...], field_px: int) -> None:
    options = Hist2STOptions(**HIST2ST.kind_options.get(kind, {}))
    found = (options.n_pos, options.weight_decay, options.prune, options.weight_counts, options.weight_distilled)
    assert found == facts
    assert (options.epochs, options.lr, options.schedule, options.copies, options.dim) == (350, 1e-5, "step", 5, 1024)
    assert HIST2ST.patch is not None
    assert HIST2ST.patch(options) == PatchGeometry(patch_px=112, field_px=field_px)


def test_original_patches_are_looked_at_with_their_columns_first() -> None:
    torch.manual_seed(0)
    adapted = Hist2STNetwork(2, Hist2STOptions(**NARROW), models_counts=False).patch_embedding
    original = Hist2STNetwork(2, Hist2STOptions(**NARROW, inputs="original"), models_counts=False).patch_embedding
    patches = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    expected = nn.functional.conv2d(patches.permute(0, 3, 2, 1).float(), original.weight, original.bias, stride=8)
    torch.testing.assert_close(original(patches), expected)
    assert adapted(patches).abs().max() < 50  # normalised, not 0 to 255


_PUBLISHED = {
    "mixers.": "vit.transformer.layer1.", "blocks.": "vit.transformer.layer2.", "graph.": "vit.transformer.layer3.",
    "attn.norm": "attn.norm", "attn.to_qkv": "attn.fn.to_qkv", "attn.to_out": "attn.fn.to_out.0",
    "ff.net": "ff.fn.net", "jumping.lstm": "vit.transformer.jknet.0", "down.0": "vit.transformer.down.0",
    "counts.mean": "mean.0", "counts.disp": "disp.0", "counts.pi": "pi.0", "counts.hr": "hr", "counts.hp": "hp",
}  # fmt: skip


def _published(ours: Hist2STNetwork) -> dict[str, Tensor]:
    """Our tensors under the specification's names."""
    tensors = {}
    for name, tensor in ours.state_dict().items():
        for mine, theirs in _PUBLISHED.items():
            name = name.replace(mine, theirs)
        tensors[name] = tensor
    return tensors


@pytest.mark.parametrize("likelihood", ["zinb", "nb"])
def test_published_weights_predict_the_same_with_and_without_their_training_heads(
    likelihood: Any, fold: ToyFold, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    trained = Hist2STOptions(**NARROW, **TRAINED, likelihood=likelihood)
    theirs = Hist2STNetwork(5, trained, models_counts=True).eval()
    facts = SlideBatch(
        torch.from_numpy(np.array(fold.test.patches[:])), torch.from_numpy(fold.test.array),  # type: ignore[index]
        torch.from_numpy(Hist2ST(trained).edges(fold.test.array)), torch.zeros(60, 5), {},
    )  # fmt: skip
    with torch.no_grad():
        expected = theirs(facts.patches, facts.positions, facts.edges).values.numpy()
    for options in (Hist2STOptions(), trained):
        names = fold.train.targets.names
        converted = convert(_published(theirs), ConvertRequest(options=options, kind="cell_abundance", targets=names))
        settled = replace(options, **converted.options)
        network = Hist2STNetwork(5, settled, models_counts=bool(converted.facts["beside"]))
        network.load_state_dict(dict(converted.tensors))
        write_facts(tmp_path, converted.facts)
        save_weights(network, tmp_path / "weights.safetensors")
        method = Hist2ST(settled)
        method.load(tmp_path, FitContext(seed=0))
        np.testing.assert_allclose(method.predict(unlabelled(fold.test)).values, expected, rtol=1e-4, atol=1e-5)
        assert bool(converted.left_out) == (options.weight_distilled == 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"graph_layers": 0}, "graph_layers must be at least 1, got 0"),
        ({"channels": 12}, "channels must be a multiple of 8, got 12"),
        ({"patch_px": 6}, "patch_px must be at least the stride of 7, got 6"),
        ({"weight_counts": -1.0}, r"weight_counts must not be negative, got -1\.0"),
    ],
)
def test_numbers_that_make_no_network_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Hist2STOptions(**wrong)
