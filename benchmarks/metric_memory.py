"""Peak memory and seconds of scoring one slide with every default metric, as JSON.

A process has only one peak, so each measurement is a separate process::

    python benchmarks/metric_memory.py --spots 5000 --targets 20000

The input is prediction and observation in float32, which any scoring needs. The result is the memory held in addition
to it at the peak.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from histobench import Float, Prediction, Targets, TrainingFacts
from histobench.data import SlideResult
from histobench.results.evaluation import score
from histobench_metrics.catalogue import CARDS

_ROWS = 100


def make_result(n: int, t: int) -> SlideResult:
    """Return counts of ``t`` genes at ``n`` spots of a square lattice, and a noisy prediction of them."""
    names = tuple(f"gene-{place}" for place in range(t))
    predicted, observed = np.empty((n, t), dtype=np.float32), np.empty((n, t), dtype=np.float32)
    draw = np.random.default_rng(0)
    rates = draw.gamma(0.5, 2.0, t).astype(np.float32)
    for start in range(0, n, _ROWS):
        rows = slice(start, start + _ROWS)
        _fill(draw, rates, predicted[rows], observed[rows])
    place = np.arange(n)
    side = int(np.ceil(n**0.5))
    return SlideResult(
        slide_id="S1",
        spot_ids=place.astype(str),
        xy_um=np.stack([place % side, place // side], axis=1).astype(np.float32) * 100,
        mpp=0.5,
        predicted=Prediction(names=names, values=predicted),
        observed=Targets(kind="gene_expression", names=names, values=observed),
        regions=np.where(place % side < side // 2, "tumour", "stroma").astype(np.str_),
    )


def _fill(draw: np.random.Generator, rates: Float, predicted: Float, observed: Float) -> None:
    observed[:] = draw.poisson(rates * draw.gamma(2.0, 0.5, (len(observed), 1)), observed.shape)
    predicted[:] = np.maximum(observed + draw.standard_normal(observed.shape, dtype=np.float32), 0)


def peak_mib() -> float:
    """Return the most memory that this process has ever held, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 2**10


def main() -> None:
    """Measure the sizes from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--spots", type=int, default=1000)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--metrics", help="Comma-separated. [all except expensive ones]")
    arguments = parser.parse_args()
    cards = [card for card in CARDS if not card.expensive and "gene_expression" in card.kinds]
    if arguments.metrics:
        cards = [card for card in CARDS if card.name in arguments.metrics.split(",")]
    result = make_result(arguments.spots, arguments.targets)
    facts = np.linspace(0, 1, arguments.targets)
    training = TrainingFacts(mean=facts, deviation=facts, prevalence=facts)
    before, begun = peak_mib(), time.process_time()
    evaluation = score([result], cards, training)
    measured = {
        "input_mib": round(2 * 4 * arguments.spots * arguments.targets / 2**20),
        "before_mib": round(before),
        "more_mib": round(peak_mib() - before),
        "cpu_seconds": round(time.process_time() - begun, 1),
        "metrics": len(evaluation.scores),
    }
    print(json.dumps({"spots": arguments.spots, "targets": arguments.targets, **measured}))


if __name__ == "__main__":
    main()
