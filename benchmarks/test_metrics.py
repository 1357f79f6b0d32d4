"""What vectorised metrics save against a loop over SciPy and scikit-learn, one target at a time.

As many spots as a Visium slide has, for the 22 types of ``minor`` and for a panel of 250 genes. The ratio of the two
times, taken in one run, stands in ``extra_info``. Little is to be won for the Jensen–Shannon distance: it is two
logarithms a value either way.
"""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from histobench import Float
from histobench_metrics.catalogue import CARDS

LOOPED: dict[str, Callable[[Float, Float], float]] = {
    "pearson": lambda p, y: float(pearsonr(p, y).statistic),
    "spearman": lambda p, y: float(spearmanr(p, y).statistic),
    "rmse": lambda p, y: float(root_mean_squared_error(y, p)),
    "mae": lambda p, y: float(mean_absolute_error(y, p)),
    "r2": lambda p, y: float(r2_score(y, p)),
    "jensen-shannon": lambda p, y: float(jensenshannon(p + 1e-8, y + 1e-8)),
}
"""The same score of one target, by an implementation that knows nothing of ours."""

N_SPOTS = 3000


def _loop(name: str, predicted: Float, observed: Float) -> npt.NDArray[np.float64]:
    columns = zip(predicted.T.astype(np.float64), observed.T.astype(np.float64), strict=True)
    return np.array([LOOPED[name](p, y) for p, y in columns])


@pytest.fixture(params=[22, 250], ids=["22 types", "250 genes"])
def tables(request: pytest.FixtureRequest) -> tuple[Float, Float]:
    draw = np.random.default_rng(0)
    observed = draw.gamma(2.0, 1.0, (N_SPOTS, request.param)).astype(np.float32)
    noise = draw.gamma(2.0, 1.0, observed.shape).astype(np.float32)
    return observed + noise, observed


@pytest.mark.parametrize("name", LOOPED)
def test_vectorised_metric_against_a_loop(benchmark: BenchmarkFixture, tables: tuple[Float, Float], name: str) -> None:
    (card,) = [card for card in CARDS if card.name == name]
    metric = card.build()
    scores = benchmark(metric, *tables)
    np.testing.assert_allclose(scores, _loop(name, *tables), rtol=1e-5, atol=1e-6)
    vectorised, looped = (_fastest(work) for work in (lambda: metric(*tables), lambda: _loop(name, *tables)))
    benchmark.extra_info["times faster than a loop"] = round(looped / vectorised, 1)


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)
