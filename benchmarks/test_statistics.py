"""The speed of vectorised statistics compared with a loop over resamplings, rows or pairs.

The sizes are those of a large leaderboard: 300 methods on 23 patients, and 40 tasks for ranks. The loops do a part of
the work, and their time is scaled up. Ratio and seconds are in ``extra_info``.
"""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.stats import permutation_test, rankdata

from histobench.results.statistics import mean_intervals
from histobench.results.statistics.paired import FLIPS, paired_tests
from histobench.results.statistics.ranking import RANK_ROUNDS, rank_intervals
from histobench.results.statistics.resampling import ROUNDS, draw_shares

METHODS, TASKS, PATIENTS = 300, 40, 23


@pytest.fixture(scope="module")
def scores() -> npt.NDArray[np.float64]:
    """Scores of all methods: (tasks, methods, patients)."""
    draw = np.random.default_rng(0)
    return draw.normal(size=(TASKS, METHODS, 1)) + draw.normal(size=(TASKS, METHODS, PATIENTS))


def test_rank_intervals_of_all_tasks_against_a_loop(
    benchmark: BenchmarkFixture, scores: npt.NDArray[np.float64]
) -> None:
    def loop() -> list[npt.NDArray[np.float64]]:
        draw = np.random.default_rng(0)
        return [
            rankdata(-scores[0][:, draw.integers(PATIENTS, size=PATIENTS)].mean(axis=1), method="min")
            for _ in range(100)
        ]

    found = benchmark(lambda: [rank_intervals(task) for task in scores])
    assert len(found) == TASKS
    seconds = _fastest(lambda: [rank_intervals(task) for task in scores])
    looped = _seconds(loop) * RANK_ROUNDS / 100 * TASKS
    _report(benchmark, seconds, looped)


def test_bootstrap_intervals_against_a_loop(benchmark: BenchmarkFixture, scores: npt.NDArray[np.float64]) -> None:
    rows = scores[0]
    centred = rows - rows.mean(axis=1, keepdims=True)

    def loop() -> list[float]:
        draw, found = np.random.default_rng(0), []
        for row in centred[:2]:
            for _ in range(ROUNDS):
                drawn = row[draw.integers(PATIENTS, size=PATIENTS)]
                found.append(drawn.mean() / (drawn.std(ddof=1) / np.sqrt(PATIENTS)))
        return found

    assert len(benchmark(mean_intervals, rows)) == METHODS
    _report(benchmark, _fastest(lambda: mean_intervals(rows)), _seconds(loop) * METHODS / 2)


def test_sign_flips_against_scipy(benchmark: BenchmarkFixture, scores: npt.NDArray[np.float64]) -> None:
    differences = scores[0] - scores[1]

    def loop() -> list[float]:
        draw = np.random.default_rng(0)
        return [
            float(permutation_test((row,), np.mean, permutation_type="samples", n_resamples=FLIPS - 1, rng=draw).pvalue)
            for row in differences[:10]
        ]

    tests = benchmark(paired_tests, differences)
    np.testing.assert_allclose(tests.p[:10], loop(), atol=0.03)
    _report(benchmark, _fastest(lambda: paired_tests(differences)), _seconds(loop) * METHODS / 10)


def test_loop_and_matrix_give_the_same_resampled_means(scores: npt.NDArray[np.float64]) -> None:
    shares = draw_shares(PATIENTS, 50)
    looped = [[float(np.average(row, weights=share)) for share in shares.T] for row in scores[0][:3]]
    np.testing.assert_allclose(scores[0][:3] @ shares, looped)


def _report(benchmark: BenchmarkFixture, seconds: float, looped: float) -> None:
    benchmark.extra_info["seconds"] = round(seconds, 3)
    benchmark.extra_info["times faster than a loop"] = round(looped / seconds, 1)
    assert looped > seconds


def _fastest(work: Callable[[], object]) -> float:
    return min(_seconds(work) for _ in range(3))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
