"""The controls say what they are meant to say, and nothing more."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histobench import ConfigError, DataError, FitContext, Int, Samples, Targets
from histobench.testing import ToyFold, toy_fold, unlabelled
from histobench_heads.controls.mean import Mean
from histobench_heads.controls.nearest import Nearest
from histobench_heads.controls.options import (
    NoOptions,
    PositionOptions,
    ShuffledOptions,
)
from histobench_heads.controls.oracle import Oracle
from histobench_heads.controls.position import Position, place_in_tissue
from histobench_heads.controls.shuffled import Shuffled
from histobench_heads.frames.ridge.method import Ridge
from histobench_heads.frames.ridge.options import RidgeOptions

CONTEXT = FitContext(seed=0)


@pytest.fixture(scope="module")
def fold() -> ToyFold:
    return toy_fold()


def _samples(xy_um: list[list[float]], slides: list[str]) -> Samples:
    n = len(slides)
    return Samples(
        slide_ids=np.array(slides),
        spot_ids=np.array([str(i) for i in range(n)]),
        xy_um=np.array(xy_um, dtype=np.float32),
        array=np.zeros((n, 2), dtype=np.int64),
    )


# mean


def test_the_mean_is_the_training_mean_everywhere(fold: ToyFold) -> None:
    method = Mean(NoOptions())
    method.fit(fold.train, fold.val, CONTEXT)
    values = method.predict(unlabelled(fold.test)).values
    np.testing.assert_allclose(values, np.tile(fold.train.targets.values.mean(axis=0), (len(fold.test), 1)), rtol=1e-6)


# position


def test_a_place_is_relative_to_the_tissue() -> None:
    places = place_in_tissue(_samples([[0, 10], [10, 30], [5, 20], [700, 0], [900, 4]], ["a", "a", "a", "b", "b"]))
    np.testing.assert_allclose(places, [[0, 0], [1, 1], [0.5, 0.5], [0, 0], [1, 1]])


def test_spots_in_one_row_lie_in_the_middle() -> None:
    np.testing.assert_allclose(place_in_tissue(_samples([[0, 7], [4, 7]], ["a", "a"])), [[0, 0.5], [1, 0.5]])


def test_position_learns_what_depends_on_the_place(fold: ToyFold) -> None:
    def placed(samples: Samples) -> Targets:
        return Targets(kind="cell_abundance", names=("rim",), values=place_in_tissue(samples)[:, :1].astype(np.float32))

    method = Position(PositionOptions(neighbours=8))
    method.fit(replace(fold.train, targets=placed(fold.train)), None, CONTEXT)
    predicted = method.predict(unlabelled(fold.test)).values[:, 0]
    assert np.corrcoef(predicted, placed(fold.test).values[:, 0])[0, 1] > 0.95


def test_position_looks_at_no_image(fold: ToyFold) -> None:
    method = Position(PositionOptions())
    method.fit(fold.train, None, CONTEXT)
    blind = replace(unlabelled(fold.test), embeddings=None, patches=None)
    np.testing.assert_array_equal(method.predict(blind).values, method.predict(unlabelled(fold.test)).values)


@pytest.mark.parametrize("neighbours", [1, 10_000], ids=["one", "more-than-there-are"])
def test_position_averages_its_neighbours(fold: ToyFold, neighbours: int) -> None:
    method = Position(PositionOptions(neighbours=neighbours))
    one_slide = fold.train.take(np.flatnonzero(fold.train.slide_ids == fold.train.slide_ids[0]))
    method.fit(one_slide, None, CONTEXT)
    everywhere = np.tile(one_slide.targets.values.mean(axis=0), (len(one_slide), 1))
    expected = one_slide.targets.values if neighbours == 1 else everywhere
    np.testing.assert_allclose(method.predict(one_slide).values, expected, rtol=1e-5)


def test_position_refuses_no_neighbours() -> None:
    with pytest.raises(ConfigError, match="neighbours must be at least 1, got 0"):
        PositionOptions(neighbours=0)


# oracle


def test_the_oracle_tells_the_truth_by_name(fold: ToyFold) -> None:
    assert fold.test.oracle is not None
    order: Int = np.array([2, 0, 1])
    names = tuple(fold.train.targets.names[i] for i in order)
    wanted = Targets(kind="cell_abundance", names=names, values=fold.train.targets.values[:, order])
    method = Oracle(NoOptions())
    method.fit(replace(fold.train, targets=wanted), None, CONTEXT)
    prediction = method.predict(replace(unlabelled(fold.test), oracle=fold.test.oracle))
    assert prediction.names == names
    np.testing.assert_array_equal(prediction.values, fold.test.oracle.values[:, order])


def test_the_oracle_refuses_samples_without_truth(fold: ToyFold) -> None:
    method = Oracle(NoOptions())
    method.fit(fold.train, None, CONTEXT)
    with pytest.raises(DataError, match="the oracle needs samples with the truth"):
        method.predict(replace(unlabelled(fold.test), oracle=None))


def test_the_oracle_names_what_the_truth_leaves_out(fold: ToyFold) -> None:
    method = Oracle(NoOptions())
    method.fit(fold.train, None, CONTEXT)
    truth = Targets(kind="cell_abundance", names=("tumour",), values=np.zeros((len(fold.test), 1), dtype=np.float32))
    with pytest.raises(DataError, match=r"does not cover 4 targets, e\.g\. 'fibroblast'"):
        method.predict(replace(unlabelled(fold.test), oracle=truth))


# saving


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_folder_is_named(tmp_path: Path, fold: ToyFold, damage: str) -> None:
    method = Mean(NoOptions())
    method.fit(fold.train, None, CONTEXT)
    if damage == "truncated":
        method.save(tmp_path)
        file = tmp_path / "method.npz"
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(DataError, match=r"method\.npz does not contain a saved method"):
        Mean(NoOptions()).load(tmp_path, CONTEXT)


@pytest.mark.parametrize("text", [None, "{half"], ids=["missing", "truncated"])
def test_damaged_facts_are_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "method.json").write_text(text)
    with pytest.raises(DataError, match=r"method\.json does not contain a saved method"):
        Oracle(NoOptions()).load(tmp_path, CONTEXT)


# nearest


def test_the_nearest_training_patch_gives_its_targets(fold: ToyFold) -> None:
    method = Nearest(NoOptions())
    method.fit(fold.train, None, CONTEXT)
    np.testing.assert_array_equal(method.predict(fold.train).values, fold.train.targets.values)
    assert fold.train.embeddings is not None
    assert fold.test.embeddings is not None
    known, asked = fold.train.embeddings, fold.test.embeddings[:1]
    distance = (((asked - known) / known.std(axis=0)) ** 2).sum(axis=1)
    expected = fold.train.targets.values[distance.argmin()]
    np.testing.assert_array_equal(method.predict(fold.test.take(np.array([0]))).values[0], expected)


def test_the_nearest_patch_needs_embeddings(fold: ToyFold) -> None:
    with pytest.raises(DataError, match="nearest-patch needs embeddings, and these samples have none"):
        Nearest(NoOptions()).fit(replace(fold.train, embeddings=None), None, CONTEXT)


# shuffled


def test_shuffled_targets_teach_nothing(fold: ToyFold) -> None:
    observed = fold.test.targets.values
    scores = []
    for seed in range(200):
        method = Shuffled(ShuffledOptions())
        method.fit(fold.train, None, FitContext(seed=seed))
        predicted = method.predict(unlabelled(fold.test)).values
        scores.append(np.corrcoef(predicted[:, 0], observed[:, 0])[0, 1])
    assert abs(np.mean(scores)) < 3 * np.std(scores) / np.sqrt(len(scores))
    taught = Ridge(RidgeOptions())
    taught.fit(fold.train, None, CONTEXT)
    told = np.corrcoef(taught.predict(unlabelled(fold.test)).values[:, 0], observed[:, 0])[0, 1]
    assert told > np.quantile(np.abs(scores), 0.95)


def test_a_penalty_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"penalty must be positive, got 0\.0"):
        ShuffledOptions(penalty=0.0)
