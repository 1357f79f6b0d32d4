"""Patches and embeddings are made once, and again when anything that decides them changes."""

import json
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from histobench.cache import Cache, digest
from histobench.contracts.protocols import PatchGeometry
from histobench.data import Float, Slide, SpotTable, Targets, UInt8
from histobench.errors import DataError, ShapeError
from histobench.images import ArrayImage, cut_patches
from histobench.images.embedding import (
    Compute,
    EmbeddingKey,
    PatchKey,
    PatchStack,
    StoredPatches,
    slide_embeddings,
    slide_patches,
)
from histobench.images.embedding.rows import RowWriter

N = 150
GEOMETRY = PatchGeometry(patch_px=8, mpp=0.5)
INDICES: list[Any] = [
    0,
    -1,
    slice(None),
    slice(10, 3, -2),
    slice(0, 0),
    [5, 2, 2, 149, 0],
    np.array([70, 3, 70]),
    np.array([], dtype=np.int64),
    np.arange(N) % 7 == 0,
    np.array([[0, 149], [75, 1]]),
]


class CountedImage(ArrayImage):
    """Counts how often it is decoded."""

    def __init__(self, array: UInt8) -> None:
        super().__init__(array)
        self.decoded = 0

    def read(self) -> UInt8:
        self.decoded += 1
        return super().read()


@dataclass
class MeanColour:
    """Embeds a patch as its mean colour and counts how many it saw."""

    identity: str = "v1"
    geometry: PatchGeometry = field(default_factory=lambda: GEOMETRY)
    dim: int = 3
    embedded: int = 0
    fails_after: int = 10**9

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        if self.embedded + len(patches) > self.fails_after:
            raise RuntimeError("a power cut")
        self.embedded += len(patches)
        means: Float = patches.mean(axis=(1, 2)).astype(np.float32)
        return means


class Mixer(nn.Module):
    """Mean colours through a linear layer; remembers the batches that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.batches: list[int] = []

    def forward(self, patches: Tensor) -> Tensor:
        self.batches.append(len(patches))
        mixed: Tensor = self.layer(patches.float().mean(dim=(1, 2)) / 255)
        return mixed


class Network(MeanColour):
    """An encoder whose network can be driven from outside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = Mixer()

    def frozen(self, device: str = "cpu") -> nn.Module:
        return self.network


@dataclass(frozen=True, kw_only=True)
class Given:
    """Everything that goes into an embedding."""

    pixels: UInt8
    table: SpotTable
    encoder: str = "mean-colour"
    identity: str = "v1"
    geometry: PatchGeometry = GEOMETRY


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.fixture
def given() -> Given:
    random = np.random.default_rng(0)
    table = SpotTable(
        slide=Slide(id="A1", patient="A", mpp=0.5),
        spot_ids=tuple(f"spot-{i}" for i in range(N)),
        xy_um=random.uniform(0, 50, (N, 2)),
        xy_px=random.uniform(0, 100, (N, 2)),
        array=np.stack([np.arange(N), np.arange(N)], axis=1),
    )
    return Given(pixels=random.integers(0, 256, (100, 100, 3), dtype=np.uint8), table=table)


def embed(cache: Cache, given: Given) -> tuple[Float, int, int]:
    """Embed, and say how many patches were embedded and how often the image was decoded for it."""
    encoder = MeanColour(identity=given.identity, geometry=given.geometry)
    image = CountedImage(given.pixels)
    embeddings = slide_embeddings(cache, encoder, image, given.table, name=given.encoder)
    return embeddings, encoder.embedded, image.decoded


def other_pixel(given: Given) -> Given:
    pixels = given.pixels.copy()
    pixels[50, 50, 0] ^= 1
    return replace(given, pixels=pixels)


def other_position(given: Given) -> Given:
    xy_px = given.table.xy_px.copy()
    xy_px[7, 0] += 1e-9
    return replace(given, table=replace(given.table, xy_px=xy_px))


def other_order(given: Given) -> Given:
    names, xy_px = given.table.spot_ids[::-1], given.table.xy_px[::-1]
    return replace(given, table=replace(given.table, spot_ids=names, xy_px=xy_px))


