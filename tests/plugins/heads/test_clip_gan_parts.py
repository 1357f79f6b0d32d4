"""StyleGAN-G's discriminator and its features, losses and schedules."""

import math
from collections.abc import Iterator

import pytest
import timm
import torch
from torch import nn

from histobench import ConfigError
from histobench.testing import ToyEncoder
from histobench.training import seeded
from histobench_heads.clip_gan.augment import change_colours, cut_out, diff_augment, shift
from histobench_heads.clip_gan.discriminator import Discriminator, LocalBatchNorm, SpectralConv
from histobench_heads.clip_gan.features import FrozenFeatures, choose_taps
from histobench_heads.clip_gan.losses import (
    angle_loss,
    blur_sigma,
    clip_weight,
    discriminator_loss,
    ema_decay,
    generator_loss,
    lr_factor,
)
from histobench_heads.clip_gan.options import ClipGanOptions
from histobench_heads.frames.frozen import frozen_module


@pytest.fixture(autouse=True)
def _one_stream() -> Iterator[None]:
    with seeded(0):
        yield


class Pixels(nn.Module):
    """A timm network that reads (n, h, w, 3) in 0 … 255, as an encoder's module does."""

    def __init__(self, name: str, **more: int) -> None:
        super().__init__()
        self.trunk = timm.create_model(name, num_classes=0, **more).eval().requires_grad_(False)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.trunk(patches.permute(0, 3, 1, 2) / 255)
        return embedded


def test_a_transformer_is_tapped_at_four_quarters_and_before_its_blocks() -> None:
    encoder = Pixels("vit_tiny_patch16_224", img_size=32)
    blocks = encoder.trunk.blocks
    taps = choose_taps(encoder)
    assert [(tap.layer, tap.before) for tap in taps] == [(blocks[k], False) for k in (2, 5, 8, 11)] + [
        (blocks[0], True)
    ]
    maps = FrozenFeatures(encoder, 32)(torch.zeros(2, 3, 64, 64))
    assert [tuple(m.shape) for m in maps] == [(2, 192, 4)] * 5


def test_the_class_token_is_added_to_every_patch_token() -> None:
    encoder = Pixels("vit_tiny_patch16_224", img_size=32)
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    seen: list[torch.Tensor] = []
    hook = encoder.trunk.blocks[2].register_forward_hook(lambda _m, _i, out: seen.append(out))
    maps = FrozenFeatures(encoder, 32)(images)
    hook.remove()
    torch.testing.assert_close(maps[0], (seen[0][:, 1:] + seen[0][:, :1]).transpose(1, 2))


@pytest.mark.parametrize(
    ("name", "widths"), [("resnet18", [64, 64, 128, 256, 512]), ("swin_tiny_patch4_window7_224", [96, 192, 384, 768])]
)
def test_a_network_of_stages_is_tapped_after_each(name: str, widths: list[int]) -> None:
    more = {"img_size": 224} if "swin" in name else {}
    assert FrozenFeatures(Pixels(name, **more), 224 if more else 32).widths() == widths


def test_any_other_encoder_is_tapped_along_its_longest_list() -> None:
    encoder = frozen_module(ToyEncoder(patch_px=16), "cpu")
    assert [tap.layer for tap in choose_taps(encoder)] == list(encoder.get_submodule("blocks").children())


def test_an_encoder_without_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="'Flatten' has no list of modules to take them from; use another encoder"):
        choose_taps(nn.Flatten())


def test_a_frozen_module_embeds_as_the_encoder_does() -> None:
    encoder = ToyEncoder(patch_px=16)
    patches = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    embedded = frozen_module(encoder, "cpu")(patches.float())
    torch.testing.assert_close(embedded, torch.from_numpy(encoder.embed(patches.numpy())))


def test_gradients_reach_the_image_and_never_the_encoder() -> None:
    encoder = frozen_module(ToyEncoder(patch_px=16), "cpu")
    discriminator = Discriminator(FrozenFeatures(encoder, 16), 4)
    images = torch.zeros(2, 3, 16, 16, requires_grad=True)
    discriminator(images, torch.randn(2, 4)).sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0
    assert all(p.grad is None for p in encoder.parameters())
    assert not encoder.training
    assert not any(name.startswith("_features") for name in discriminator.state_dict())


def test_large_images_are_cropped_every_second_time() -> None:
    seen: list[int] = []
    features = FrozenFeatures(frozen_module(ToyEncoder(patch_px=16), "cpu"), 16)
    discriminator = Discriminator(features, 4)
    features.register_forward_pre_hook(lambda _m, given: seen.append(given[0].shape[-1]))
    with torch.no_grad():
        for _ in range(12):
            discriminator(torch.zeros(1, 3, 240, 240), torch.zeros(1, 4))
    assert set(seen) == {224, 240}


def test_power_iteration_finds_the_largest_singular_value() -> None:
    layer = SpectralConv(6, 5, 3).train()
    with torch.no_grad():
        for _ in range(200):
            layer(torch.zeros(1, 6, 2))
        matrix = layer.weight_orig.flatten(1)
        sigma = layer.weight_u @ matrix @ layer.weight_v
    torch.testing.assert_close(sigma, torch.linalg.matrix_norm(matrix, 2))


