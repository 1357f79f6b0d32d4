"""The section that several benchmarks read, and a summary of ratios below the table of pytest-benchmark."""

import os
from pathlib import Path

import numpy as np
import pytest

from histobench import Float, Int, LabelledSamples, PatchGeometry, Targets, UInt8
from histobench.images import cut_patches
from histobench_datasets.her2st.dataset import Her2st

SLIDE = "B4"
PATCH_PX = 48
N_GENES = 64


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    session = getattr(config, "_benchmarksession", None)
    measured = [bench for bench in session.benchmarks if bench.extra_info] if session else []
    if measured:
        terminalreporter.section("ratios")
    for bench in measured:
        terminalreporter.write_line(f"{bench.name}: {', '.join(f'{k}: {v}' for k, v in bench.extra_info.items())}")


@pytest.fixture(scope="session")
def section(request: pytest.FixtureRequest) -> LabelledSamples:
    """B4 of her2st, 283 spots, if the data are available and time is measured; otherwise noise on a lattice.

    Patches of 48 pixels; ln(1 + counts per 10,000) of the 64 most frequent genes, with their counts; and the same label
    for every spot, because no section with an image has labels of the pathologist.
    """
    data = Path(os.environ.get("HISTOBENCH_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    is_measured = not request.config._benchmarksession.disabled
    if is_measured and (data / "her2st").is_dir():
        return _read_section(data / "her2st")
    draw = np.random.default_rng(0)
    array = np.stack(np.meshgrid(np.arange(12), np.arange(10)), axis=-1).reshape(-1, 2)
    patches = draw.integers(0, 256, (len(array), PATCH_PX, PATCH_PX, 3), dtype=np.uint8)
    counts = draw.poisson(3.0, (len(array), N_GENES)).astype(np.float32)
    return _samples("lattice", array, patches, counts, counts.sum(axis=1, dtype=np.float64))


def _read_section(root: Path) -> LabelledSamples:
    dataset = Her2st(root)
    slide = next(slide for slide in dataset.slides("gene_expression") if slide.id == SLIDE)
    table = dataset.table(slide, "gene_expression")
    geometry = PatchGeometry(patch_px=PATCH_PX, mpp=101 / PATCH_PX)
    patches = cut_patches(dataset.image(slide).read(), table.xy_px, geometry, mpp=slide.mpp)
    frequent = np.argsort(-table.counts.values.sum(axis=0))[:N_GENES]
    totals = table.counts.values.sum(axis=1, dtype=np.float64)
    return _samples(slide.id, table.array, patches, table.counts.values[:, frequent], totals)


def _samples(name: str, array: Int, patches: UInt8, counts: Float, totals: Float) -> LabelledSamples:
    n, genes = len(array), tuple(f"gene{i}" for i in range(N_GENES))
    expression = np.log1p(counts / totals[:, None] * 10_000).astype(np.float32)
    tumour = np.tile(np.array([[1, 0]], dtype=np.float32), (n, 1))
    return LabelledSamples(
        slide_ids=np.full(n, name),
        spot_ids=np.arange(n).astype(str),
        xy_um=array * 200.0,
        array=array,
        patches=patches,
        targets=Targets(kind="gene_expression", names=genes, values=expression),
        beside={
            "counts": Targets(kind="gene_expression", names=genes, values=counts.astype(np.float32)),
            "label": Targets(kind="label", names=("tumour", "normal"), values=tumour),
        },
        totals=totals,
    )