def other_name(given: Given) -> Given:
    return replace(given, table=replace(given.table, spot_ids=("renamed", *given.table.spot_ids[1:])))


def other_resolution(given: Given) -> Given:
    return replace(given, table=replace(given.table, slide=replace(given.table.slide, mpp=0.25)))


CHANGES = {
    "pixel": other_pixel,
    "position": other_position,
    "order": other_order,
    "spot name": other_name,
    "slide's mpp": other_resolution,
    "patch_px": lambda given: replace(given, geometry=replace(GEOMETRY, patch_px=6)),
    "geometry's mpp": lambda given: replace(given, geometry=replace(GEOMETRY, mpp=1.0)),
    "field_px": lambda given: replace(given, geometry=replace(GEOMETRY, field_px=16)),
    "encoder": lambda given: replace(given, encoder="another"),
    "identity": lambda given: replace(given, identity="v2"),
}

INDIFFERENT = {
    "targets": {"targets": Targets(kind="label", names=("t",), values=np.ones((N, 1), np.float32))},
    "microns": {"xy_um": np.zeros((N, 2))},
    "lattice": {"array": np.zeros((N, 2), np.int64), "lattice": "hex"},
    "slide's name": {"slide": Slide(id="renamed", patient="someone", mpp=0.5)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_decides_an_embedding_is_part_of_its_key(cache: Cache, given: Given, change: str) -> None:
    embed(cache, given)
    assert embed(cache, CHANGES[change](given))[1] == N


@pytest.mark.parametrize("change", INDIFFERENT)
def test_what_decides_no_embedding_is_no_part_of_its_key(cache: Cache, given: Given, change: str) -> None:
    embed(cache, given)
    table = replace(given.table, **INDIFFERENT[change])
    assert embed(cache, replace(given, table=table))[1:] == (0, 0)


def test_cached_embeddings_need_neither_image_nor_encoder(cache: Cache, given: Given) -> None:
    first, embedded, decoded = embed(cache, given)
    second, embedded_again, decoded_again = embed(cache, given)
    assert (embedded, decoded) == (N, 1)
    assert (embedded_again, decoded_again) == (0, 0)
    np.testing.assert_array_equal(first, second)


def test_embeddings_are_those_of_the_patches_in_the_tables_order(cache: Cache, given: Given) -> None:
    embeddings, _, _ = embed(cache, given)
    patches = cut_patches(given.pixels, given.table.xy_px, GEOMETRY, mpp=0.5)
    np.testing.assert_array_equal(embeddings, patches.mean(axis=(1, 2)).astype(np.float32))
    assert embeddings.dtype == np.float32


def test_another_encoder_reuses_the_patches(cache: Cache, given: Given) -> None:
    embed(cache, given)
    assert embed(cache, replace(given, encoder="another"))[1:] == (N, 0)


def test_a_truncated_embedding_is_made_again(cache: Cache, given: Given) -> None:
    first, _, _ = embed(cache, given)
    (path,) = (cache.root / "embeddings").glob("*.h5")
    path.write_bytes(path.read_bytes()[:-1])
    second, embedded, _ = embed(cache, given)
    assert embedded == N
    np.testing.assert_array_equal(first, second)


def test_truncated_patches_are_cut_again(cache: Cache, given: Given) -> None:
    image = CountedImage(given.pixels)
    path = slide_patches(cache, image, given.table, GEOMETRY).path
    path.write_bytes(path.read_bytes()[:2000])
    patches = slide_patches(cache, image, given.table, GEOMETRY)
    assert image.decoded == 2
    np.testing.assert_array_equal(patches[:], cut_patches(given.pixels, given.table.xy_px, GEOMETRY, mpp=0.5))


def test_an_encoder_that_returns_another_shape_is_refused(cache: Cache, given: Given) -> None:
    encoder = MeanColour(dim=4)
    with pytest.raises(ShapeError, match=r"encoder 'm': embeddings must be \(n, 4\), got \(32, 3\)"):
        slide_embeddings(cache, encoder, ArrayImage(given.pixels), given.table, name="m")


def test_an_encoder_that_returns_nan_is_refused(cache: Cache, given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = MeanColour()
    monkeypatch.setattr(encoder, "embed", lambda patches, device: np.full((len(patches), 3), np.nan))
    with pytest.raises(ShapeError, match="encoder 'm': embeddings must be finite"):
        slide_embeddings(cache, encoder, ArrayImage(given.pixels), given.table, name="m")


@pytest.mark.parametrize("rows", INDICES, ids=str)
def test_stored_patches_are_indexed_as_an_array_is(cache: Cache, given: Given, rows: Any) -> None:
    stored = slide_patches(cache, ArrayImage(given.pixels), given.table, GEOMETRY)
    patches = cut_patches(given.pixels, given.table.xy_px, GEOMETRY, mpp=0.5)
    np.testing.assert_array_equal(stored[rows], patches[rows])


@pytest.mark.parametrize("rows", INDICES, ids=str)
def test_a_stack_is_indexed_as_one_array_is(given: Given, rows: Any) -> None:
    patches = cut_patches(given.pixels, given.table.xy_px, GEOMETRY, mpp=0.5)
    stack = PatchStack([patches[:70], patches[70:70], patches[70:149], patches[149:]])
    assert len(stack) == N
    np.testing.assert_array_equal(stack[rows], patches[rows])


def test_a_stack_refuses_rows_it_has_not(given: Given) -> None:
    with pytest.raises(IndexError):
        PatchStack([np.zeros((3, 8, 8, 3), np.uint8)])[3]


def test_a_stack_of_two_sizes_is_refused() -> None:
    parts = [np.zeros((3, side, side, 3), np.uint8) for side in (8, 6)]
    with pytest.raises(ShapeError, match=r"must have one size, got \[\(6, 6, 3\), \(8, 8, 3\)\]"):
        PatchStack(parts)


def test_a_stack_of_nothing_is_refused() -> None:
    with pytest.raises(ShapeError, match="must have one size, got no patches"):
        PatchStack([])


def test_stored_patches_travel_between_processes(cache: Cache, given: Given) -> None:
    stored = slide_patches(cache, ArrayImage(given.pixels), given.table, GEOMETRY)
    travelled = pickle.loads(pickle.dumps(stored))  # noqa: S301 -- our own bytes
    np.testing.assert_array_equal(travelled[5:9], stored[5:9])


def test_what_is_read_is_a_copy_and_no_map(cache: Cache, given: Given) -> None:
    patch = slide_patches(cache, ArrayImage(given.pixels), given.table, GEOMETRY)[2:4]
    assert not isinstance(patch, np.memmap)
    assert patch.flags.owndata


def test_the_file_has_the_layout_of_hest(cache: Cache, given: Given) -> None:
    stored = slide_patches(cache, ArrayImage(given.pixels), given.table, GEOMETRY)
    with h5py.File(stored.path) as file:
        assert file["img"].shape == (N, 8, 8, 3)
        np.testing.assert_array_equal(file["coords"][:], given.table.xy_px)
        assert tuple(file["barcode"].asstr()[:]) == given.table.spot_ids


def test_a_file_that_is_none_of_patches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.h5").write_text("nothing")
    with pytest.raises(DataError, match="not a file of 'img'"):
        StoredPatches.open(tmp_path / "no.h5")


def test_compressed_patches_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "packed.h5", "w") as file:
        file.create_dataset("img", data=np.zeros((2, 4, 4, 3), np.uint8), compression="gzip")
    with pytest.raises(DataError, match=r"'img' must be contiguous and uncompressed"):
        StoredPatches.open(tmp_path / "packed.h5")


# What else decides nothing, and what else does


HOW = {
    "batch size": Compute(batch_size=7),
    "threads": Compute(workers=5),
    "compilation": Compute(compiled=True),
    "device": Compute(device="cuda:3"),
    "precision of an encoder that is no network": Compute(precision="bf16"),
}


@pytest.mark.parametrize("how", HOW)
def test_how_it_is_computed_is_no_part_of_the_key(cache: Cache, given: Given, how: str) -> None:
    embed(cache, given)
    encoder = MeanColour()
    slide_embeddings(cache, encoder, ArrayImage(given.pixels), given.table, name=given.encoder, how=HOW[how])
    assert encoder.embedded == 0


def test_leave_to_enlarge_is_no_part_of_the_key(cache: Cache, given: Given) -> None:
    embed(cache, given)
    assert embed(cache, replace(given, geometry=replace(GEOMETRY, upsampling=True)))[1:] == (0, 0)


def test_the_precision_of_a_network_is_part_of_the_key(cache: Cache, given: Given) -> None:
    files = []
    for precision in ("fp32", "bf16", "fp16", "fp32"):
        how = Compute(precision=precision)
        slide_embeddings(cache, Network(), ArrayImage(given.pixels), given.table, name="n", how=how)
        files.append(len(list((cache.root / "embeddings").glob("*.h5"))))
    assert files == [1, 2, 3, 3]


FIELDS = {
    PatchKey: {"image": "x", "spots": "x", "mpp": 9.0, "recipe": 99, "geometry": PatchGeometry(patch_px=1)},
    EmbeddingKey: {"patches": None, "encoder": "x", "identity": "x", "precision": "fp16", "dtype": "float16"},
}


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, names in FIELDS.items() for name in names])
def test_every_field_of_a_key_alone_makes_another_file(given: Given, key: type, name: str) -> None:
    patches = PatchKey.of(ArrayImage(given.pixels), given.table, GEOMETRY)
    whole = patches if key is PatchKey else EmbeddingKey(patches=patches, encoder="e", identity="i")
    other = FIELDS[key][name] or replace(patches, image="x")
    assert digest(asdict(replace(whole, **{name: other}))) != digest(asdict(whole))


