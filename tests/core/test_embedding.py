"""Patches and embeddings are made once, and again when anything that decides them changes."""

import pickle
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from histobench.cache import Cache, digest
from histobench.contracts import PatchGeometry
from histobench.data import Float, Slide, SpotTable, Targets, UInt8
from histobench.embedding import EmbeddingKey, PatchKey, PatchStack, StoredPatches, slide_embeddings, slide_patches
from histobench.errors import DataError, ShapeError
from histobench.images import ArrayImage, cut_patches

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

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        self.embedded += len(patches)
        means: Float = patches.mean(axis=(1, 2)).astype(np.float32)
        return means


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


def test_the_stored_dtype_is_part_of_the_key(given: Given) -> None:
    patches = PatchKey.of(ArrayImage(given.pixels), given.table, GEOMETRY)
    full = EmbeddingKey(patches=patches, encoder="e", identity="i")
    assert digest(asdict(full)) != digest(asdict(replace(full, dtype="float16")))


def test_the_cutting_recipe_is_part_of_the_key(given: Given) -> None:
    key = PatchKey.of(ArrayImage(given.pixels), given.table, GEOMETRY)
    assert digest(asdict(key)) != digest(asdict(replace(key, recipe=key.recipe + 1)))


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
