"""Small Visium and Visium HD samples in Space Ranger's layout, on a slide whose colours tell the spots apart."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import sparse

from histobench_datasets.visium.gene_counts import GeneCounts
from histobench_datasets.visium.slide import WholeSlide
from histobench_datasets.visium.space_ranger import Positions

COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
MPP = 0.5
N_SPOTS, N_GENES = 40, 60


def write_matrix(path: Path, counts: np.ndarray, barcodes: Sequence[str], genes: Sequence[str]) -> None:
    """Write counts (n, g) as 10x Genomics does, with an antibody after the genes, which is no gene."""
    counts = np.column_stack([counts, np.full(len(counts), 99)])
    by_spot = sparse.csr_matrix(counts)  # genes x barcodes by columns
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = by_spot.data, by_spot.indices, by_spot.indptr
        group["shape"] = np.array([counts.shape[1], len(barcodes)], dtype=np.int32)
        group["barcodes"] = np.array(barcodes, dtype="S")
        group["features/name"] = np.array([*genes, "CD3"], dtype="S")
        group["features/id"] = np.array([f"ENS{i}" for i in range(counts.shape[1])], dtype="S")
        group["features/feature_type"] = np.array([*["Gene Expression"] * len(genes), "Antibody Capture"], dtype="S")


def write_positions(folder: Path, frame: pd.DataFrame, how: str = "csv") -> None:
    """Write positions as one of Space Ranger's versions does."""
    for old in folder.glob("tissue_positions*"):
        old.unlink()
    if how == "csv":
        frame.to_csv(folder / "tissue_positions.csv", index=False)
    elif how == "list":
        frame.to_csv(folder / "tissue_positions_list.csv", index=False, header=False)
    else:
        frame.to_parquet(folder / "tissue_positions.parquet")


class TinyVisium:
    """A standard sample: forty spots on a hexagonal lattice, 30 µm across, in another order than the positions."""

    patch_um = 30.0
    """Sixty pixels of the slide; a colour a spot fills them."""

    def __init__(self, root: Path) -> None:
        random = np.random.default_rng(0)
        self.folder, self.spatial, self.slide_path = root / "outs", root / "outs" / "spatial", root / "he_S1.tif"
        self.spatial.mkdir(parents=True)
        rows, columns = np.divmod(np.arange(N_SPOTS), 8)
        self.centres = np.column_stack([45 + columns * 68 + rows % 2 * 34, 60 + rows * 110]).astype(float)
        self.barcodes = [f"SPOT{i:02d}-1" for i in random.permutation(N_SPOTS)]
        self.genes = [f"Gene{i}" for i in range(N_GENES - 1)] + ["Gene7"]
        self.counts = random.poisson(2, (N_SPOTS, N_GENES))
        numbers = [int(name[4:6]) for name in self.barcodes]
        self.centres, self.numbers = self.centres[numbers], numbers
        frame = pd.DataFrame(
            {
                "barcode": self.barcodes,
                "in_tissue": 1,
                "array_row": rows[numbers],
                "array_col": 2 * columns[numbers] + rows[numbers] % 2,
                "pxl_row_in_fullres": self.centres[:, 1],
                "pxl_col_in_fullres": self.centres[:, 0],
            }
        )
        off_tissue = pd.DataFrame([["OFF-1", 0, 9, 9, 5, 5]], columns=COLUMNS)
        self.frame = pd.concat([off_tissue, frame.sort_values("barcode")])
        write_matrix(self.folder / "filtered_feature_bc_matrix.h5", self.counts, self.barcodes, self.genes)
        write_positions(self.spatial, self.frame)
        self.write_scales(spot_diameter_fullres=130.0)
        self.pixels = self._paint()
        self.write_slide()

    def write_scales(self, **factors: object) -> None:
        (self.spatial / "scalefactors_json.json").write_text(json.dumps(factors))

    def write_slide(self) -> None:
        options = {"tile": (128, 128), "photometric": "rgb", "resolutionunit": 3}
        with tifffile.TiffWriter(self.slide_path) as file:
            file.write(self.pixels, resolution=(1e4 / MPP, 1e4 / MPP), **options)
            file.write(self.pixels[::2, ::2], resolution=(5e3 / MPP, 5e3 / MPP), **options)

    def _paint(self) -> np.ndarray:
        pixels = np.full((600, 600, 3), 250, dtype=np.uint8)
        for number, (x, y) in zip(self.numbers, self.centres.astype(int), strict=True):
            pixels[y - 32 : y + 32, x - 32 : x + 32] = (100 + number, 60, 200 - number)
        return pixels


