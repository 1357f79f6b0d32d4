"""hist2scRNA, full and lightweight: training, neighbourhoods, and the outputs in addition to the targets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from histobench import ConfigError, DataError, FitContext, LabelledSamples, Method, Samples, Targets
from histobench.contracts.published import ConvertRequest
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson
from histobench_heads.frames.zinb import Zinb
from histobench_heads.hist2scrna.learning import Truth, draw_up, losses
from histobench_heads.hist2scrna.light import Hist2ScrnaLight
from histobench_heads.hist2scrna.method import Batch, Hist2Scrna, batching, links, load_batch, loss_on_seeds
from histobench_heads.hist2scrna.network import GraphAttention, Hist2ScrnaNetwork, Said
from histobench_heads.hist2scrna.options import Hist2ScrnaLightOptions, Hist2ScrnaOptions
from histobench_heads.hist2scrna.published import convert

SMALL = Hist2ScrnaOptions(
    epochs=1, batch=16, lr=2e-3, patch_px=32, token_px=16, embed=32, depth=1, heads=2, gnn_hidden=16, gnn_heads=2,
    decoder=32, start_at_mean=True, size_offset=True,
)  # fmt: skip
LIGHT = Hist2ScrnaLightOptions(
    epochs=1, batch=16, lr=2e-3, width=32, heads=2, decoder=32, start_at_mean=True, size_offset=True, standardise=True
)


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold("gene_expression", beside=("counts", "label"))


@pytest.fixture(scope="module")
def fitted(fold: ToyFold) -> Hist2Scrna:
    method = Hist2Scrna(SMALL)
    method.fit(fold.train, None, FitContext(seed=1))
    return method


def _fit(method: Method, fold: ToyFold, *, val: bool = False) -> list[dict[str, float]]:
    numbers: list[dict[str, float]] = []
    context = FitContext(seed=0, report=lambda _epoch, found: numbers.append(dict(found)))
    method.fit(fold.train, fold.val if val else None, context)
    return numbers


def _rmse(values: np.ndarray, observed: Targets) -> float:
    return float(np.sqrt(np.square(values - observed.values).mean()))


# learning


@pytest.mark.parametrize(
    "method",
    [
        Hist2Scrna(replace(SMALL, epochs=25, batch=8, neighbours=1, dropout=0.0)),
        Hist2Scrna(replace(SMALL, epochs=12, batch=8, graph=False)),
        Hist2ScrnaLight(replace(LIGHT, epochs=20)),
        Hist2ScrnaLight(replace(LIGHT, epochs=12, group=4, residual=True, positions=True)),
    ],
    ids=["full", "without graph", "light", "light in groups"],
)
def test_genes_of_another_patient_are_predicted_better_than_by_their_mean(fold: ToyFold, method: Method) -> None:
    _fit(method, fold)
    values = method.predict(unlabelled(fold.test)).values
    observed = fold.test.targets
    assert (
        mean_pearson(torch.from_numpy(values), torch.from_numpy(observed.values)) > 0.15
    )  # .23 to .35, by seed and CPU
    assert _rmse(values, observed) < _rmse(fold.train.targets.values.mean(axis=0), observed)


@pytest.mark.parametrize(
    "method",
    [Hist2Scrna(replace(SMALL, epochs=8, batch=8, graph=False)), Hist2ScrnaLight(replace(LIGHT, epochs=25))],
    ids=["full", "light"],
)
def test_classes_of_another_patient_are_predicted(method: Method) -> None:
    labels = toy_fold("label")
    _fit(method, labels)
    prediction = method.predict(unlabelled(labels.test))
    hits = prediction.values.argmax(axis=1) == labels.test.targets.values.argmax(axis=1)
    assert hits.mean() > 0.5  # the largest class has 26 of 60
    np.testing.assert_allclose(prediction.values.sum(axis=1), 1, rtol=1e-5)


def test_the_epoch_is_scored_by_the_loss_over_validation_spots(fold: ToyFold) -> None:
    method = Hist2Scrna(SMALL)
    (numbers,) = _fit(method, fold, val=True)
    prediction = method.predict(unlabelled(fold.val))
    counts, label = prediction.beside["counts"], prediction.beside["label"]
    mean, dispersion, zero = (torch.from_numpy(counts.parameters[name]) for name in ("mean", "dispersion", "zero"))
    truth = Truth.of(fold.val, draw_up(fold.train, 0))
    output = Said(Zinb(mean.log(), dispersion.log(), zero.logit()), torch.from_numpy(label.values).log(), mean)
    assert numbers["val_score"] == pytest.approx(-losses(output, truth, SMALL)["loss"].item(), rel=1e-4)


def test_the_learning_rate_is_halved_when_validation_gets_no_better(fold: ToyFold) -> None:
    numbers = _fit(Hist2ScrnaLight(replace(LIGHT, epochs=4, lr=1e-30, plateau_epochs=1)), fold, val=True)
    assert [found["lr"] for found in numbers] == pytest.approx([1e-30, 1e-30, 1e-30, 5e-31])


# outputs in addition to the targets


def test_counts_and_their_distribution_stand_beside_the_targets(fold: ToyFold, fitted: Hist2Scrna) -> None:
    counts = fitted.predict(unlabelled(fold.test)).beside["counts"]
    mean, zero = counts.parameters["mean"], counts.parameters["zero"]
    assert counts.names == fold.test.targets.names
    np.testing.assert_allclose(counts.values, (1 - zero) * mean, rtol=1e-4)
    assert (counts.parameters["dispersion"] > 0).all()


def test_mu_is_the_mean_without_the_extra_zeros(fold: ToyFold, fitted: Hist2Scrna) -> None:
    fitted_mu = Hist2Scrna(replace(SMALL, point="mu"))
    fitted_mu.fit(fold.train, None, FitContext(seed=1))
    counts = fitted_mu.predict(fold.test).beside["counts"]
    np.testing.assert_array_equal(counts.values, counts.parameters["mean"])
    assert (fitted_mu.predict(fold.test).values > fitted.predict(fold.test).values).all()


def test_the_logarithm_of_the_mean_is_counts_per_ten_thousand_of_a_mean_library(fold: ToyFold) -> None:
    method = Hist2Scrna(replace(SMALL, logarithm="log_of_mean"))
    method.fit(fold.train, None, FitContext(seed=1))
    prediction = method.predict(fold.test)
    expected = np.log1p(1e4 * prediction.beside["counts"].values / fold.train.totals.mean())
    np.testing.assert_allclose(prediction.values, expected, rtol=1e-5)


def test_the_mean_of_the_logarithm_is_less_than_the_logarithm_of_the_mean(fold: ToyFold, fitted: Hist2Scrna) -> None:
    prediction = fitted.predict(fold.test)
    assert (prediction.values < np.log1p(1e4 * prediction.beside["counts"].values / fold.train.totals.mean())).all()


def test_without_labels_there_is_no_class_and_no_cross_entropy(fold: ToyFold) -> None:
    bare = replace(fold.train, beside={"counts": fold.train.beside["counts"]})
    method = Hist2ScrnaLight(LIGHT)
    (numbers,) = _fit(method, ToyFold(train=bare, val=bare, test=bare))
    assert "ce" not in numbers
    assert set(method.predict(fold.test).beside) == {"counts"}


# the loss


def _output(n: int, *, classes: int = 3) -> Said:
    draw = torch.Generator().manual_seed(0)
    zinb = Zinb(*torch.randn(3, n, 2, generator=draw))
    return Said(zinb, torch.randn(n, classes, generator=draw), torch.zeros(n, 1))


def test_a_spot_without_a_label_carries_no_cross_entropy() -> None:
    output, ones = _output(4), torch.ones(4, 2)
    some = Truth(counts=ones, classes=torch.tensor([0, -1, 2, -1]), log_size=torch.zeros(4, 1))
    known = Truth(counts=ones[[0, 2]], classes=torch.tensor([0, 2]), log_size=torch.zeros(2, 1))
    expected = losses(output.rows(torch.tensor([0, 2])), known, SMALL)["ce"]
    torch.testing.assert_close(losses(output, some, SMALL)["ce"], expected)


def test_a_batch_without_any_label_has_a_finite_loss() -> None:
    truth = Truth(counts=torch.ones(4, 2), classes=torch.full((4,), -1), log_size=torch.zeros(4, 1))
    found = losses(_output(4), truth, SMALL)
    assert found["ce"] == 0
    assert found["loss"] == found["zinb"]


def test_the_offset_takes_library_size_out_of_the_mean() -> None:
    output = _output(4)
    twice = output._replace(zinb=output.zinb.offset(torch.full((4, 1), 2.0).log()))
    truth = Truth(counts=torch.ones(4, 2), classes=torch.zeros(4, dtype=torch.int64), log_size=torch.zeros(4, 1))
    deep = truth._replace(log_size=torch.full((4, 1), 2.0).log())
    assert losses(output, deep, SMALL)["zinb"] == losses(twice, truth, SMALL)["zinb"]
    plain = replace(SMALL, size_offset=False)
    assert losses(output, deep, plain)["zinb"] == losses(output, truth, plain)["zinb"]


def test_only_seeds_carry_loss_and_their_halo_is_seen(fold: ToyFold) -> None:
    truth = Truth.of(fold.train, draw_up(fold.train, 0))
    part = next(batching(fold.train, SMALL).prediction())
    batch = load_batch(fold.train.patches, truth, part)
    assert len(batch.truth.classes) == part.n_seeds < len(batch.patches)
    torch.manual_seed(0)
    module = Hist2ScrnaNetwork(SMALL, n_genes=len(fold.train.targets.names), n_classes=3).eval()
    alone = Batch(batch.patches[: part.n_seeds], batch.edges[:, (batch.edges < part.n_seeds).all(dim=0)], batch.truth)
    assert loss_on_seeds(module, batch, SMALL)["loss"] != loss_on_seeds(module, alone, SMALL)["loss"]


def test_smoothness_is_the_mean_squared_difference_of_mu_over_links(fold: ToyFold) -> None:
    options = replace(SMALL, smoothness=0.01)
    truth = Truth.of(fold.train, draw_up(fold.train, 0))
    batch = load_batch(fold.train.patches, truth, next(batching(fold.train, options).prediction()))
    module = Hist2ScrnaNetwork(options, n_genes=len(fold.train.targets.names), n_classes=3).eval()
    mean = module(batch.patches, batch.edges).zinb.log_mean.exp()
    expected = (mean[batch.edges[0]] - mean[batch.edges[1]]).square().sum(dim=1).mean()
    found, plain = loss_on_seeds(module, batch, options), loss_on_seeds(module, batch, SMALL)
    torch.testing.assert_close(found["loss"] - plain["loss"], 0.01 * expected, rtol=1e-3, atol=1e-5)


# whom a spot sees


def _row(n: int) -> Samples:
    """Spots in a row, ever farther apart."""
    at = np.stack([np.arange(n) ** 2 * 100.0, np.zeros(n)], axis=1)
    names = np.array([f"s{i}" for i in range(n)])
    return Samples(slide_ids=np.full(n, "S"), spot_ids=names, xy_um=at, array=at.astype(np.int64) // 100)


@pytest.mark.parametrize(
    ("direction", "sees"),
    [
        ("from_neighbours", {(0, 1), (1, 0), (2, 1), (3, 2)}),
        ("to_neighbours", {(1, 0), (0, 1), (1, 2), (2, 3)}),
        ("both", {(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)}),
    ],
)
def test_links_go_the_way_that_is_asked_for(direction: str, sees: set[tuple[int, int]]) -> None:
    found = links(_row(4), replace(SMALL, neighbours=1, direction=direction))
    assert set(zip(*map(np.ndarray.tolist, found.nonzero()), strict=True)) == sees


def test_prediction_keeps_the_order_of_rows(fold: ToyFold, fitted: Hist2Scrna) -> None:
    # spots scattered, because of equally near ones the first in the table is taken
    scattered = np.random.default_rng(1).uniform(0, 2000, (len(fold.test), 2))
    samples = replace(unlabelled(fold.test), xy_um=scattered)
    order = np.random.default_rng(0).permutation(len(samples))
    straight, shuffled = (fitted.predict(some).values for some in (samples, samples.take(order)))
    np.testing.assert_allclose(shuffled, straight[order], rtol=1e-4, atol=1e-5)


def test_prediction_does_not_depend_on_the_batch_size(fold: ToyFold, fitted: Hist2Scrna) -> None:
    values = fitted.predict(fold.test).values
    fitted.options = replace(SMALL, batch=5)
    np.testing.assert_array_equal(fitted.predict(fold.test).values, values)
    fitted.options = SMALL


def test_a_slide_is_predicted_alike_with_and_without_others(fold: ToyFold, fitted: Hist2Scrna) -> None:
    first = np.flatnonzero(fold.train.slide_ids == fold.train.slide_ids[0])
    alone = fitted.predict(fold.train.take(first)).values
    np.testing.assert_allclose(fitted.predict(fold.train).values[first], alone, rtol=1e-4, atol=1e-5)


def test_upstream_predictions_depend_on_who_shares_the_batch(fold: ToyFold) -> None:
    method = Hist2Scrna(replace(SMALL, graph_batch="upstream", batch=8))
    method.fit(fold.train, None, FitContext(seed=1))
    whole = method.predict(fold.test).values
    assert not np.allclose(whole[4:12], method.predict(fold.test.take(np.arange(4, 12))).values, rtol=1e-6, atol=1e-7)


def test_upstream_batches_keep_links_within_random_spots_only(fold: ToyFold) -> None:
    parts = list(batching(fold.train, replace(SMALL, graph_batch="upstream", batch=8)).training(0, 0))
    assert all(part.n_seeds == len(part.nodes) == 8 for part in parts)
    kept = sum(part.edges.shape[1] for part in parts)
    assert kept < 0.3 * links(fold.train, SMALL).nnz


def test_without_a_graph_a_spot_stands_alone(fold: ToyFold) -> None:
    method = Hist2Scrna(replace(SMALL, graph=False))
    method.fit(fold.train, None, FitContext(seed=1))
    whole = method.predict(fold.test).values
    np.testing.assert_allclose(method.predict(fold.test.take(np.array([7]))).values, whole[[7]], rtol=1e-4, atol=1e-5)


def test_a_spot_without_links_attends_to_itself() -> None:
    layer = GraphAttention(3, 4, heads=2, dropout=0.0)
    spots = torch.randn(5, 3)
    torch.testing.assert_close(layer(spots, torch.empty(2, 0, dtype=torch.int64)), layer.lin(spots))


def test_augmented_training_differs_and_repeats_with_its_seed(fold: ToyFold) -> None:
    values = []
    for options in (SMALL, replace(SMALL, augment=True), replace(SMALL, augment=True)):
        method = Hist2Scrna(options)
        method.fit(fold.train, None, FitContext(seed=1))
        values.append(method.predict(fold.test).values)
    assert not np.array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[1], values[2])


# the lightweight model's groups


def _light(fold: ToyFold, **options: object) -> np.ndarray:
    method = Hist2ScrnaLight(replace(LIGHT, **options))
    method.fit(fold.train, None, FitContext(seed=1))
    return method.predict(fold.test).values


def test_pooled_groups_give_their_spots_one_value(fold: ToyFold) -> None:
    values = _light(fold, group=6, pool="mean")
    assert len(np.unique(values[:, 0])) == 10


def test_spots_of_a_group_keep_a_row_each(fold: ToyFold) -> None:
    assert len(np.unique(_light(fold, group=6)[:, 0])) == 60


def test_spots_alone_do_not_see_one_another(fold: ToyFold) -> None:
    method = Hist2ScrnaLight(LIGHT)
    method.fit(fold.train, None, FitContext(seed=1))
    some = np.array([3, 11])
    alone, whole = method.predict(fold.test.take(some)).values, method.predict(fold.test).values
    np.testing.assert_allclose(alone, whole[some], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("option", ["residual", "positions", "standardise", "start_at_mean", "size_offset"])
def test_every_switch_of_the_lightweight_model_changes_what_it_learns(fold: ToyFold, option: str) -> None:
    switched = {option: not getattr(LIGHT, option)}
    assert not np.allclose(_light(fold, group=4), _light(fold, group=4, **switched))


def test_accumulated_batches_make_one_step(fold: ToyFold) -> None:
    exact = {"group": 1, "epochs": 1, "dropout": 0.0}
    step = _light(fold, batch=120, **exact)  # all training spots
    np.testing.assert_allclose(_light(fold, batch=60, accumulate=2, **exact), step, rtol=1e-3, atol=1e-4)
    assert not np.allclose(_light(fold, batch=60, **exact), step, rtol=1e-3, atol=1e-4)


# checkpoints


def _as_published(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Give our tensors the publisher's names, with the older graph library's two names of one projection."""
    found = {}
    for name, tensor in module.state_dict().items():
        name = name.replace("mlp.fc1", "mlp.0").replace("mlp.fc2", "mlp.3")
        if name.endswith(".lin.weight"):
            found[name.replace(".lin.", ".lin_dst.")] = tensor
            name = name.replace(".lin.", ".lin_src.")
        found[name] = tensor
    return found


