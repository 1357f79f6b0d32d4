"""ST-Net as a method: it learns, starts at the mean, turns patches, averages symmetries, selects by error."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench import ConfigError, FitContext, Prediction
from histobench.study.config import RunConfig, method_options
from histobench.testing import ToyEncoder, ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson, root_mean_square
from histobench_heads.frames.normalisation import PixelStatistics
from histobench_heads.frames.spotwise.method import Batch
from histobench_heads.stnet.catalogue import STNET
from histobench_heads.stnet.method import StNet
from histobench_heads.stnet.options import CUCAS_SETTINGS, StNetOptions

FAST = {"epochs": 2, "batch": 16, "loss": "rmse", "lr": 1e-2}


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold("gene_expression")


def _context(**more: Any) -> FitContext:
    return FitContext(seed=0, mode="full", encoder=ToyEncoder(), **more)


def _fitted(fold: ToyFold, **options: Any) -> StNet:
    method = StNet(StNetOptions(**{**FAST, **options}))
    method.fit(fold.train, fold.val, _context())
    return method


def _predict(method: StNet, fold: ToyFold) -> Prediction:
    return method.predict(unlabelled(fold.test))


def test_it_learns(fold: ToyFold) -> None:
    predicted = _predict(_fitted(fold, epochs=12, loss="sum"), fold).values
    observed, mean = fold.test.targets.values, fold.train.targets.values.mean(axis=0)
    assert mean_pearson(torch.from_numpy(predicted), torch.from_numpy(observed)) > 0.25  # counts are noisy
    assert ((predicted - observed) ** 2).mean() < 0.94 * ((mean - observed) ** 2).mean()


def test_a_step_too_small_to_matter_leaves_the_training_mean(fold: ToyFold) -> None:
    predicted = _predict(_fitted(fold, epochs=1, lr=1e-12), fold).values
    np.testing.assert_allclose(
        predicted, np.tile(fold.train.targets.values.mean(axis=0), (len(predicted), 1)), rtol=1e-5
    )


def test_without_the_start_at_the_mean_it_does_not(fold: ToyFold) -> None:
    predicted = _predict(_fitted(fold, epochs=1, lr=1e-12, start_at_mean=False), fold).values
    assert predicted.std(axis=0).min() > 0


class _Seen(nn.Module):
    """Keeps what it is shown; predicts the first pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Tensor] = []

    def forward(self, patches: Tensor) -> Tensor:
        self.shown.append(patches)
        return patches[:, 0, 0, :1].float()


@pytest.mark.parametrize("augment", [True, False])
def test_training_patches_are_turned_where_asked(augment: bool) -> None:
    patches = torch.arange(16 * 4, dtype=torch.uint8).view(16, 2, 2, 1).expand(16, 2, 2, 3)
    seen = _Seen()
    batch = Batch(patches, torch.ones(16, 1), torch.zeros(16, 0))
    StNet(StNetOptions(augment=augment)).losses(seen, batch)
    assert torch.equal(seen.shown[0], patches) is not augment
    assert torch.equal(seen.shown[0].sum(dim=(1, 2, 3)), patches.sum(dim=(1, 2, 3)))


@pytest.mark.parametrize(("average", "expected"), [(True, 1.5), (False, 0.0)])
def test_a_test_patch_is_averaged_over_its_symmetries_where_asked(average: bool, expected: float) -> None:
    corners = torch.arange(4, dtype=torch.uint8).view(1, 2, 2, 1).expand(1, 2, 2, 3)
    assert StNet(StNetOptions(average=average)).look(_Seen(), corners).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["sum", "mse", "rmse"])
def test_losses_differ_by_root_and_batch(loss: str) -> None:
    patches = torch.randint(0, 9, (4, 2, 2, 3), dtype=torch.uint8)
    observed = torch.randn(4, 1)
    options = StNetOptions(loss=loss, augment=False)  # type: ignore[arg-type]
    got = StNet(options).losses(_Seen(), Batch(patches, observed, torch.zeros(4, 0)))["loss"]
    root = root_mean_square(_Seen()(patches), observed)
    torch.testing.assert_close(got, {"sum": 4 * root**2, "mse": root**2, "rmse": root}[loss])


