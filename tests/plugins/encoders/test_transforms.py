"""What a network sees of a patch, to the level, against Pillow and plain arithmetic."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from histobench import UInt8
from histobench_encoders.entries import ENTRIES
from histobench_encoders.timm_encoder import PatchNetwork
from histobench_encoders.transforms import centre_crop, resample

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def patch(side: int) -> UInt8:
    """A patch with edges, where a wrong filter shows."""
    drawn = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    drawn[: side // 2, : side // 3] = 255
    return drawn


def by_pillow(given: UInt8, side: int, interpolation: str) -> UInt8:
    return np.asarray(Image.fromarray(given).resize((side, side), FILTERS[interpolation]))


def channels_first(given: UInt8) -> Tensor:
    return torch.from_numpy(given.copy())[None].permute(0, 3, 1, 2)


def normalised(given: UInt8, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(level / 255 - mean) / std, channel by channel."""
    planes = [(given[..., c].astype(np.float64) / 255 - mean[c]) / std[c] for c in range(3)]
    return torch.from_numpy(np.stack(planes)[None]).float()


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("side", "target"), [(56, 64), (64, 56), (56, 112), (100, 37), (48, 48)])
def test_resampling_is_pillows_to_the_level(side: int, target: int, interpolation: str) -> None:
    given = patch(side)
    ours = resample(channels_first(given), target, interpolation)  # type: ignore[arg-type]
    expected = by_pillow(given, target, interpolation).astype(np.float32)
    np.testing.assert_array_equal(ours[0].permute(1, 2, 0).numpy(), expected)


def test_bilinear_by_hand() -> None:
    """Twice as wide: new pixels lie at a quarter and three quarters between the old."""
    row = np.tile(np.array([0, 100], dtype=np.uint8)[None, :, None], (2, 1, 3))
    ours = resample(channels_first(row), 4, "bilinear")
    assert ours[0, 0].tolist() == [[0, 25, 75, 100]] * 4


def test_the_middle_is_cut() -> None:
    image = torch.arange(36.0).view(1, 1, 6, 6)
    assert centre_crop(image, 2).flatten().tolist() == [14, 15, 20, 21]


@pytest.mark.parametrize("name", ENTRIES)
def test_a_patch_of_its_own_size_is_normalised_and_nothing_else(name: str) -> None:
    entry = ENTRIES[name]
    given = patch(entry.patch_px)
    seen = PatchNetwork(nn.Identity(), entry).normalise(torch.from_numpy(given)[None])
    torch.testing.assert_close(seen, normalised(given, entry.mean, entry.std), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry.resize_px])
def test_hests_patch_goes_through_the_published_transform(name: str) -> None:
    """Resize, crop, scale, normalise: encoders.md, section 4."""
    entry = ENTRIES[name]
    given = patch(224)
    seen = PatchNetwork(nn.Identity(), entry.for_hest()).normalise(torch.from_numpy(given)[None])
    resized = by_pillow(given, entry.resize_px, entry.interpolation)  # type: ignore[arg-type]
    edge = (len(resized) - (entry.crop_px or len(resized))) // 2
    cropped = resized[edge : len(resized) - edge, edge : len(resized) - edge]
    torch.testing.assert_close(seen, normalised(cropped, entry.mean, entry.std), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "side", "microns"), [("gigapath", 224, 98.0), ("conch-v1", 448, 112.0), ("uni", 224, 112.0)]
)
def test_published_transforms_change_the_field_of_view_as_told(name: str, side: int, microns: float) -> None:
    """Of 112 µm GigaPath sees the middle 98, and CONCH all of them at twice the magnification."""
    entry = ENTRIES[name].for_hest()
    seen = PatchNetwork(nn.Identity(), entry).normalise(torch.zeros(1, 224, 224, 3, dtype=torch.uint8))
    assert seen.shape[-1] == side
    assert entry.resize_px is not None
    assert side / entry.resize_px * 112 == microns