@pytest.mark.parametrize("kind", ["gene_expression", "label"])
def test_a_published_checkpoint_says_what_our_network_says(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Hist2ScrnaNetwork(SMALL, n_genes=4, n_classes=3).eval()
    names = ("a", "b", "c", "d")[: 4 if kind == "gene_expression" else 3]
    converted = convert(_as_published(network), ConvertRequest(options=SMALL, kind=kind, targets=names))
    options = replace(Hist2ScrnaOptions(heads=2), **converted.options)
    ours = Hist2ScrnaNetwork(options, n_genes=len(converted.facts["genes"]), n_classes=len(converted.facts["classes"]))
    ours.load_state_dict(converted.tensors)
    patches = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8)
    edges = torch.tensor([[0, 1], [1, 2]])
    output, expected = ours.eval()(patches, edges), network(patches, edges)
    torch.testing.assert_close(output.features, expected.features)
    torch.testing.assert_close(*((s.zinb if kind == "gene_expression" else s.logits) for s in (output, expected)))


# what is kept and refused


@pytest.mark.parametrize("method", [Hist2Scrna(SMALL), Hist2ScrnaLight(LIGHT)], ids=["full", "light"])
def test_a_saved_method_predicts_the_same(fold: ToyFold, method: Method, tmp_path: Path) -> None:
    _fit(method, fold)
    method.save(tmp_path)
    loaded = type(method)(method.options)
    loaded.load(tmp_path, FitContext(seed=9))
    np.testing.assert_array_equal(loaded.predict(fold.test).values, method.predict(fold.test).values)