class TinyHD:
    """Bins of 2 µm, 40 x 45 of them with holes, on a lattice that begins at row 7 and column 11."""

    first = (7, 11)
    shape = (40, 45)
    holes = ((20, 20), (33, 4), (33, 5))

    def __init__(self, root: Path) -> None:
        random = np.random.default_rng(1)
        self.folder, self.spatial, self.slide_path = (
            root / "square_002um",
            root / "square_002um" / "spatial",
            root / "hd.png",
        )
        self.spatial.mkdir(parents=True)
        places = [place for place in np.ndindex(self.shape) if place not in self.holes]
        self.places = np.array([places[i] for i in random.permutation(len(places))])
        self.array = self.places + self.first
        # a bin is four pixels wide; the lattice stands upside down on the image, as on many capture areas
        self.xy_px = np.column_stack([20 + self.places[:, 1] * 4.0, 200 - self.places[:, 0] * 4.0])
        self.barcodes = [f"s_002um_{row:05d}_{column:05d}-1" for row, column in self.array]
        self.counts = random.poisson(0.3, (len(places), 12))
        self.genes = [f"g{i}" for i in range(12)]
        write_matrix(self.folder / "filtered_feature_bc_matrix.h5", self.counts, self.barcodes, self.genes)
        self.frame = pd.DataFrame(
            {
                "barcode": self.barcodes,
                "in_tissue": 1,
                "array_row": self.array[:, 0],
                "array_col": self.array[:, 1],
                "pxl_row_in_fullres": self.xy_px[:, 1],
                "pxl_col_in_fullres": self.xy_px[:, 0],
            }
        ).sort_values("barcode")
        write_positions(self.spatial, self.frame, "parquet")
        (self.spatial / "scalefactors_json.json").write_text(json.dumps({"bin_size_um": 2.0, "microns_per_pixel": MPP}))

    @property
    def positions(self) -> Positions:
        return Positions(barcodes=tuple(self.barcodes), array=self.array, xy_px=self.xy_px)

    @property
    def gene_counts(self) -> GeneCounts:
        values = sparse.csr_matrix(self.counts, dtype=np.float32)
        return GeneCounts(barcodes=tuple(self.barcodes), genes=tuple(self.genes), values=values)


@pytest.fixture
def visium(tmp_path: Path) -> TinyVisium:
    """A standard sample and its slide."""
    return TinyVisium(tmp_path)


@pytest.fixture
def hd(tmp_path: Path) -> TinyHD:
    """A sample of Visium HD."""
    return TinyHD(tmp_path)


@pytest.fixture
def rewrite_positions() -> Callable[[Path, pd.DataFrame, str], None]:
    """Write positions as ``csv``, ``list`` (no header) or ``parquet``."""
    return write_positions


@pytest.fixture
def rewrite_matrix() -> Callable[..., None]:
    """Write counts (n, g) with their barcodes and genes as 10x Genomics does."""
    return write_matrix


@pytest.fixture(scope="session")
def blobs() -> WholeSlide:
    """Bright glass with two disks of pink tissue, the first with a hole, 1200 x 900 pixels."""
    y, x = np.mgrid[:900, :1200]
    first = ((x - 350) ** 2 + (y - 400) ** 2 < 250**2) & ((x - 350) ** 2 + (y - 400) ** 2 > 80**2)
    second = (x - 950) ** 2 + (y - 500) ** 2 < 180**2
    pixels = np.full((900, 1200, 3), 240, dtype=np.uint8)
    pixels[first | second] = (200, 120, 170)
    return WholeSlide.of_array(pixels, mpp=MPP)
