"""Do intervals cover, and are tests at their level: a thousand simulated studies each.

A study has patients, each with slides, each with spots: a score is a patient's effect, a slide's effect and a spot's
noise on top of the truth, which is zero.
"""

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from histobench.results.statistics import mean_intervals
from histobench.results.statistics.paired import holm, paired_tests, smallest_p
from histobench.results.statistics.ranking import rank_intervals
from histobench.results.statistics.resampling import draw_shares

STUDIES = 1_000
ROUNDS = 1_000
SPOTS = 30
PATIENTS = [5, 10, 23]
LAWS = ["normal", "skewed"]
DESIGNS = {"slides alike": (1.0, 0.5), "slides unlike": (0.7, 1.0)}
"""Standard deviations of patients and of slides."""


def _patients(rng, shape, law):
    """Effects of unit variance around zero; the skewed ones as scores near their bound are."""
    if law == "normal":
        return rng.normal(size=shape)
    return (6 / 9 - rng.beta(6, 3, size=shape)) / np.sqrt(6 * 3 / (9**2 * 10))


def _studies(n_patients, *, law="normal", design="slides alike", n_slides=3, n_studies=STUDIES):
    """(studies, patients, slides) means over spots."""
    rng = np.random.default_rng(n_patients)
    between, within = DESIGNS[design]
    effects = between * _patients(rng, (n_studies, n_patients, 1), law)
    slides = within * rng.normal(size=(n_studies, n_patients, n_slides))
    return effects + slides + rng.normal(size=slides.shape) / np.sqrt(SPOTS)


def _covered(low, high, truth=0.0):
    return float(np.mean((np.asarray(low) <= truth) & (truth <= np.asarray(high))))


def _by_patient(studies):
    intervals = mean_intervals(studies.mean(axis=2))
    return _covered([i.low for i in intervals], [i.high for i in intervals])


def _percentiles(values, *, tail=0.025):
    """The usual percentile bootstrap of (studies, m) units."""
    means = values @ draw_shares(values.shape[1], ROUNDS)
    return _covered(*np.percentile(means, (100 * tail, 100 - 100 * tail), axis=1))


def _expanded_tail(m):
    return float(norm.sf(student.ppf(0.975, m - 1) * np.sqrt(m / (m - 1))))


def _two_levels(studies, *, tail):
    """Patients are drawn, then slides within each drawn one; percentiles of the means."""
    rng = np.random.default_rng(0)
    m, k = studies.shape[1:]
    patients = rng.integers(m, size=(ROUNDS, m))
    weights = np.zeros((ROUNDS, m, k))
    for _ in range(k):
        drawn = rng.integers(k, size=(ROUNDS, m))
        np.add.at(weights, (np.arange(ROUNDS)[:, None], patients, drawn), 1 / (m * k))
    means = studies.reshape(len(studies), -1) @ weights.reshape(ROUNDS, -1).T
    return _covered(*np.percentile(means, (100 * tail, 100 - 100 * tail), axis=1))


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n_patients", PATIENTS)
def test_intervals_over_patients_cover(n_patients, law, design):
    assert 0.92 <= _by_patient(_studies(n_patients, law=law, design=design)) <= 0.98


@pytest.mark.parametrize("n_patients", PATIENTS)
def test_intervals_cover_with_one_slide_a_patient(n_patients):
    assert 0.92 <= _by_patient(_studies(n_patients, n_slides=1)) <= 0.98


def test_intervals_cover_where_patients_differ_in_slides():
    studies = _studies(10, design="slides unlike", n_slides=4)
    one_slide_only = np.arange(10) % 2 == 0
    means = np.where(one_slide_only, studies[:, :, 0], studies.mean(axis=2))
    assert 0.92 <= _by_patient(means[:, :, None]) <= 0.98


