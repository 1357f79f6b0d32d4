"""Scores of some targets or some spots at a time."""

import numpy as np
import pytest

from histobench import ScoreContext, TrainingFacts
from histobench_metrics.regression.pearson import pearson
from histobench_metrics.regression.r2 import nrmse
from histobench_metrics.strata.by_level import nrmse_by_level, pearson_by_level, pearson_by_rarity
from histobench_metrics.strata.within_regions import pearson_within_regions

RNG = np.random.default_rng(0)
PREDICTED, OBSERVED = RNG.random((2, 30, 6))


def _context(*, mean=(5, 0, 9, 1, 8, 4), prevalence=(0.1, 0.2, 0.3, 0.7, 0.8, 0.9), regions=None, slides=None):
    facts = TrainingFacts(mean=np.array(mean, float), deviation=np.ones(6), prevalence=np.array(prevalence, float))
    return ScoreContext(
        names=tuple("abcdef"),
        slide_ids=np.full(30, "A1") if slides is None else slides,
        xy_um=np.zeros((30, 2)),
        training=facts,
        regions=regions,
    )


def test_levels_are_thirds_by_training_mean():
    by_target = pearson(PREDICTED, OBSERVED)
    expected = [by_target[[1, 3]].mean(), by_target[[0, 5]].mean(), by_target[[2, 4]].mean()]
    np.testing.assert_allclose(pearson_by_level(PREDICTED, OBSERVED, context=_context()), expected)


def test_rarity_is_the_share_of_training_spots():
    by_target = pearson(PREDICTED, OBSERVED).reshape(3, 2).mean(axis=1)
    np.testing.assert_allclose(pearson_by_rarity(PREDICTED, OBSERVED, context=_context()), by_target)


def test_targets_with_one_mean_stay_together():
    scores = nrmse_by_level(PREDICTED, OBSERVED, context=_context(mean=[2] * 6))
    assert scores[0] == pytest.approx(nrmse(PREDICTED, OBSERVED).mean())
    assert np.isnan(scores[1:]).all()


def test_undefined_targets_do_not_count_in_their_third():
    flat = PREDICTED.copy()
    flat[:, 1] = 0.0
    assert pearson_by_level(flat, OBSERVED, context=_context())[0] == pytest.approx(pearson(PREDICTED, OBSERVED)[3])


def test_telling_regions_apart_is_no_merit_within_them():
    regions = np.repeat(["tumour", "stroma"], 15)
    level = np.where(regions == "tumour", 10.0, 0.0)[:, None]
    between, within = PREDICTED + level, OBSERVED + level
    assert pearson(between, within).min() > 0.9
    scores = pearson_within_regions(between, within, context=_context(regions=regions))
    expected = (pearson(PREDICTED[:15], OBSERVED[:15]) + pearson(PREDICTED[15:], OBSERVED[15:])) / 2
    np.testing.assert_allclose(scores, expected, atol=1e-9)


def test_a_region_is_one_slides_and_few_or_unnamed_spots_do_not_count():
    slides = np.repeat(["A1", "B1"], 15)
    regions = np.array(["tumour"] * 15 + ["tumour"] * 4 + [""] * 11)
    scores = pearson_within_regions(PREDICTED, OBSERVED, context=_context(regions=regions, slides=slides))
    np.testing.assert_allclose(scores, pearson(PREDICTED[:15], OBSERVED[:15]))