@pytest.mark.parametrize("key", FIELDS)
def test_no_field_of_a_key_is_forgotten_here(key: type) -> None:
    assert {column.name for column in fields(key)} == set(FIELDS[key])


# Damage


def spoil_with_another(cache: Cache, kind: str, given: Given) -> None:
    """Put another slide's file, manifest and all, in the place of this one's."""
    (ours,) = (cache.root / kind).glob("*.h5")
    embed(cache, other_pixel(given))
    (other,) = {*(cache.root / kind).glob("*.h5")} - {ours}
    ours.write_bytes(other.read_bytes())
    manifest = json.loads(ours.with_suffix(".json").read_text())
    ours.with_suffix(".json").write_text(json.dumps({**manifest, "n_bytes": ours.stat().st_size}))


@pytest.mark.parametrize(("kind", "decoded"), [("embeddings", 0), ("patches", 1)])
def test_a_file_of_another_slide_is_made_again(cache: Cache, given: Given, kind: str, decoded: int) -> None:
    first, _, _ = embed(cache, given)
    spoil_with_another(cache, kind, given)
    if kind == "patches":
        given = replace(given, encoder="another")
    second, embedded, images = embed(cache, given)
    assert (embedded, images) == (N, decoded)
    np.testing.assert_array_equal(first, second)


