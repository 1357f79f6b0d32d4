"""The judge of generated patches: it reads expression off patches, is not fooled by copies, and judges at one size."""

from dataclasses import replace

import numpy as np
import pytest

from histobench.data import Generated, LabelledSamples, Targets
from histobench.errors import DataError, ShapeError
from histobench.study.judge import JUDGED, Judge, open_judge
from histobench.testing import ToyEncoder, toy_fold


def judge_of(train: LabelledSamples) -> Judge:
    return open_judge(ToyEncoder(patch_px=64), train, device="cpu")


@pytest.fixture(scope="module")
def train() -> LabelledSamples:
    return toy_fold("generate", patch_px=JUDGED.patch_px).train


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    columns = (np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, other.T, strict=True) if np.ptp(a) and np.ptp(b))
    return float(np.mean(list(columns)))


def test_expression_is_read_off_real_patches_of_another_patient(train: LabelledSamples) -> None:
    test = toy_fold("generate", patch_px=64).test
    read, features = judge_of(train).judge(Generated(images=test.patches), test.patches, test.targets)
    assert correlation(read.values, test.targets.values) > 0.2
    assert np.array_equal(read.values, features.read_real)


def test_a_copied_training_patch_is_read_by_one_that_does_not_know_it(train: LabelledSamples) -> None:
    noise = np.random.default_rng(0).normal(size=train.targets.values.shape).astype(np.float32)
    learned = replace(train, targets=replace(train.targets, values=noise))
    read, features = judge_of(learned).judge(Generated(images=train.patches), train.patches, learned.targets)
    assert abs(correlation(read.values, noise)) < 0.1
    assert features.nearest_generated.max() < 1e-6


def test_patches_of_any_size_are_judged_at_one(train: LabelledSamples) -> None:
    small = np.random.default_rng(0).integers(0, 255, (len(train), 16, 16, 3), dtype=np.uint8)
    _, features = judge_of(train).judge(Generated(images=small), train.patches, train.targets)
    assert features.images.shape == features.patches.shape == (len(train), 64, 64, 3)


def test_one_slide_alone_teaches_two_readers(train: LabelledSamples) -> None:
    rows = np.flatnonzero(train.slide_ids == train.slide_ids[0])
    judge = judge_of(train.take(rows))
    assert len(judge.readers) == 2
    assert np.bincount(judge.parts).min() >= len(rows) // 3


@pytest.mark.parametrize("alone", [1, 2])
def test_a_patient_with_hardly_a_spot_leaves_readers_enough(train: LabelledSamples, alone: int) -> None:
    rows = np.flatnonzero(train.slide_ids == train.slide_ids[0])
    slides = np.where(np.arange(len(rows)) < alone, "small", "large")
    judge = judge_of(replace(train.take(rows), slide_ids=slides, patients=slides))
    assert min(len(rows) - np.bincount(judge.parts)) >= 2


@pytest.mark.parametrize("spots", [1, 3])
def test_a_judge_is_not_taught_by_hardly_a_spot(train: LabelledSamples, spots: int) -> None:
    with pytest.raises(DataError, match=f"learns from 4 training spots or more, found {spots}"):
        judge_of(train.take(np.arange(spots)))


def test_four_spots_teach_a_judge(train: LabelledSamples) -> None:
    judge = judge_of(train.take(np.arange(4)))
    assert np.bincount(judge.parts).tolist() == [2, 2]


def test_samples_without_patches_cannot_teach_a_judge(train: LabelledSamples) -> None:
    with pytest.raises(DataError, match="a judge of generated patches needs patches"):
        judge_of(replace(train, patches=None))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"\(n, h, w, 3\) uint8"),
        (np.zeros((3, 8, 8, 3), np.float32), r"\(n, h, w, 3\) uint8"),
        ([[1]], "got list"),
    ],
)
def test_anything_but_images_is_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Generated(images=images)


def test_vectors_come_in_pairs() -> None:
    images = np.zeros((3, 8, 8, 3), np.uint8)
    with pytest.raises(ShapeError, match="and the reverse"):
        Generated(images=images, image=np.zeros((3, 2), np.float32))
    with pytest.raises(ShapeError, match="must be finite"):
        Generated(images=images, image=np.full((3, 2), np.nan), expression=np.zeros((3, 2)))


def test_targets_of_a_task_made_from_counts_are_expression(train: LabelledSamples) -> None:
    assert isinstance(train.targets, Targets)
    assert train.targets.kind == "generate"
    assert train.counts is not None
