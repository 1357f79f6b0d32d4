"""The controls of generation hand out training patches: any, or the nearest prompt's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histobench import ConfigError, DataError, FitContext, LabelledSamples, Samples
from histobench.testing import toy_fold, unlabelled
from histobench_heads.generation.method import NearestPrompt, RandomPatch
from histobench_heads.generation.options import LookUpOptions, NearestPromptOptions

CONTEXT = FitContext(seed=3)


@pytest.fixture(scope="module")
def train() -> LabelledSamples:
    return toy_fold("generate", patch_px=8).train


@pytest.fixture(scope="module")
def test() -> Samples:
    return replace(unlabelled(toy_fold("generate", patch_px=8).test), patches=None, embeddings=None)


def fitted(method: RandomPatch | NearestPrompt, train: LabelledSamples) -> RandomPatch | NearestPrompt:
    method.fit(train, None, CONTEXT)
    return method


def test_a_random_patch_is_a_training_patch_and_they_differ(train: LabelledSamples, test: Samples) -> None:
    images = fitted(RandomPatch(LookUpOptions()), train).predict(test).images
    known = {patch.tobytes() for patch in train.patches[np.arange(len(train))]}
    handed = {image.tobytes() for image in images}
    assert handed <= known
    assert len(handed) > len(images) / 2


def test_a_known_prompt_gets_its_own_patch(train: LabelledSamples) -> None:
    method = fitted(NearestPrompt(NearestPromptOptions()), train)
    images = method.predict(replace(unlabelled(train), patches=None)).images
    np.testing.assert_array_equal(images, train.patches[np.arange(len(train))])


def test_the_nearest_prompt_has_its_colour_and_a_random_patch_has_not(train: LabelledSamples, test: Samples) -> None:
    real = toy_fold("generate", patch_px=8).test.patches[np.arange(len(test))].mean(axis=(1, 2, 3))
    found = {}
    for method in (NearestPrompt(NearestPromptOptions(components=3)), RandomPatch(LookUpOptions())):
        drawn = fitted(method, train).predict(test).images.mean(axis=(1, 2, 3))
        found[type(method)] = np.corrcoef(real, drawn)[0, 1]
    assert found[NearestPrompt] > 0.4
    assert abs(found[RandomPatch]) < 0.35


def test_no_more_patches_are_kept_than_asked_for(train: LabelledSamples, test: Samples, tmp_path: Path) -> None:
    method = fitted(NearestPrompt(NearestPromptOptions(most=5)), train)
    method.save(tmp_path)
    loaded = NearestPrompt(NearestPromptOptions(most=5))
    loaded.load(tmp_path, CONTEXT)
    images = loaded.predict(test).images
    assert len({image.tobytes() for image in images}) <= 5
    np.testing.assert_array_equal(images, method.predict(test).images)


def test_what_is_missing_is_told(train: LabelledSamples, test: Samples) -> None:
    with pytest.raises(DataError, match="a control that returns training patches needs patches"):
        fitted(RandomPatch(LookUpOptions()), replace(train, patches=None))
    with pytest.raises(DataError, match="nearest-prompt needs raw counts"):
        fitted(NearestPrompt(NearestPromptOptions()), replace(train, counts=None))
    with pytest.raises(ConfigError, match="learned nothing yet; fit or load it first"):
        RandomPatch(LookUpOptions()).predict(test)
    with pytest.raises(ConfigError, match="most must be at least 1, got 0"):
        LookUpOptions(most=0)
    with pytest.raises(ConfigError, match="components must be at least 1, got 0"):
        NearestPromptOptions(components=0)