def test_a_file_without_a_manifest_is_made_again(cache: Cache, given: Given) -> None:
    embed(cache, given)
    for manifest in (cache.root / "embeddings").glob("*.json"):
        manifest.unlink()
    assert embed(cache, given)[1:] == (N, 0)


def test_the_embeddings_have_the_layout_of_hest(cache: Cache, given: Given) -> None:
    embeddings, _, _ = embed(cache, given)
    (path,) = (cache.root / "embeddings").glob("*.h5")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["embeddings"][:], embeddings)
        np.testing.assert_array_equal(file["coords"][:], given.table.xy_px)
        assert tuple(file["barcodes"].asstr()[:]) == given.table.spot_ids


# Resolution


def coarse(given: Given) -> SpotTable:
    return replace(given.table, slide=replace(given.table.slide, mpp=0.6))


def test_a_slide_coarser_than_the_encoder_wants_is_refused(cache: Cache, given: Given) -> None:
    sentence = r"slide 'A1' has 0.6 µm per pixel, coarser than the 0.5 of 'm': --allow-upsampling enlarges it"
    with pytest.raises(DataError, match=sentence):
        slide_embeddings(cache, MeanColour(), ArrayImage(given.pixels), coarse(given), name="m")


def test_with_leave_it_is_enlarged_and_said_every_time(cache: Cache, given: Given) -> None:
    encoder = MeanColour(geometry=replace(GEOMETRY, upsampling=True))
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"its patches are enlarged 1\.20 times"):
            slide_embeddings(cache, encoder, ArrayImage(given.pixels), coarse(given), name="m")
    assert encoder.embedded == N


