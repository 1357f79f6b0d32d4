"""What LinearProbing, MLP and CUCA have in common: they learn, select, resume, save, and refuse odd input."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from histobench import ConfigError, DataError, FitContext, LabelledSamples, Mode, Prediction, Samples, Targets
from histobench.testing import ToyEncoder, ToyFold, toy_fold, unlabelled
from histobench.training import checkpoints, mean_pearson
from histobench_heads.cuca.method import Cuca, CucaMlp
from histobench_heads.cuca.options import CucaMlpOptions, CucaOptions
from histobench_heads.foundation.method import LinearProbing, Mlp
from histobench_heads.foundation.options import FmMlpOptions, LinearOptions, MlpOptions
from histobench_heads.frames.spotwise.method import SpotMethod
from histobench_heads.frames.spotwise.options import SpotOptions

AnyMethod = SpotMethod[Any]  # Any: options of each method's own
Make = Callable[..., AnyMethod]

MAKERS: dict[str, Make] = {
    "linear-probe": lambda **options: LinearProbing(LinearOptions(**options)),
    "mlp": lambda **options: Mlp(MlpOptions(**options)),
    "fmmlp": lambda **options: Mlp(FmMlpOptions(**options)),
    "cuca": lambda **options: Cuca(CucaOptions(**options)),
    "cuca-mlp": lambda **options: CucaMlp(CucaMlpOptions(**options)),
}
CASES = [
    pytest.param("linear-probe", "frozen", id="linear-probe"),
    pytest.param("mlp", "frozen", id="mlp"),
    *(pytest.param("fmmlp", mode, id=f"fmmlp-{mode}") for mode in ("lora", "full")),
    *(pytest.param("cuca", mode, id=f"cuca-{mode}") for mode in ("lora", "full")),
    pytest.param("cuca-mlp", "frozen", id="cuca-mlp"),
]
every_mode = pytest.mark.parametrize(("name", "mode"), CASES)
every_method = pytest.mark.parametrize("name", MAKERS)


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold(beside=["gene_expression"])


def _context(mode: Mode = "frozen", seed: int = 0, **more: Any) -> FitContext:
    return FitContext(seed=seed, mode=mode, encoder=None if mode == "frozen" else ToyEncoder(), **more)


def _fitted(name: str, fold: ToyFold, context: FitContext, **options: Any) -> AnyMethod:
    method = MAKERS[name](**{"epochs": 2, "batch": 32, **options})
    method.fit(fold.train, None, context)
    return method


def _pearson(prediction: Prediction, observed: Targets) -> float:
    return mean_pearson(torch.from_numpy(prediction.values), torch.from_numpy(observed.values))


# learning


@every_mode
def test_it_learns(name: str, mode: Mode, fold: ToyFold) -> None:
    method = MAKERS[name](epochs=8, batch=16, lr=0.05 if name == "linear-probe" else 2e-3)
    method.fit(fold.train, fold.val, _context(mode))
    assert _pearson(method.predict(unlabelled(fold.test)), fold.test.targets) > 0.6


@every_mode
def test_the_same_seed_predicts_the_same_and_another_does_not(name: str, mode: Mode, fold: ToyFold) -> None:
    one, same, other = (
        _fitted(name, fold, _context(mode, seed)).predict(unlabelled(fold.test)).values for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


@every_method
def test_a_spot_is_predicted_alike_in_any_company(name: str, fold: ToyFold) -> None:
    method = _fitted(name, fold, _context())
    test = unlabelled(fold.test)
    rows = np.array([5, 3, 41])
    np.testing.assert_allclose(method.predict(test.take(rows)).values, method.predict(test).values[rows], rtol=1e-4)


@every_method
def test_more_spots_than_fit_at_once_are_predicted_in_order(name: str, fold: ToyFold) -> None:
    method = _fitted(name, fold, _context())
    test = unlabelled(fold.test)
    many = test.take(np.tile(np.arange(len(test)), 10))
    np.testing.assert_allclose(
        method.predict(many).values, np.tile(method.predict(test).values, (10, 1)), rtol=1e-4, atol=1e-6
    )


# selection


def test_the_epoch_is_selected_on_validation_spots(fold: ToyFold) -> None:
    method = MAKERS["mlp"](epochs=6, batch=32)
    method.fit(fold.train, fold.val, _context())
    assert method.fitted is not None
    scores = [numbers["val_score"] for numbers in method.fitted.history]
    assert method.fitted.best_epoch == int(np.argmax(scores))
    assert _pearson(method.predict(unlabelled(fold.val)), fold.val.targets) == pytest.approx(max(scores))


def test_without_validation_the_last_epoch_is_kept(fold: ToyFold) -> None:
    method = _fitted("mlp", fold, _context(), epochs=3)
    assert method.fitted is not None
    assert method.fitted.best_epoch == 2


@pytest.mark.parametrize(("drop", "kept"), [(True, 32), (False, 60)], ids=["published", "fixed"])
def test_the_tail_of_the_validation_spots_is_ignored_on_request(fold: ToyFold, drop: bool, kept: int) -> None:
    method = MAKERS["linear-probe"](epochs=1, batch=32, drop_last_in_validation=drop)
    method.fit(fold.train, fold.val, _context())
    assert method.fitted is not None
    seen = fold.val.take(np.arange(kept))
    score = _pearson(method.predict(unlabelled(seen)), seen.targets)
    assert method.fitted.best_score == pytest.approx(score, rel=1e-5)


def test_fewer_validation_spots_than_a_batch_are_all_used(fold: ToyFold) -> None:
    method = MAKERS["linear-probe"](epochs=1, batch=100, drop_last_in_validation=True)
    method.fit(fold.train, fold.val, _context())
    assert method.fitted is not None
    assert method.fitted.best_score == pytest.approx(
        _pearson(method.predict(unlabelled(fold.val)), fold.val.targets), rel=1e-5
    )


def test_an_incomplete_last_batch_is_dropped_in_training_alone(fold: ToyFold) -> None:
    seen: list[int] = []

    class Counting(LinearProbing):
        def losses(self, module: torch.nn.Module, batch: Any) -> Mapping[str, torch.Tensor]:
            seen.append(len(batch.targets))
            return super().losses(module, batch)

    method = Counting(LinearOptions(epochs=2, batch=50))
    method.fit(fold.train, None, _context())
    assert seen == [50, 50, 50, 50]
    assert len(method.predict(unlabelled(fold.test)).values) == 60


# resume, save, load


@every_mode
def test_a_killed_fit_ends_with_the_same_bits(
    name: str, mode: Mode, fold: ToyFold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)

    def kill(epoch: int, _numbers: Mapping[str, float]) -> None:
        if epoch == 2:
            raise KilledError

    expected = _fitted(name, fold, _context(mode), epochs=4)
    with pytest.raises(KilledError):
        _fitted(name, fold, _context(mode, resume=tmp_path, report=kill), epochs=4)
    resumed = _fitted(name, fold, _context(mode, resume=tmp_path), epochs=4)
    test = unlabelled(fold.test)
    assert np.array_equal(resumed.predict(test).values, expected.predict(test).values)


@every_mode
def test_what_is_saved_predicts_the_same_again(name: str, mode: Mode, fold: ToyFold, tmp_path: Path) -> None:
    """Under another seed too: frozen weights that are not saved are drawn from the seed of the fit."""
    method = _fitted(name, fold, _context(mode, seed=7))
    method.save(tmp_path)
    loaded = MAKERS[name](epochs=2, batch=32)
    loaded.load(tmp_path, _context(mode, seed=99))
    test = unlabelled(fold.test)
    assert loaded.predict(test).names == fold.train.targets.names
    assert np.array_equal(loaded.predict(test).values, method.predict(test).values)
    assert {path.name for path in tmp_path.iterdir()} == {"method.json", "weights.safetensors"}


def test_only_adapters_and_heads_are_saved(fold: ToyFold, tmp_path: Path) -> None:
    _fitted("fmmlp", fold, _context("lora")).save(tmp_path)
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        of_encoder = {name for name in file.keys() if name.startswith("backbone.")}  # noqa: SIM118 -- no mapping
    assert of_encoder
    assert all("lora_" in name for name in of_encoder)


def test_a_method_that_learned_nothing_says_so(fold: ToyFold, tmp_path: Path) -> None:
    method = MAKERS["mlp"]()
    with pytest.raises(ConfigError, match="this method has learned nothing yet; fit or load it first"):
        method.predict(unlabelled(fold.test))
    with pytest.raises(ConfigError, match="this method has learned nothing yet; fit or load it first"):
        method.save(tmp_path)


# refusals


@every_method
def test_a_single_training_spot_is_refused(name: str, fold: ToyFold) -> None:
    one = fold.train.take(np.arange(1))
    with pytest.raises(DataError, match="batch normalisation needs at least 2 training spots, got 1"):
        MAKERS[name](epochs=1).fit(one, None, _context())


@pytest.mark.parametrize(
    ("mode", "lacks", "what"), [("frozen", "embeddings", "embeddings"), ("full", "patches", "patches")]
)
def test_samples_without_images_are_refused(mode: Mode, lacks: str, what: str, fold: ToyFold) -> None:
    blind: LabelledSamples = replace(fold.train, **{lacks: None})
    with pytest.raises(DataError, match=f"an encoder in mode '{mode}' needs {what}, and these samples have none"):
        MAKERS["fmmlp"](epochs=1).fit(blind, None, _context(mode))


@pytest.mark.parametrize("name", ["linear-probe", "mlp", "cuca-mlp"])
def test_heads_on_embeddings_cannot_train_an_encoder(name: str, fold: ToyFold) -> None:
    with pytest.raises(ConfigError, match="this method reads embeddings only; use mode 'frozen'"):
        MAKERS[name](epochs=1).fit(fold.train, None, _context("full"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch": 1}, "batch must be at least 2, because of batch normalisation, got 1"),
        ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
        ({"lr": 0.0}, r"lr must be positive, got 0\.0"),
        ({"lr": float("nan")}, "lr must be positive, got nan"),
    ],
)
def test_numbers_that_no_training_can_use_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpotOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["hidden", "projection", "lora_rank", "lora_last_blocks", "patch_px"])
@pytest.mark.parametrize("options", [FmMlpOptions, CucaOptions])
def test_widths_without_a_unit_are_refused(name: str, options: type) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        options(**{name: 0})


@pytest.mark.parametrize("name", ["dropout", "lora_dropout"])
@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_outside_their_range_are_refused(name: str, share: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 0 and less than 1, got {share}"):
        FmMlpOptions(**{name: share})  # type: ignore[arg-type]


def test_predict_takes_samples_without_targets(fold: ToyFold) -> None:
    assert type(unlabelled(fold.test)) is Samples
