"""Hist2Cell as a method: it learns, both kinds of batches agree, and odd input is refused or served."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from histobench import ConfigError, DataError, FitContext, LabelledSamples, Prediction, Samples, Targets
from histobench.contracts.registry import Registry
from histobench.study.reproduction import missing
from histobench.testing import ToyEncoder, ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson
from histobench_heads.frames.neighbourhoods import Subgraph
from histobench_heads.hist2cell.catalogue import HIST2CELL
from histobench_heads.hist2cell.method import Hist2Cell, batching, load_batch, loss_over_nodes
from histobench_heads.hist2cell.network import Hist2CellNetwork
from histobench_heads.hist2cell.options import Hist2CellOptions

QUICK = Hist2CellOptions(epochs=2)


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold()


@pytest.fixture(scope="module")
def frozen(fold: ToyFold) -> Hist2Cell:
    """Fitted on embeddings, without validation."""
    method = Hist2Cell(QUICK)
    method.fit(fold.train, None, FitContext(seed=1))
    return method


def _pearson(prediction: Prediction, observed: Targets) -> float:
    return mean_pearson(torch.from_numpy(prediction.values), torch.from_numpy(observed.values))


def _network(options: Hist2CellOptions = QUICK, *, n_targets: int = 5) -> Hist2CellNetwork:
    """A network on toy patches whose dropout and batch statistics are off: what it computes depends on its input."""
    torch.manual_seed(0)
    encoder = ToyEncoder()
    return Hist2CellNetwork(
        encoder.module(),
        encoder.dim,
        n_targets=n_targets,
        depth=options.depth,
        dropout=options.dropout,
        final_relu=options.final_relu,
    ).eval()


def _gradients(network: Hist2CellNetwork, loss: Tensor) -> dict[str, Tensor]:
    parameters = dict(network.named_parameters())
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


def _patch_of_sixteen(fold: ToyFold) -> LabelledSamples:
    """Four by four neighbouring spots of one slide: one batch, whichever way it is made."""
    first = fold.train.slide_ids == fold.train.slide_ids[0]
    return fold.train.take(np.flatnonzero(first & (fold.train.array < 4).all(axis=1)))


# learning


def test_hist2cell_learns_from_embeddings(fold: ToyFold) -> None:
    method = Hist2Cell(Hist2CellOptions(epochs=8, lr=1e-3))
    method.fit(fold.train, fold.val, FitContext(seed=0))
    assert _pearson(method.predict(unlabelled(fold.test)), fold.test.targets) > 0.6


@pytest.mark.parametrize("faithful", [False, True])
def test_hist2cell_learns_from_patches(fold: ToyFold, faithful: bool) -> None:
    method = Hist2Cell(Hist2CellOptions(epochs=6, lr=1e-3, faithful=faithful))
    method.fit(fold.train, fold.val, FitContext(seed=0, mode="full", encoder=ToyEncoder()))
    assert _pearson(method.predict(unlabelled(fold.test)), fold.test.targets) > 0.5


def test_the_epoch_is_scored_by_mean_pearson_over_validation_spots(fold: ToyFold) -> None:
    scores: list[float] = []
    method = Hist2Cell(Hist2CellOptions(epochs=1))
    context = FitContext(seed=0, report=lambda _epoch, numbers: scores.append(numbers["val_score"]))
    method.fit(fold.train, fold.val, context)
    assert scores == pytest.approx([_pearson(method.predict(unlabelled(fold.val)), fold.val.targets)])


def test_another_seed_gives_another_prediction(fold: ToyFold, frozen: Hist2Cell) -> None:
    other = Hist2Cell(QUICK)
    other.fit(fold.train, None, FitContext(seed=2))
    assert not np.allclose(frozen.predict(fold.test).values, other.predict(fold.test).values)


def test_final_relu_predicts_nothing_negative(fold: ToyFold) -> None:
    method = Hist2Cell(Hist2CellOptions(epochs=1, final_relu=True))
    method.fit(fold.train, None, FitContext(seed=0))
    assert method.predict(fold.test).values.min() >= 0


# the loss, and the two kinds of batches


def test_the_loss_counts_halo_and_seeds_alike(fold: ToyFold) -> None:
    part = next(batching(fold.train, QUICK).prediction())
    network = _network()
    assert part.n_seeds < len(part.nodes)
    batch = load_batch(fold.train.patches, fold.train.targets, part)
    squares = (network(batch["images"], batch["edges"]) - torch.from_numpy(fold.train.targets.values[part.nodes])) ** 2
    assert loss_over_nodes(network, batch)["loss"].item() == pytest.approx(squares.mean().item())


def test_contiguous_and_published_batches_of_the_same_spots_give_the_same_loss_and_gradients(fold: ToyFold) -> None:
    samples = _patch_of_sixteen(fold)
    network = _network()
    losses, gradients = [], []
    for options in (Hist2CellOptions(), Hist2CellOptions(faithful=True)):
        (part,) = batching(samples, options).training(0, 0)
        losses.append(loss_over_nodes(network, load_batch(samples.patches, samples.targets, part))["loss"])
        gradients.append(_gradients(network, losses[-1]))
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)


def test_encoding_each_patch_once_equals_encoding_every_neighbourhood_anew(fold: ToyFold) -> None:
    """With batch statistics fixed, as here, 25 patches a seed buy nothing: loss and gradients are the same."""
    part = next(batching(fold.train, QUICK).prediction())
    network = _network()
    batch = load_batch(fold.train.patches, fold.train.targets, part)
    once = loss_over_nodes(network, batch)["loss"]
    anew = _loss_with_every_neighbourhood_encoded(network, batch, part)
    torch.testing.assert_close(anew, once)
    torch.testing.assert_close(_gradients(network, anew), _gradients(network, once), rtol=1e-4, atol=1e-6)


def _loss_with_every_neighbourhood_encoded(
    network: Hist2CellNetwork, batch: dict[str, Tensor], part: Subgraph
) -> Tensor:
    m = len(part.nodes)
    links = torch.eye(m)
    links[tuple(batch["edges"])] = 1
    within_two_hops = links @ links > 0
    total, times = torch.zeros(m, ToyEncoder().dim), torch.zeros(m, 1)
    for seed in range(part.n_seeds):
        members = within_two_hops[seed].nonzero().squeeze(1)
        total = total.index_add(0, members, network.backbone(batch["images"][members]))
        times[members] += 1
    assert times.sum() > 2 * m
    spot, local, whole = network.branches(total / times, batch["edges"])
    heads = network.spot_head(spot) + network.local_head(local) + network.cell_transformer.head(whole).relu()
    predicted = (heads + network.fused_head((spot + local + whole) / 3)) / 4
    return torch.nn.functional.mse_loss(predicted, batch["targets"])


# prediction


def test_prediction_keeps_the_order_of_rows(fold: ToyFold, frozen: Hist2Cell) -> None:
    order = np.random.default_rng(0).permutation(len(fold.test))
    straight, shuffled = (frozen.predict(samples).values for samples in (fold.test, fold.test.take(order)))
    np.testing.assert_allclose(shuffled, straight[order], rtol=1e-4, atol=1e-5)


def test_prediction_of_a_slide_does_not_depend_on_other_slides(fold: ToyFold, frozen: Hist2Cell) -> None:
    first = fold.train.slide_ids == fold.train.slide_ids[0]
    alone = frozen.predict(fold.train.take(np.flatnonzero(first))).values
    np.testing.assert_allclose(frozen.predict(fold.train).values[first], alone, rtol=1e-5, atol=1e-6)


def test_faithful_prediction_depends_on_who_shares_the_batch(fold: ToyFold) -> None:
    method = Hist2Cell(replace(QUICK, faithful=True))
    method.fit(fold.train, None, FitContext(seed=1))
    whole = method.predict(fold.test).values
    assert not np.allclose(whole[8:24], method.predict(fold.test.take(np.arange(8, 24))).values)


def test_a_single_spot_is_predicted(fold: ToyFold, frozen: Hist2Cell) -> None:
    values = frozen.predict(fold.test.take(np.array([3]))).values
    assert values.shape == (1, len(fold.test.targets.names))


def test_lone_spots_train_with_batch_normalisation(fold: ToyFold) -> None:
    samples = fold.train.take(np.array([0, 5, 30, 33]))
    method = Hist2Cell(Hist2CellOptions(epochs=1, part_spots=1))
    method.fit(samples, None, FitContext(seed=0, mode="full", encoder=_BatchNormalised()))
    assert np.isfinite(method.predict(samples).values).all()


class _BatchNormalised(ToyEncoder):
    """The toy encoder with a batch normalisation at its end, which cannot be trained on one patch."""

    def module(self) -> torch.nn.Module:
        return torch.nn.Sequential(super().module(), torch.nn.BatchNorm1d(self.dim))


# saving


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_a_trained_encoder_survives_saving_under_another_seed(fold: ToyFold, mode: str, tmp_path: Path) -> None:
    method = Hist2Cell(Hist2CellOptions(epochs=1))
    method.fit(fold.train, None, FitContext(seed=4, mode=mode, encoder=ToyEncoder()))
    method.save(tmp_path)
    loaded = Hist2Cell(Hist2CellOptions(epochs=1))
    loaded.load(tmp_path, FitContext(seed=9, mode=mode, encoder=ToyEncoder()))
    np.testing.assert_array_equal(loaded.predict(fold.test).values, method.predict(fold.test).values)


# what is refused


def test_one_training_spot_is_refused(fold: ToyFold) -> None:
    with pytest.raises(DataError, match="hist2cell needs at least two training spots, got 1: add slides"):
        Hist2Cell(QUICK).fit(fold.train.take(np.array([0])), None, FitContext(seed=0))


@pytest.mark.parametrize(("mode", "needed"), [("frozen", "embeddings"), ("full", "patches")])
def test_missing_images_are_named(fold: ToyFold, mode: str, needed: str) -> None:
    bare = replace(fold.train, embeddings=None, patches=None)
    with pytest.raises(DataError, match=f"hist2cell needs {needed}, and these samples have none"):
        Hist2Cell(QUICK).fit(bare, None, FitContext(seed=0, mode=mode, encoder=ToyEncoder()))


def test_a_training_mode_without_an_encoder_is_refused(fold: ToyFold) -> None:
    with pytest.raises(ConfigError, match="encoder"):
        Hist2Cell(QUICK).fit(fold.train, None, FitContext(seed=0, mode="full"))


@pytest.mark.parametrize(
    "use", [lambda method, samples, _: method.predict(samples), lambda method, _, folder: method.save(folder)]
)
def test_use_before_fit_is_refused(
    fold: ToyFold, tmp_path: Path, use: Callable[[Hist2Cell, Samples, Path], object]
) -> None:
    with pytest.raises(ConfigError, match="this method has learned nothing yet; fit or load it first"):
        use(Hist2Cell(QUICK), fold.test, tmp_path)


@pytest.mark.parametrize("name", ["epochs", "depth", "seeds_per_batch", "part_spots", "hops", "patch_px"])
def test_options_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        Hist2CellOptions(**{name: 0})


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_out_of_range_is_refused(dropout: float) -> None:
    with pytest.raises(ConfigError, match="dropout must be at least 0 and less than 1, got"):
        Hist2CellOptions(dropout=dropout)


def test_a_number_on_released_weights_asks_for_them_and_for_no_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = Registry.load()
    record = next(r for r in HIST2CELL.reproductions if "weights" in r.settings)
    file = str(record.settings["weights"])
    dataset = "dataset 'humanlung' is not installed (`histobench list datasets` shows those that are)"
    lacking = missing(HIST2CELL, record, registry, None)
    assert lacking == [dataset, f"{file!r}, the converted released weights, is not in this folder"]
    (tmp_path / file).touch()
    assert missing(HIST2CELL, record, registry, None) == [dataset]