# Interruption


def test_an_extraction_that_fails_goes_on_where_it_was(cache: Cache, given: Given) -> None:
    encoder = MeanColour(fails_after=70)
    with pytest.raises(RuntimeError, match="power cut"):
        slide_embeddings(cache, encoder, ArrayImage(given.pixels), given.table, name=given.encoder)
    embeddings, embedded, decoded = embed(cache, given)
    assert (embedded, decoded) == (N - 64, 0)  # two batches of 32 were done
    np.testing.assert_array_equal(embeddings, embed(Cache(cache.root / "fresh"), given)[0])


def test_what_an_unfinished_file_says_of_another_table_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "key.partial.h5"
    file = RowWriter(path, "t", shape=(4, 2), dtype="float32", columns={})
    file.write(0, np.ones((3, 2)))
    file.save()
    assert RowWriter(path, "t", shape=(4, 2), dtype="float32", columns={}).done == 3
    assert RowWriter(path, "t", shape=(4, 3), dtype="float32", columns={}).done == 0


def test_an_unfinished_file_that_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "key.partial.h5"
    path.write_text("half a header")
    (tmp_path / "key.progress").write_text('{"rows": 3}')
    assert RowWriter(path, "t", shape=(4, 2), dtype="float32", columns={}).done == 0


PROCESS = """
import sys, time
from pathlib import Path
import numpy as np
from histobench import PatchGeometry, Slide, SpotTable
from histobench.cache import Cache
from histobench.images.embedding import Compute, rows, slide_embeddings
from histobench.images import ArrayImage

root, seconds, n = Path(sys.argv[1]), float(sys.argv[2]), 60
rows.SAVE_SECONDS = 0.0

class Slow:
    identity, geometry, dim = "v1", PatchGeometry(patch_px=8, field_px=8), 3
    def embed(self, patches, /, *, device="cpu"):
        time.sleep(seconds)
        with (root / "embedded").open("a") as log:
            log.write(f"{len(patches)}\\n")
        return patches.mean(axis=(1, 2)).astype(np.float32)

random = np.random.default_rng(0)
pixels = random.integers(0, 256, (100, 100, 3), dtype=np.uint8)
table = SpotTable(
    slide=Slide(id="A1", patient="A"), spot_ids=tuple(f"spot-{i}" for i in range(n)), xy_um=np.zeros((n, 2)),
    xy_px=random.uniform(0, 100, (n, 2)), array=np.zeros((n, 2), np.int64),
)
print("ready", flush=True)
how = Compute(batch_size=5)
values = slide_embeddings(Cache(root), Slow(), ArrayImage(pixels), table, name="slow", how=how)
print(values.sum(), len(values))
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[[float], "subprocess.Popen[str]"]:
    def run(seconds: float) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", PROCESS, str(tmp_path), str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    return run


def patches_embedded(root: Path) -> int:
    log = root / "embedded"
    return sum(map(int, log.read_text().split())) if log.exists() else 0


def test_after_a_kill_only_the_rest_is_embedded(tmp_path: Path, start: Callable[[float], Any]) -> None:
    killed = start(0.3)
    while patches_embedded(tmp_path) < 20:
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    before = patches_embedded(tmp_path)
    assert before < 60
    finished = start(0.0)
    said = finished.communicate(timeout=120)[0].split()
    assert finished.returncode == 0
    assert said[-1] == "60"
    # at most the batch that was being written is done again
    assert 60 <= patches_embedded(tmp_path) <= 65


def test_two_processes_embed_a_slide_once(tmp_path: Path, start: Callable[[float], Any]) -> None:
    processes = [start(0.1), start(0.1)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0] == said[1]
    assert patches_embedded(tmp_path) == 60
