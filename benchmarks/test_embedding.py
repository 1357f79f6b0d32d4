"""Embedding slides on a CPU: our code compared with a plain loop over slides, as in HEST.

The plain loop decodes a slide and cuts its patches, then feeds them one by one through a transform that normalises in
single precision on the CPU and a default DataLoader (no workers, no pinning) into the network; nothing overlaps.
`encoder_throughput.py` measures GPUs.
"""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from histobench.cache import Cache
from histobench.contracts.protocols import SlideImage
from histobench.data import Float, Slide, SpotTable
from histobench.images import FileImage, cut_patches
from histobench.images.embedding import Compute, slide_embeddings
from histobench_datasets.her2st.dataset import Her2st
from histobench_encoders.catalogue import CARDS

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = Path(__file__).with_name("encoder_throughput.py")
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
BATCH = 32
N_MEASURED = 24


class PlainPatches(Dataset[Tensor]):
    """Patches that are converted and normalised one at a time, as torchvision's ToTensor and Normalize do."""

    def __init__(self, patches: np.ndarray) -> None:
        self.patches = patches

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, row: int) -> Tensor:
        image = torch.from_numpy(np.array(Image.fromarray(self.patches[row]))).permute(2, 0, 1).float().div(255)
        return (image - torch.from_numpy(MEAN)[:, None, None]) / torch.from_numpy(STD)[:, None, None]


def _timed(work: Callable[[], list[Float]]) -> tuple[list[Float], float, float]:
    """Return the result of the work, its seconds, and CPU seconds, which other processes affect less."""
    begun, cpu = time.perf_counter(), time.process_time()
    return work(), time.perf_counter() - begun, time.process_time() - cpu


def plain_loop(network: nn.Module, slides: list[tuple[SlideImage, SpotTable]]) -> list[Float]:
    embedded = []
    with torch.inference_mode():
        for image, table in slides:
            patches = cut_patches(image.read(), table.xy_px, CARD.geometry, mpp=None)
            batches = [network.trunk(batch) for batch in DataLoader(PlainPatches(patches), batch_size=BATCH)]
            embedded.append(torch.cat(batches).numpy())
    return embedded


CARD = next(card for card in CARDS if card.name == "vit-small")


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory, measured: bool) -> list[tuple[SlideImage, SpotTable]]:
    """Two slides of her2st if available and time is measured, otherwise drawn ones; few spots if nothing is timed."""
    root = Path(os.environ.get("HISTOBENCH_TEST_DATA", REPOSITORY.parent / "shared" / "data")) / "her2st"
    if not measured or not root.is_dir():
        folder = tmp_path_factory.mktemp("slides")
        return [_draw_slide(folder, number, N_MEASURED if measured else 2) for number in range(2)]
    dataset, target = Her2st(root), "gene_expression"
    return [_some_spots(dataset.image(s), dataset.table(s, target), N_MEASURED) for s in dataset.slides(target)[-2:]]


def _draw_slide(folder: Path, number: int, n: int) -> tuple[SlideImage, SpotTable]:
    draw = np.random.default_rng(number)
    coarse = draw.integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((3000, 3000)).save(folder / f"{number}.jpg")
    xy_px = draw.uniform(200, 2800, (n, 2))
    table = SpotTable(
        slide=Slide(id=f"s{number}", patient="P"),
        spot_ids=tuple(map(str, range(n))),
        xy_um=xy_px,
        xy_px=xy_px,
        array=np.zeros((n, 2), np.int64),
    )
    return FileImage(folder / f"{number}.jpg"), table


def _some_spots(image: SlideImage, table: SpotTable, n: int) -> tuple[SlideImage, SpotTable]:
    columns = {name: getattr(table, name)[:n] for name in ("spot_ids", "xy_um", "xy_px", "array")}
    return image, SpotTable(slide=table.slide, **columns)


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> bool:
    return not request.config._benchmarksession.disabled


def test_embedding_slides_against_the_plain_loop(
    benchmark: BenchmarkFixture, slides: list[tuple[SlideImage, SpotTable]], tmp_path: Path, measured: bool
) -> None:
    encoder = CARD.build(None)
    network = encoder.frozen("cpu")
    network(torch.zeros(BATCH if measured else 1, 224, 224, 3, dtype=torch.uint8))  # warm up
    caches = (Cache(tmp_path / f"cache {number}") for number in range(10))

    def embed(cache: Cache) -> list[Float]:
        return [slide_embeddings(cache, encoder, *slide, name="vit-small", how=Compute()) for slide in slides]

    def both() -> dict[str, tuple[list[Float], float, float]]:
        cache = next(caches)
        works = {
            "ours": lambda: embed(cache),
            "plain": lambda: plain_loop(network, slides),
            "again": lambda: embed(cache),
        }
        return {name: _timed(work) for name, work in works.items()}

    found = benchmark.pedantic(both, rounds=1)
    (ours, first, cpu), (theirs, plain, plain_cpu), (_, again, _) = found.values()
    benchmark.extra_info.update(
        patches=sum(map(len, ours)),
        patches_a_second={
            "ours": round(sum(map(len, ours)) / first, 2),
            "plain": round(sum(map(len, ours)) / plain, 2),
        },
        times_faster=round(plain / first, 2),
        times_less_cpu=round(plain_cpu / cpu, 2),
        times_faster_when_cached=round(plain / again),
    )
    np.testing.assert_allclose(np.concatenate(ours), np.concatenate(theirs), atol=1e-3)
    assert again < plain


def test_the_script_for_gpus_runs(benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, str(SCRIPT), "--models", "tiny", "--patches", "12", "--batch-size", "4"]
    finished = benchmark.pedantic(
        lambda: subprocess.run(
            [*command, "--device", "cpu"], capture_output=True, text=True, check=False, env=os.environ
        ),
        rounds=1,
    )
    assert finished.returncode == 0, finished.stderr
    header, row = finished.stdout.splitlines()[-2:]
    assert header.split()[:2] == ["model", "GFLOP"]
    assert row.split()[0] == "tiny"
    assert all(float(cell.rstrip("%")) > 0 for cell in row.split()[1:])


def test_the_scripts_flops_are_those_of_the_specification() -> None:
    spec = importlib.util.spec_from_file_location("encoder_throughput", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # encoders.md, section 6: UNI is ViT-L/16, H-optimus ViT-g/14 with 4 registers and SwiGLU
    found = {name: module.MODELS[name].gflop() for name in ("S", "L", "g")}
    assert found == pytest.approx({"S": 9.2, "L": 123.1, "g": 608.3}, rel=0.01)
