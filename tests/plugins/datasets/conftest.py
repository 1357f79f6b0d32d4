"""A small tree in the format of the her2st release: three slides of two patients, thirty spots each."""

import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from histobench_datasets.her2st.dataset import Her2st

SPOTS = tuple(f"{column}x{row}" for row in range(3, 9) for column in range(2, 7))
GENES = ("ERBB2", "CD3E", "COL1A1", "ADIPOQ")
TYPES = ("B-cells", "NK cells ", "Cancer Epithelial")
PITCH_PX = 40
LABELS = ("invasive cancer", "connective tissue", "undetermined")


class TinyRelease:
    """Writes the tree and lets a test damage it."""

    slides = ("A1", "B1", "B2")

    def __init__(self, root: Path) -> None:
        self.root = root
        for number, slide in enumerate(self.slides):
            self.write_counts(slide, np.random.default_rng(number).poisson(3, (len(SPOTS), len(GENES))))
            self.write_selection(slide)
            self.write_image(slide)
        for tier in ("minor", "major", "subset"):
            self.write_proportions(tier)
        self.write_labels("B1")

    def counts(self, slide: str) -> Path:
        return self.root / "data" / "ST-cnts" / f"{slide}.tsv.gz"

    def selection(self, slide: str) -> Path:
        return self.root / "data" / "ST-spotfiles" / f"{slide}_selection.tsv"

    def image(self, slide: str) -> Path:
        return self.root / "data" / "ST-imgs" / slide[0] / slide / f"HE_{slide}.jpg"

    def labels(self, slide: str) -> Path:
        return self.root / "data" / "ST-pat" / "lbl" / f"{slide}_labeled_coordinates.tsv"

    def proportions(self, tier: str = "minor") -> Path:
        return self.root / "res" / "ST-deconv" / "props" / f"{tier}.zip"

    def write_counts(self, slide: str, counts: np.ndarray, spots: tuple[str, ...] = SPOTS) -> None:
        lines = ["\t".join(("", *GENES))]
        lines += ["\t".join((spot, *map(str, row))) for spot, row in zip(spots, counts.tolist(), strict=True)]
        self._write(self.counts(slide), gzip.compress("\n".join((*lines, "")).encode()))

    def write_selection(self, slide: str, deselected: tuple[str, ...] = ()) -> None:
        lines = ["x\ty\tnew_x\tnew_y\tpixel_x\tpixel_y\tselected"]
        for spot in reversed(SPOTS):
            x, y = map(int, spot.split("x"))
            place = f"{x}\t{y}\t{x}.04\t{y}.02\t{x * PITCH_PX + 0.5}\t{y * PITCH_PX + 0.25}"
            lines.append(f"{place}\t{int(spot not in deselected)}")
        self._write(self.selection(slide), "\n".join((*lines, "")).encode())

    def write_image(self, slide: str, width: int = 360, height: int = 420) -> None:
        pixels = np.random.default_rng(ord(slide[1])).integers(0, 256, (height, width, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG")
        self._write(self.image(slide), buffer.getvalue())

    def write_proportions(self, tier: str, files: Mapping[str, str] | None = None) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for slide, text in (files or {slide: proportions_text() for slide in self.slides}).items():
                archive.writestr(f"{tier}/{slide}-proportion.tsv", text)
        self._write(self.proportions(tier), buffer.getvalue())

    def write_labels(self, slide: str) -> None:
        lines = ["Row.names\tx\ty\tpixel_x\tpixel_y\tlabel", "lost\tNA\tNA\tNA\tNA\tinvasive cancer"]
        for number, spot in enumerate(SPOTS):
            x, y = map(int, spot.split("x"))
            lines.append(f"{number}\t{x + 0.12}\t{y - 0.09}\t1.5\t2.5\t{LABELS[number % len(LABELS)]}")
        self._write(self.labels(slide), "\n".join((*lines, "")).encode())

    def edit(self, path: Path, old: str, new: str) -> None:
        """Replace a piece of text, once, in a file that may be packed."""
        packed = path.suffix == ".gz"
        text = (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()).decode()
        assert old in text
        changed = text.replace(old, new, 1).encode()
        path.write_bytes(gzip.compress(changed) if packed else changed)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def proportions_text(spots: tuple[str, ...] = SPOTS, first: tuple[float, float, float] = (0.25, 0.25, 0.5)) -> str:
    rows = [first, *[(0.5, 0.125, 0.375)] * (len(spots) - 1)]
    lines = ["\t".join(("", *TYPES))]
    lines += ["\t".join((spot, *map(str, row))) for spot, row in zip(spots, rows, strict=True)]
    return "\n".join((*lines, ""))


@pytest.fixture
def release(tmp_path: Path) -> TinyRelease:
    return TinyRelease(tmp_path / "her2st")


@pytest.fixture(scope="session")
def make_proportions() -> Callable[..., str]:
    return proportions_text


@pytest.fixture(scope="session")
def spots() -> tuple[str, ...]:
    return SPOTS


@pytest.fixture
def her2st(release):
    return Her2st(release.root, blobs={})


@pytest.fixture
def b1(her2st):
    return next(slide for slide in her2st.slides("cell_abundance:minor") if slide.id == "B1")