def _with_counts(samples: LabelledSamples, values: np.ndarray) -> LabelledSamples:
    return replace(samples, beside={"counts": replace(samples.beside["counts"], values=values)})


def test_values_that_are_no_counts_are_refused(fold: ToyFold) -> None:
    normalised = _with_counts(fold.train, fold.train.targets.values)
    with pytest.raises(DataError, match="learns from raw counts, but these numbers are negative or not whole"):
        Hist2ScrnaLight(LIGHT).fit(normalised, None, FitContext(seed=0))


def test_samples_without_counts_are_refused(fold: ToyFold) -> None:
    with pytest.raises(DataError, match="learns from raw counts, and these samples have none"):
        Hist2ScrnaLight(LIGHT).fit(replace(fold.train, beside={}), None, FitContext(seed=0))


def test_samples_without_library_sizes_are_refused(fold: ToyFold) -> None:
    with pytest.raises(DataError, match="needs the total transcripts of each spot"):
        Hist2ScrnaLight(LIGHT).fit(replace(fold.train, totals=None), None, FitContext(seed=0))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Hist2Scrna(SMALL), "hist2scrna needs patches, and these samples have none"),
        (Hist2ScrnaLight(LIGHT), "hist2scrna-light needs embeddings, and these samples have none"),
    ],
)
def test_missing_images_are_named(fold: ToyFold, method: Method, message: str) -> None:
    with pytest.raises(DataError, match=message):
        method.fit(replace(fold.train, embeddings=None, patches=None), None, FitContext(seed=0))


@pytest.mark.parametrize(
    "use", [lambda method, samples, _: method.predict(samples), lambda method, _, folder: method.save(folder)]
)
def test_use_before_fit_is_refused(
    fold: ToyFold, tmp_path: Path, use: Callable[[Method, Samples, Path], object]
) -> None:
    with pytest.raises(ConfigError, match="this method has learned nothing yet; fit or load it first"):
        use(Hist2Scrna(SMALL), fold.test, tmp_path)


@pytest.mark.parametrize("name", ["epochs", "batch", "patch_px", "depth", "neighbours", "accumulate"])
def test_options_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        Hist2ScrnaOptions(**{name: 0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1, got 1.0"),
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"patch_px": 100}, "patch_px must be a multiple of token_px, got 100 and 16"),
        ({"embed": 50, "heads": 4}, "embed must be a multiple of heads, got 50 and 4"),
    ],
)
def test_options_that_make_no_network_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Hist2ScrnaOptions(**options)


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="width must be a multiple of heads and of 4, got 30"):
        Hist2ScrnaLightOptions(width=30, heads=2)