def test_a_circular_convolution_goes_round() -> None:
    layer = SpectralConv(1, 1, 9).eval()
    with torch.no_grad():
        layer.weight_orig.fill_(0.0)[0, 0, 0] = 1.0
        layer.weight_u.fill_(1.0)
        layer.weight_v.fill_(0.0)[0] = 1.0
        layer.bias.zero_()
        shifted = layer(torch.arange(3.0).view(1, 1, 3))
    assert shifted[0, 0].tolist() == [2.0, 0.0, 1.0]  # four places back in a ring of three


def test_samples_are_normalised_in_eights() -> None:
    x = torch.randn(16, 3, 5)
    normed = LocalBatchNorm(3)(x)
    expected = nn.functional.batch_norm(x[8:], None, None, training=True)
    torch.testing.assert_close(normed[8:], expected)


def test_colours_are_changed_for_each_image_alone() -> None:
    grey = torch.zeros(4, 3, 2, 2)
    changed = change_colours(grey)
    assert len(changed[:, 0, 0, 0].unique()) == 4
    assert float(changed.abs().max()) <= 0.5


def test_shifts_move_an_eighth_at_most_and_fill_with_zero() -> None:
    images = torch.zeros(64, 1, 16, 16)
    images[:, :, 8, 8] = 1.0
    places = shift(images).flatten(1).argmax(dim=1)
    offsets = torch.stack([places // 16 - 8, places % 16 - 8])
    assert offsets.unique().tolist() == [-2, -1, 0, 1, 2]
    assert shift(images).sum(dim=(1, 2, 3)).tolist() == [1.0] * 64


def test_a_cut_is_a_fifth_wide_and_smaller_at_the_border() -> None:
    hidden = (cut_out(torch.ones(256, 3, 64, 64)) == 0).sum(dim=(1, 2, 3)) / 3
    assert float(hidden.max()) == 13 * 13
    assert float(hidden.min()) < 13 * 13


def test_augmentation_keeps_gradients() -> None:
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    diff_augment(images).sum().backward()
    assert images.grad is not None


def test_the_hinge_is_over_the_batch_once_more() -> None:
    fake, real = torch.tensor([[0.5], [-2.0]]), torch.tensor([[3.0], [0.0]])
    assert float(discriminator_loss(fake, real)) == pytest.approx((1.5 / 2 + 1.0 / 2) / 2)
    assert float(generator_loss(fake)) == pytest.approx(0.75 / 2)


def test_the_angle_of_equal_vectors_has_a_gradient() -> None:
    image = torch.tensor([[1.0, 0.0]], requires_grad=True)
    angle_loss(image, torch.tensor([[1.0, 0.0]])).backward()
    assert image.grad is not None
    assert bool(torch.isfinite(image.grad).all())


@pytest.mark.parametrize(
    ("schedule", "tick", "expected"),
    [
        ("const", 0, 0.2),
        ("step", 999, 0.0),
        ("step", 1000, 0.2),
        ("linear", 500, 0.1),
        ("linear", 5000, 0.2),
        ("exp", 0, 1e-5),
        ("exp", 10**9, 0.2),
    ],
)
def test_guidance_grows_by_its_schedule(schedule: str, tick: int, expected: float) -> None:
    assert clip_weight(schedule, 0.2, tick) == pytest.approx(expected)


def test_the_blur_fades() -> None:
    assert [blur_sigma(n, initial=32, fade_kimg=1000) for n in (0, 500_000, 2_000_000)] == [32, 16, 0]
    assert blur_sigma(0, initial=32, fade_kimg=1) == 0


def test_the_average_ramps_up_to_its_half_life() -> None:
    assert ema_decay(0, 128) == 0
    assert ema_decay(10**9, 128) == pytest.approx(0.5 ** (128 / 40_000))
    assert ema_decay(0, 128, ramp=False) == pytest.approx(0.5 ** (128 / 40_000))
    assert ema_decay(10_000, 128) == pytest.approx(0.5 ** (128 / 500))


def test_rates_are_halved_at_their_ticks() -> None:
    assert [lr_factor("step", tick, (400, 450, 500)) for tick in (399, 400, 475, 500)] == [1, 0.5, 0.25, 0.125]
    assert lr_factor("const", 500, (400,)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_px": 48}, "patch_px must be a power of two from 8 up, got 48"),
        ({"micro_batch": 0}, "micro_batch must be at least 1, got 0"),
        ({"g_lr": 0.0}, r"g_lr must be positive, got 0.0"),
        ({"kimg": -1.0}, "kimg must not be negative, got -1.0"),
        ({"channel_max": 48}, "32 groups must divide every number of channels, and the last block has 48"),
        ({"batch": 12}, "batch must be a multiple of micro_batch 8, got 12"),
        ({"batch": 24, "micro_batch": 12}, "micro_batch must be at most 8 or a multiple of 8"),
        ({"train_mode": "freeze7"}, "train_mode must be all, text_encoder, or freeze8 to freeze128, got 'freeze7'"),
    ],
)
def test_options_that_make_no_run_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClipGanOptions(**options)


def test_the_encoder_alone_learns_slowly() -> None:
    assert ClipGanOptions().generator_lr == 0.002
    assert ClipGanOptions(train_mode="text_encoder").generator_lr == 3e-6
    assert math.isclose(ClipGanOptions(train_mode="text_encoder", g_lr=0.1).generator_lr, 0.1)
