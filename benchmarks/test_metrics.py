"""The speed of vectorised metrics compared with a loop over SciPy and scikit-learn, one target at a time.

The spots of a Visium slide with the 22 types of ``minor`` and with a panel of 250 genes, and all genes at few spots.
The ratio of the two times from one run is in ``extra_info``. Times are CPU times, which other work on the machine
affects little. For the Jensen–Shannon distance the gain is small, because both take two logarithms per value.
"""

import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, spearmanr
from sklearn.feature_selection import mutual_info_regression
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

import histobench.results.evaluation.scoring
from histobench import Float, Prediction, Targets, TrainingFacts
from histobench.data import SlideResult
from histobench.results.evaluation import score
from histobench_metrics.catalogue import CARDS

SCRIPT = Path(__file__).with_name("metric_memory.py")

LOOPED: dict[str, Callable[[Float, Float], float]] = {
    "pearson": lambda p, y: float(pearsonr(p, y).statistic),
    "spearman": lambda p, y: float(spearmanr(p, y).statistic),
    "rmse": lambda p, y: float(root_mean_squared_error(y, p)),
    "mae": lambda p, y: float(mean_absolute_error(y, p)),
    "r2": lambda p, y: float(r2_score(y, p)),
    "jensen-shannon": lambda p, y: float(jensenshannon(p + 1e-8, y + 1e-8)),
    "auroc": lambda p, y: float(roc_auc_score(y > 0, p)),
    "auprc": lambda p, y: float(average_precision_score(y > 0, p)),
    "mutual-information": lambda p, y: float(mutual_info_regression(p[:, None], y, random_state=0)[0]),
}
"""The same score of one target, by an independent implementation."""

SIZES = {"22 types": (3000, 22), "250 genes": (3000, 250), "20,000 genes": (40, 20_000)}
"""Spots and targets."""

SLOW_LOOPS = {"auroc", "auprc", "mutual-information"}
"""Compared on the types only, because their loops take minutes."""

CASES = [(name, size) for name in LOOPED for size in SIZES if size == "22 types" or name not in SLOW_LOOPS]

CARD = {card.name: card for card in CARDS}


def _loop(name: str, predicted: Float, observed: Float) -> npt.NDArray[np.float64]:
    columns = zip(predicted.T.astype(np.float64), observed.T.astype(np.float64), strict=True)
    return np.array([LOOPED[name](p, y) for p, y in columns])


def _tables(n: int, t: int) -> tuple[Float, Float]:
    draw = np.random.default_rng(0)
    observed = draw.gamma(2.0, 1.0, (n, t)).astype(np.float32)
    observed[: n // 4] = 0.0  # absent at some spots
    return observed + draw.gamma(2.0, 1.0, observed.shape).astype(np.float32), observed


@pytest.mark.parametrize(("name", "size"), CASES, ids=lambda value: value)
def test_vectorised_metric_against_a_loop(benchmark: BenchmarkFixture, name: str, size: str) -> None:
    tables = _tables(*SIZES[size])
    metric: Callable[..., Float] = CARD[name].build()
    scores = benchmark(metric, *tables)
    # a loop over 20,000 targets is timed on every twentieth of them
    few = tuple(table[:, ::20] if size == "20,000 genes" else table for table in tables)
    begun = time.process_time()
    expected = _loop(name, *few)
    looped = (time.process_time() - begun) * tables[0].shape[1] / few[0].shape[1]
    tolerance = 0.05 if name == "mutual-information" else 1e-5  # noise breaks ties
    np.testing.assert_allclose(scores[:: 20 if size == "20,000 genes" else 1], expected, atol=tolerance)
    benchmark.extra_info["times faster than a loop"] = round(looped / _fastest(lambda: metric(*tables)), 1)


def _result(slide: str, n: int, t: int) -> SlideResult:
    predicted, observed = _tables(n, t)
    names = tuple(f"gene-{place}" for place in range(t))
    place = np.arange(n)
    return SlideResult(
        slide_id=slide,
        spot_ids=place.astype(str),
        xy_um=np.stack([place % 20, place // 20], axis=1).astype(np.float32) * 200,
        mpp=0.65,
        predicted=Prediction(names=names, values=predicted),
        observed=Targets(kind="gene_expression", names=names, values=observed),
    )


def test_scoring_a_job_with_all_metrics_but_the_expensive(benchmark: BenchmarkFixture) -> None:
    """Five sections of the legacy platform and 250 genes: the cost for every job of a study."""
    results = [_result(f"S{number}", 350, 250) for number in range(5)]
    training = TrainingFacts.of(results[0].observed)
    cards = [card for card in CARDS if not card.expensive]
    evaluation = benchmark.pedantic(score, (results, cards, training), rounds=1)
    assert not evaluation.warnings
    benchmark.extra_info["metrics"] = len(evaluation.scores)


def test_memory_does_not_grow_with_the_targets(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are a sixteenth of their usual size, so that small tables have several."""
    monkeypatch.setattr(histobench.results.evaluation.scoring, "_BLOCK", 1 << 18)
    few, many = ([_result(slide, 500, t) for slide in ("S1", "S2")] for t in (500, 2000))
    cards = [CARD["pearson"], CARD["spearman"]]
    peaks = [_peak_mib(lambda: score(few, cards)), _peak_mib(lambda: score(many, cards))]
    benchmark.pedantic(score, (many, cards), rounds=1)
    benchmark.extra_info["MiB for 500 targets"] = round(peaks[0])
    benchmark.extra_info["MiB for 2,000 targets"] = round(peaks[1])
    assert peaks[1] < 1.5 * peaks[0]


def test_peak_memory_of_a_process_is_its_input_and_some_blocks(benchmark: BenchmarkFixture) -> None:
    """Blocks of targets, of thirds of targets and of spots; `metric_memory.py` measures any size and all metrics."""
    sizes = ("2500", "7500") if benchmark.enabled else ("50", "200")  # otherwise small runs, to check the script
    spots = "2000" if benchmark.enabled else "50"
    found = benchmark.pedantic(lambda: [_measure("--spots", spots, "--targets", t) for t in sizes], rounds=1)
    for measured in found:
        assert measured["metrics"] == 4
        benchmark.extra_info[f"{measured['targets']} targets"] = (
            f"{measured['more_mib']} MiB in addition to {measured['input_mib']} MiB of input"
        )
    assert found[1]["more_mib"] < 1.5 * found[0]["more_mib"] + 100


def _measure(*arguments: str) -> dict[str, int]:
    names = "pearson,rmse,pearson-by-level,cosine"
    command = [sys.executable, str(SCRIPT), *arguments, "--metrics", names]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    measured: dict[str, int] = json.loads(finished.stdout)
    return measured


def _peak_mib(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(2):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)
