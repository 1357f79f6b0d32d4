"""The diffusion model against the numbers of its specification (specs/diffusion.md)."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from histobench import ShapeError
from histobench_heads.clip_diffusion.averaging import RunningMean
from histobench_heads.clip_diffusion.catalogue import CLIP_DIFFUSION
from histobench_heads.clip_diffusion.network import Networks, PixelSpace, make_scheduler, make_unet
from histobench_heads.clip_diffusion.options import DiffusionOptions
from histobench_heads.clip_diffusion.prompts import pad_prompts
from histobench_heads.clip_diffusion.sampling import draw_images, make_pipeline
from histobench_heads.clip_diffusion.training import Batch, Denoiser

pytestmark = pytest.mark.reference

TINY = DiffusionOptions(  # section 9
    latent_dim=16,
    pretrained=None,
    space="pixels",
    pixel_block=2,
    channels=(32, 64),
    attention=(True, False),
    layers=1,
    norm_groups=8,
    prompt_width=32,
    n_tokens=1,
    patch_px=16,
)


def _denoiser(options: DiffusionOptions = TINY) -> Denoiser:
    torch.manual_seed(0)
    space = PixelSpace(options.pixel_block)
    side = options.patch_px // options.pixel_block
    unet = make_unet(options, channels=space.config.latent_channels, side=side)
    return Denoiser(Networks(unet, space), torch.full((options.latent_dim,), 0.25), options)


def _autoencoder(channels: tuple[int, ...], *, layers: int, groups: int) -> nn.Module:
    levels = len(channels)
    made: nn.Module = AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=layers,
        latent_channels=4,
        norm_num_groups=groups,
    )
    return made


def test_parameter_counts_are_those_of_stable_diffusion(rule: SimpleNamespace) -> None:
    with torch.device("meta"):
        unet = make_unet(DiffusionOptions(), channels=4, side=64)
        autoencoder = _autoencoder((128, 256, 512, 512), layers=2, groups=32)
    assert [rule.count(unet), rule.count(autoencoder)] == [859_520_964, 83_653_863]
    assert list(CLIP_DIFFUSION.parameters.values()) == [859_520_964, 83_653_863]


def test_parameter_counts_are_those_of_the_smallest_configuration(rule: SimpleNamespace) -> None:
    assert rule.count(make_unet(TINY, channels=4, side=8)) == 792_964
    assert rule.count(_autoencoder((16, 32), layers=1, groups=8)) == 167_959


def test_an_embedding_of_five_numbers_is_padded_by_381_and_382_ones() -> None:
    vectors = torch.arange(10.0).reshape(2, 5) + 7
    prompts = pad_prompts(vectors)
    assert prompts.shape == (2, 77, 768)
    torch.testing.assert_close(prompts[:, 0, 381:386], vectors)
    assert (prompts[:, :, :381] == 1).all()
    assert (prompts[:, :, 386:] == 1).all()
    assert (prompts == prompts[:, :1]).all()


def test_an_embedding_too_wide_for_a_prompt_is_refused() -> None:
    with pytest.raises(ShapeError, match="at most 768 numbers to be a prompt, got 769: it would be cropped"):
        pad_prompts(torch.zeros(1, 769))


def test_the_noise_has_the_published_schedule() -> None:
    scheduler = make_scheduler("epsilon")
    steps = np.arange(1000)
    expected = (np.sqrt(0.00085) + (np.sqrt(0.012) - np.sqrt(0.00085)) * steps / 999) ** 2
    np.testing.assert_allclose(scheduler.betas.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["ddpm", "ddim"])
def test_fifty_steps_go_from_981_to_1(name: str) -> None:
    pipeline = make_pipeline(_denoiser(), replace(TINY, scheduler=name))
    pipeline.scheduler.set_timesteps(50)
    assert pipeline.scheduler.timesteps.tolist() == list(range(981, 0, -20))


def test_the_running_mean_decays_as_listed() -> None:
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    mean = RunningMean([weight], 0.9999)
    decays = {}
    for step in range(1, 1001):
        before = float(mean.get_buffer("mean0"))
        with torch.no_grad():
            weight.add_(1.0)
        mean.follow([weight])
        decays[step] = (float(mean.get_buffer("mean0")) - step) / (before - step)
    listed = {1: 0.0, 2: 0.1818, 10: 0.5263, 100: 0.9174, 1000: 0.9911}
    assert {step: round(decays[step], 4) for step in listed} == listed


def test_a_prompt_of_one_token_is_worth_as_much_as_of_77() -> None:
    unet = _denoiser().unet.eval()
    noisy, times = torch.randn(2, 12, 8, 8), torch.tensor([10, 900])
    vectors = torch.randn(2, 16)
    with torch.no_grad():
        one, many = (
            unet(noisy, times, encoder_hidden_states=pad_prompts(vectors, width=32, n_tokens=n)).sample for n in (1, 77)
        )
    torch.testing.assert_close(one, many, rtol=0, atol=1e-4)


def test_queries_and_keys_of_equal_tokens_learn_nothing() -> None:
    denoiser = _denoiser(replace(TINY, n_tokens=3))
    images = torch.randint(0, 256, (4, 16, 16, 3), dtype=torch.uint8)
    denoiser(Batch(images, torch.randn(4, 16))).backward()
    gradients: dict[str, Tensor] = {
        name: parameter.grad.abs().max()
        for name, parameter in denoiser.unet.named_parameters()
        if ".attn2." in name and parameter.grad is not None
    }
    blind = [float(value) for name, value in gradients.items() if "to_q" in name or "to_k" in name]
    seeing = [float(value) for name, value in gradients.items() if "to_v" in name]
    assert max(blind) < 1e-6 < min(seeing)


def test_guidance_of_one_is_none() -> None:
    denoiser = _denoiser()
    vectors = np.eye(2, 16, dtype=np.float32)
    few = replace(TINY, steps=3)
    drawn = {
        scale: draw_images(denoiser, vectors, [1, 2], options=replace(few, guidance_scale=scale))
        for scale in (0.0, 1.0, 1.001, 5.0)
    }
    np.testing.assert_array_equal(drawn[1.0], drawn[0.0])
    # just above one, both predictions are made and weighed, and give the same
    assert np.abs(drawn[1.0].astype(int) - drawn[1.001].astype(int)).max() <= 1
    assert np.abs(drawn[1.0].astype(int) - drawn[5.0].astype(int)).max() > 1
