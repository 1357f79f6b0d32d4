"""Ridge regression: scikit-learn's numbers, and a penalty that test slides cannot have chosen."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histobench import ConfigError, DataError, FitContext, Float, LabelledSamples, Targets
from histobench.testing import toy_fold, unlabelled
from histobench_heads.frames.ridge.method import Ridge
from histobench_heads.frames.ridge.options import RidgeOptions
from histobench_heads.frames.ridge.selection import Choice, choose_penalty, groups_of
from histobench_heads.frames.ridge.solver import Design, Spectrum

CONTEXT = FitContext(seed=0)


def _samples(
    embeddings: Float, targets: Float, *, slides: int = 4, patients: list[str] | None = None
) -> LabelledSamples:
    n = len(embeddings)
    draw = np.random.default_rng(5)
    return LabelledSamples(
        slide_ids=np.array([f"slide {i * slides // n}" for i in range(n)]),
        spot_ids=np.array([str(i) for i in range(n)]),
        xy_um=draw.uniform(0, [300, 100], (n, 2)).astype(np.float32),
        array=np.zeros((n, 2), dtype=np.int64),
        embeddings=embeddings.astype(np.float32),
        targets=Targets(
            kind="cell_abundance",
            names=tuple(f"type {t}" for t in range(targets.shape[1])),
            values=targets.astype(np.float32),
        ),
        patients=None if patients is None else np.array(patients),
    )


def _linear(n: int, d: int, *, noise: float, seed: int = 0) -> tuple[Float, Float]:
    draw = np.random.default_rng(seed)
    embeddings = draw.normal(size=(n, d)) * draw.uniform(0.1, 30, d) + draw.normal(size=d)
    weights = np.random.default_rng(77).normal(size=(d, 3))
    targets = (embeddings - embeddings.mean(axis=0)) / embeddings.std(axis=0) @ weights
    return embeddings, targets + noise * draw.normal(size=targets.shape) + 5


def _at(penalty: float) -> Ridge:
    return Ridge(RidgeOptions(lowest=penalty, highest=penalty, steps=1))


# the solution


@pytest.mark.parametrize(("n", "d"), [(80, 12), (20, 50)], ids=["tall", "wide"])
@pytest.mark.parametrize("exponent", [-3.0, 0.0, 2.0])
def test_ridge_is_scikit_learns(n: int, d: int, exponent: float) -> None:
    embeddings, targets = _linear(n, d, noise=1.0)
    train = _samples(embeddings, targets)
    method = _at(exponent)
    method.fit(train, None, CONTEXT)
    reference = make_pipeline(StandardScaler(), SklearnRidge(alpha=10**exponent * n))
    reference.fit(train.embeddings, train.targets.values)
    np.testing.assert_allclose(method.predict(train).values, reference.predict(train.embeddings), rtol=2e-4, atol=2e-4)


def test_a_constant_column_is_harmless() -> None:
    embeddings, targets = _linear(40, 5, noise=0.1)
    constant = np.concatenate([embeddings, np.full((40, 1), 0.1)], axis=1)
    with_it, without = _at(-2.0), _at(-2.0)
    with_it.fit(_samples(constant, targets), None, CONTEXT)
    without.fit(_samples(embeddings, targets), None, CONTEXT)
    shifted = constant + np.array([0, 0, 0, 0, 0, 0.2])
    expected = without.predict(_samples(embeddings, targets)).values
    np.testing.assert_allclose(with_it.predict(_samples(shifted, targets)).values, expected, rtol=1e-4)


def test_collinear_columns_share_the_weight() -> None:
    embeddings, targets = _linear(30, 1, noise=0.1)
    design = Design.of(np.repeat(embeddings, 2, axis=1))
    weights = Spectrum.of(design(np.repeat(embeddings, 2, axis=1)), targets - targets.mean(axis=0)).weights(1.0)
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-6)


# the penalty


def test_little_noise_takes_a_small_penalty_and_much_noise_a_large_one() -> None:
    chosen = []
    for noise in (0.01, 100.0):
        method = Ridge(RidgeOptions())
        method.fit(_samples(*_linear(80, 10, noise=noise)), None, CONTEXT)
        chosen.append(method.penalty)
    assert chosen[0] < 1e-2 < 1 < chosen[1]


def test_the_chosen_penalty_has_the_least_held_out_error() -> None:
    """Against scikit-learn, slide by slide."""
    train = _samples(*_linear(60, 20, noise=6.0))
    penalties = np.logspace(-3, 3, 13)
    groups = groups_of(train, blocks=5)
    observed = train.targets.values.astype(np.float64)
    errors = np.zeros((13, 3))
    for group in range(4):
        learn, hold = groups != group, groups == group
        for p, penalty in enumerate(penalties):
            model = make_pipeline(StandardScaler(), SklearnRidge(alpha=penalty * learn.sum()))
            model.fit(train.embeddings[learn], observed[learn])
            errors[p] += ((model.predict(train.embeddings[hold]) - observed[hold]) ** 2).sum(axis=0)
    relative = (errors / ((observed - observed.mean(axis=0)) ** 2).sum(axis=0)).mean(axis=1)
    choice = choose_penalty(train.embeddings, observed, groups=groups, penalties=penalties, folds=5)
    np.testing.assert_allclose(choice.errors, relative, rtol=1e-4)
    assert choice.penalty == penalties[relative.argmin()]


def test_the_penalty_is_chosen_without_validation_and_test() -> None:
    """Nothing but the training samples can move it: the same fit beside other validation slides is the same."""
    fold = toy_fold()
    alone, beside = Ridge(RidgeOptions()), Ridge(RidgeOptions())
    alone.fit(fold.train, None, CONTEXT)
    beside.fit(fold.train, fold.val, CONTEXT)
    assert alone.penalty == beside.penalty
    test = unlabelled(fold.test)
    np.testing.assert_array_equal(alone.predict(test).values, beside.predict(test).values)


def test_held_out_spots_do_not_shape_the_columns_that_they_are_judged_by() -> None:
    """Standardised over all spots, a slide of another scale would hide itself; it must be seen to be far off."""
    embeddings, targets = _linear(40, 4, noise=1.0)
    groups = np.repeat([0, 1], 20)
    wild = np.where(groups[:, None] == 1, 1e6 * embeddings, embeddings)
    tame_one, wild_one = (
        choose_penalty(seen, targets, groups=groups, penalties=np.ones(1), folds=2) for seen in (embeddings, wild)
    )
    assert wild_one.errors[0] > 1e6 * tame_one.errors[0]


# groups


def test_spots_are_grouped_by_patient() -> None:
    patients = ["p", "p", "q", "q", "p", "p"]
    train = _samples(np.ones((6, 2)), np.ones((6, 1)), slides=6, patients=patients)
    assert list(groups_of(train, blocks=5)) == [0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("patients", [None, ["p"] * 6], ids=["unknown", "one"])
def test_spots_of_one_patient_are_grouped_by_slide(patients: list[str] | None) -> None:
    train = _samples(np.ones((6, 2)), np.ones((6, 1)), slides=3, patients=patients)
    assert list(groups_of(train, blocks=5)) == [0, 0, 1, 1, 2, 2]


def test_spots_of_one_slide_are_grouped_in_stripes() -> None:
    train = _samples(np.ones((50, 2)), np.ones((50, 1)), slides=1)
    groups = groups_of(train, blocks=5)
    along = train.xy_um[:, 0]  # the longer side
    assert list(np.bincount(groups)) == [10] * 5
    assert all(along[groups == g].max() <= along[groups == g + 1].min() for g in range(4))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_spots_can_be_fitted(n: int) -> None:
    draw = np.random.default_rng(0)
    train = _samples(draw.normal(size=(n, 4)), draw.normal(size=(n, 2)), slides=1)
    method = Ridge(RidgeOptions())
    method.fit(train, None, CONTEXT)
    assert np.isfinite(method.predict(train).values).all()


def test_a_single_spot_predicts_itself() -> None:
    train = _samples(np.ones((1, 4)), np.full((1, 2), 3.0), slides=1)
    method = Ridge(RidgeOptions())
    method.fit(train, None, CONTEXT)
    assert (method.penalty, method.predict(train).values.tolist()) == (1e4, [[3.0, 3.0]])


def test_constant_targets_are_predicted_as_they_are() -> None:
    embeddings, _ = _linear(20, 3, noise=1.0)
    train = _samples(embeddings, np.full((20, 2), 7.0))
    method = Ridge(RidgeOptions())
    method.fit(train, None, CONTEXT)
    np.testing.assert_allclose(method.predict(train).values, 7.0)


# the interval


def test_residuals_are_those_of_fits_that_have_not_seen_the_spot() -> None:
    train = _samples(*_linear(60, 8, noise=2.0))
    groups = groups_of(train, blocks=5)
    observed = train.targets.values.astype(np.float64)
    choice = choose_penalty(train.embeddings, observed, groups=groups, penalties=np.array([0.01]), folds=5)
    expected = []
    for group in range(4):
        learn, hold = groups != group, groups == group
        model = make_pipeline(StandardScaler(), SklearnRidge(alpha=0.01 * learn.sum()))
        model.fit(train.embeddings[learn], observed[learn])
        expected.append(model.predict(train.embeddings[hold]) - observed[hold])
    found, known = (np.sort(np.abs(part), axis=0) for part in (choice.residuals, np.concatenate(expected)))
    np.testing.assert_allclose(found, known, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("m", "expected"), [(99, 90.0), (9, 9.0), (8, None)])
def test_the_margin_is_the_conformal_quantile(m: int, expected: float | None) -> None:
    residuals = np.arange(1.0, m + 1)[::-1, None] * [1, -1]
    margin = Choice(penalty=1.0, errors=np.ones(1), residuals=residuals).margin(0.9)
    assert (None if margin is None else margin.tolist()) == (None if expected is None else [expected] * 2)


def test_nine_in_ten_observations_of_unseen_spots_lie_within() -> None:
    """Spots that are drawn alike, which is what the interval assumes: 88 to 92 % of 6,000 observations."""
    method = Ridge(RidgeOptions())
    every = _samples(*_linear(3000, 10, noise=3.0))
    method.fit(every.take(np.arange(1000)), None, CONTEXT)
    test = every.take(np.arange(1000, 3000))
    prediction = method.predict(test)
    low, high = prediction.parameters["low"], prediction.parameters["high"]
    inside = (low <= test.targets.values) & (test.targets.values <= high)
    assert 0.88 < inside.mean() < 0.92


def test_noisy_targets_have_wide_intervals() -> None:
    embeddings, targets = _linear(200, 5, noise=1.0)
    targets[:, 0] += np.random.default_rng(3).normal(size=200) * 50
    method = Ridge(RidgeOptions())
    method.fit(_samples(embeddings, targets), None, CONTEXT)
    prediction = method.predict(_samples(embeddings, targets))
    width = (prediction.parameters["high"] - prediction.parameters["low"])[0]
    assert width[0] > 10 * width[1:].max()


def test_labels_have_no_interval() -> None:
    fold = toy_fold("label")
    method = Ridge(RidgeOptions())
    method.fit(fold.train, None, CONTEXT)
    assert not method.predict(unlabelled(fold.test)).parameters


def test_the_interval_is_saved(tmp_path: Path) -> None:
    fold = toy_fold()
    method, loaded = Ridge(RidgeOptions()), Ridge(RidgeOptions())
    method.fit(fold.train, None, CONTEXT)
    method.save(tmp_path)
    loaded.load(tmp_path, CONTEXT)
    one, other = (each.predict(unlabelled(fold.test)).parameters for each in (method, loaded))
    assert set(one) == {"low", "high"}
    assert all(np.array_equal(one[end], other[end]) for end in one)


# the method


def test_ridge_learns() -> None:
    fold = toy_fold()
    method = Ridge(RidgeOptions())
    method.fit(fold.train, fold.val, CONTEXT)
    predicted, observed = method.predict(unlabelled(fold.test)).values, fold.test.targets.values
    assert min(np.corrcoef(predicted[:, t], observed[:, t])[0, 1] for t in range(observed.shape[1])) > 0.6


def test_ridge_reports_its_penalty() -> None:
    seen: dict[int, Mapping[str, float]] = {}
    method = Ridge(RidgeOptions())
    method.fit(_samples(*_linear(40, 4, noise=1.0)), None, FitContext(seed=0, report=seen.__setitem__))
    assert seen[0]["penalty"] == method.penalty
    assert 0 < seen[0]["held_out_error"] < 1


def test_ridge_refuses_samples_without_embeddings() -> None:
    blind = replace(_samples(np.ones((4, 2)), np.ones((4, 1))), embeddings=None)
    with pytest.raises(DataError, match="ridge needs embeddings, and these samples have none"):
        Ridge(RidgeOptions()).fit(blind, None, CONTEXT)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lowest": 2.0, "highest": 1.0}])
def test_an_empty_grid_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="the penalty grid must rise in at least 1 step, got"):
        RidgeOptions(**wrong)  # type: ignore[arg-type]


def test_one_fold_is_refused() -> None:
    with pytest.raises(ConfigError, match="folds must be at least 2, got 1"):
        RidgeOptions(folds=1)