def test_the_epoch_of_least_total_error_is_kept(fold: ToyFold) -> None:
    method = _fitted(fold, epochs=4, lr=3e-2, average=False)
    assert method.fitted is not None
    scores = [numbers["val_score"] for numbers in method.fitted.history]
    assert method.fitted.best_epoch == int(np.argmax(scores))
    kept = method.predict(unlabelled(fold.val)).values - fold.val.targets.values
    assert max(scores) == pytest.approx(-float((kept.astype(np.float64) ** 2).sum()), rel=1e-5)


def test_selection_by_correlation_scores_correlation(fold: ToyFold) -> None:
    method = _fitted(fold, selection="pearson")
    assert method.fitted is not None
    assert -1 <= method.fitted.best_score <= 1


def test_an_incomplete_last_batch_is_trained_on(fold: ToyFold) -> None:
    rows = np.arange(21)
    seen: list[int] = []

    class Counting(StNet):
        def losses(self, module: nn.Module, batch: Batch) -> Any:
            seen.append(len(batch.targets))
            return super().losses(module, batch)

    Counting(StNetOptions(**{**FAST, "epochs": 1, "batch": 10})).fit(fold.train.take(rows), None, _context())
    assert seen == [10, 10]  # and not one: nothing to normalise it by
    seen.clear()
    Counting(StNetOptions(**{**FAST, "epochs": 1, "batch": 8})).fit(fold.train.take(rows), None, _context())
    assert seen == [8, 8, 5]


def test_it_predicts_the_same_when_read_back(fold: ToyFold, tmp_path: Path) -> None:
    method = _fitted(fold)
    method.save(tmp_path)
    other = StNet(method.options)
    other.load(tmp_path, replace(_context(), seed=9))
    assert np.array_equal(_predict(other, fold).values, _predict(method, fold).values)


def test_abundances_get_the_adaptation_and_genes_the_original() -> None:
    def settled(kind: str, preset: str = "published") -> StNetOptions:
        return method_options(STNET, RunConfig(preset=preset), dataset="", kind=kind, mode="full")  # type: ignore[arg-type]

    genes, cells = settled("gene_expression"), settled("cell_abundance")
    assert genes == StNetOptions()
    assert cells == StNetOptions(**CUCAS_SETTINGS)
    assert (cells.lr, cells.weight_decay, cells.loss, cells.selection) == (1e-2, 1e-4, "rmse", "pearson")
    assert settled("cell_abundance", "paper") == genes
    assert settled("gene_expression", "cuca") == cells


def test_it_takes_steps_of_descent_with_momentum() -> None:
    recipe = StNet(StNetOptions()).recipe()
    assert (recipe.optimiser, recipe.lr, recipe.weight_decay, recipe.schedule) == ("sgd", 1e-6, 0.0, "constant")


def test_the_window_may_be_wider_than_the_patch() -> None:
    assert STNET.patch is not None
    geometry = STNET.patch(StNetOptions(window_px=448))
    assert (geometry.patch_px, geometry.field_px, geometry.mpp) == (224, 448, None)


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="window_px must be at least 1, got 0"):
        StNetOptions(window_px=0)


def test_a_frozen_encoder_is_refused(fold: ToyFold) -> None:
    with pytest.raises(ConfigError, match="stnet trains its encoder; use mode 'full'"):
        StNet(StNetOptions()).fit(fold.train, None, FitContext(seed=0, mode="frozen"))


# pixels


class _Normalising(nn.Module):
    """An encoder that tells its statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.1]).view(3, 1, 1))

    def forward(self, patches: Tensor) -> Tensor:
        return (patches.permute(0, 3, 1, 2) / 255 - self.mean) / self.std


def test_an_encoder_sees_pixels_normalised_by_the_training_patches() -> None:
    patches = np.random.default_rng(0).integers(0, 200, (70, 4, 4, 3), dtype=np.uint8)
    pixels, encoder = PixelStatistics(), _Normalising()
    pixels.measure(patches)
    seen = encoder(pixels(torch.from_numpy(patches), encoder))
    np.testing.assert_allclose(seen.mean(dim=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(seen.std(dim=(0, 2, 3), correction=0), 1, rtol=1e-4)


def test_an_encoder_that_tells_no_statistics_keeps_its_own() -> None:
    patches = torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8)
    assert PixelStatistics()(patches, nn.Identity()) is patches


def test_patches_of_one_colour_can_be_normalised() -> None:
    pixels = PixelStatistics()
    pixels.measure(np.full((2, 4, 4, 3), 7, dtype=np.uint8))
    assert torch.isfinite(pixels(torch.full((1, 4, 4, 3), 7, dtype=torch.uint8), _Normalising())).all()
