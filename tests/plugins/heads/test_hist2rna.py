"""hist2RNA: learned from the means of bags, asked of spots."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from histobench import ConfigError, DataError, FitContext, LabelledSamples
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench.training import mean_pearson
from histobench_heads.frames.neighbourhoods import contiguous_parts
from histobench_heads.hist2rna.method import Hist2Rna, bag_means
from histobench_heads.hist2rna.options import Hist2RnaOptions

SHORT = Hist2RnaOptions(epochs=2, bag_spots=6)


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold("gene_expression")


def _fitted(fold: ToyFold, options: Hist2RnaOptions, val: LabelledSamples | None = None) -> Hist2Rna:
    method = Hist2Rna(options)
    method.fit(fold.train, val, FitContext(seed=1))
    return method


def test_spots_of_another_patient_are_predicted_from_bags_alone(fold: ToyFold) -> None:
    options = Hist2RnaOptions(epochs=30, lr=1e-3, bag_spots=4, standardise=True, start_at_mean=True)
    values = _fitted(fold, options).predict(unlabelled(fold.test)).values
    observed = fold.test.targets.values
    assert mean_pearson(torch.from_numpy(values), torch.from_numpy(observed)) > 0.3
    assert np.square(values - observed).mean() < np.square(fold.train.targets.values.mean(axis=0) - observed).mean()


def test_a_bag_is_the_mean_of_its_spots() -> None:
    values = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0]])
    assert bag_means(values, [np.array([0, 2]), np.array([1])]).tolist() == [[3.0, 30.0], [3.0, 30.0]]


def test_no_spots_own_value_is_learned_from(fold: ToyFold) -> None:
    """Values that trade places within a bag leave its mean, and so everything that is learned."""
    whole = replace(SHORT, bag_spots=60)  # each toy slide is one bag
    order = np.concatenate([rows[::-1] for _, rows in fold.train.by_slide()])
    moved = replace(fold.train.targets, values=fold.train.targets.values[order])
    plain = _fitted(fold, whole).predict(fold.test).values
    other = _fitted(replace(fold, train=replace(fold.train, targets=moved)), whole).predict(fold.test).values
    np.testing.assert_allclose(other, plain, rtol=1e-4, atol=1e-5)
    single = replace(SHORT, bag_spots=1)
    apart = _fitted(replace(fold, train=replace(fold.train, targets=moved)), single).predict(fold.test).values
    assert not np.allclose(apart, _fitted(fold, single).predict(fold.test).values, rtol=1e-4, atol=1e-5)


def test_asked_of_bags_all_spots_of_one_are_predicted_alike(fold: ToyFold) -> None:
    method = _fitted(fold, replace(SHORT, predict="bag"))
    values = method.predict(fold.test).values
    bags = contiguous_parts(fold.test, SHORT.bag_spots)
    assert len(np.unique(values[:, 0])) == len(bags) == 10
    assert all(np.ptp(values[bag], axis=0).max() == 0 for bag in bags)


def test_training_stops_when_validation_bags_get_no_better(fold: ToyFold) -> None:
    epochs: list[int] = []
    method = Hist2Rna(replace(SHORT, epochs=40, lr=0.1, patience=2))
    method.fit(fold.train, fold.val, FitContext(seed=1, report=lambda epoch, _: epochs.append(epoch)))
    assert 3 <= len(epochs) < 40


def test_the_start_is_the_training_mean(fold: ToyFold) -> None:
    method = Hist2Rna(replace(SHORT, start_at_mean=True, epochs=1, lr=1e-9))
    method.fit(fold.train, None, FitContext(seed=1))
    assert method._module is not None
    found = method._module.output[0].bias.detach().numpy()
    np.testing.assert_allclose(found, fold.train.targets.values.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("standardise", [False, True])
def test_a_saved_head_predicts_the_same(fold: ToyFold, tmp_path: Path, standardise: bool) -> None:
    options = replace(SHORT, standardise=standardise)
    method, loaded = _fitted(fold, options), Hist2Rna(options)
    method.save(tmp_path)
    loaded.load(tmp_path, FitContext(seed=9))
    np.testing.assert_array_equal(loaded.predict(fold.test).values, method.predict(fold.test).values)


def test_use_before_fit_is_refused(fold: ToyFold) -> None:
    with pytest.raises(ConfigError, match="this method has learned nothing yet; fit or load it first"):
        Hist2Rna(SHORT).predict(fold.test)


def test_samples_without_embeddings_are_refused(fold: ToyFold) -> None:
    with pytest.raises(DataError, match="hist2rna needs embeddings, and these samples have none"):
        Hist2Rna(SHORT).fit(replace(fold.train, embeddings=None), None, FitContext(seed=0))


@pytest.mark.parametrize("name", ["epochs", "batch", "patience", "bag_spots"])
def test_options_below_one_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        Hist2RnaOptions(**{name: 0})


def test_a_learning_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="lr must be positive, got 0"):
        Hist2RnaOptions(lr=0.0)