@pytest.mark.parametrize("n_patients", PATIENTS)
def test_drawing_spots_does_not_cover(n_patients):
    rng = np.random.default_rng(0)
    studies = _studies(n_patients, n_studies=200)
    spots = studies[..., None] + rng.normal(size=(*studies.shape, SPOTS))
    spots += (studies - spots.mean(axis=3))[..., None]  # the slides' means already hold their spots' noise
    assert _percentiles(spots.reshape(len(studies), -1)) < 0.4


@pytest.mark.parametrize("n_patients", PATIENTS)
def test_drawing_slides_does_not_cover(n_patients):
    studies = _studies(n_patients)
    assert _percentiles(studies.reshape(len(studies), -1)) < 0.9


def test_percentiles_of_five_patients_do_not_cover():
    studies = _studies(5)
    assert _percentiles(studies.mean(axis=2)) < 0.9
    assert _percentiles(studies.mean(axis=2), tail=_expanded_tail(5)) < _by_patient(studies)


def test_drawing_slides_within_patients_counts_their_variation_twice():
    studies = _studies(23, design="slides unlike")
    assert _two_levels(studies, tail=_expanded_tail(23)) > 0.97
    assert _by_patient(studies) < 0.97
    assert _two_levels(_studies(5, n_slides=1), tail=0.025) < 0.9


@pytest.mark.parametrize("truth", [[0.9, 0.6, 0.3, 0.0], [0.02, 0.0]], ids=["apart", "close"])
@pytest.mark.parametrize("n_patients", [3, *PATIENTS])
def test_rank_intervals_hold_the_true_ranks(n_patients, truth):
    rng = np.random.default_rng(n_patients)
    rank, held = np.arange(1, len(truth) + 1), []
    for _ in range(300):
        scores = np.array(truth)[:, None] + rng.normal(size=n_patients) + rng.normal(size=(len(truth), n_patients)) / 2
        best, worst = rank_intervals(scores).T
        held.append((best <= rank) & (rank <= worst))
    assert np.mean(held) >= 0.94


@pytest.mark.parametrize("n_patients", [10, 23])
@pytest.mark.parametrize("law", LAWS)
def test_false_positives_are_at_their_level(n_patients, law):
    one, other = np.split(_studies(n_patients, law=law, n_studies=2 * STUDIES).mean(axis=2), 2)
    tests = paired_tests(one - other)
    assert 0.03 <= np.mean(tests.p <= 0.05) <= 0.07
    assert 0.03 <= np.mean(tests.wilcoxon <= 0.05) <= 0.07


def test_five_patients_never_reject():
    one, other = np.split(_studies(5, n_studies=2 * STUDIES).mean(axis=2), 2)
    p = paired_tests(one - other).p
    assert p.min() == smallest_p(5) == 2 / 32
    assert 0.04 <= np.mean(p == 2 / 32) <= 0.09


def test_testing_spots_as_if_they_were_units_finds_what_is_not_there():
    rng = np.random.default_rng(0)
    differences = _studies(10, n_studies=200)
    slides = differences.reshape(200, -1)
    spots = slides[:, :, None] + rng.normal(size=(*slides.shape, SPOTS))
    assert np.mean(paired_tests(spots.reshape(200, -1)[:, ::10]).p <= 0.05) > 0.3


def test_holm_keeps_any_false_claim_rare_and_no_correction_does_not():
    rng = np.random.default_rng(0)
    one, other = np.triu_indices(5, 1)
    any_raw = any_holm = 0
    for _ in range(500):
        scores = rng.normal(size=(5, 20)) + rng.normal(size=20)
        p = paired_tests(scores[one] - scores[other]).p
        any_raw += p.min() <= 0.05
        any_holm += holm(p).min() <= 0.05
    assert any_raw / 500 > 0.15
    assert any_holm / 500 <= 0.07


def test_a_real_difference_is_found():
    rng = np.random.default_rng(0)
    differences = 0.8 + rng.normal(size=(STUDIES, 23))
    assert np.mean(paired_tests(differences).p <= 0.05) > 0.9
