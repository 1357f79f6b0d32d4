"""The diffusion model: training, drawing, and resuming after a kill."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from histobench import (
    ConfigError,
    Counts,
    DataError,
    Drawing,
    FitContext,
    Float,
    Generated,
    LabelledSamples,
    Samples,
    Targets,
    WeightsError,
)
from histobench.testing import ToyEncoder
from histobench.training import checkpoints, seeded
from histobench_heads.clip_diffusion import catalogue, method
from histobench_heads.clip_diffusion.method import ClipDiffusion
from histobench_heads.clip_diffusion.network import Networks, PixelSpace, build_networks, make_unet, to_latents
from histobench_heads.clip_diffusion.options import DiffusionOptions
from histobench_heads.clip_diffusion.training import Batch, Denoiser, fit_denoiser

TINY = DiffusionOptions(
    latent_dim=16,
    hidden_dim=16,
    dropout=0.1,
    temperature=0.1,
    clip_epochs=60,
    clip_batch=64,
    clip_lr=3e-3,
    pretrained=None,
    space="pixels",
    pixel_block=4,
    channels=(32, 32),
    attention=(True, False),
    layers=1,
    heads=4,
    norm_groups=4,
    prompt_width=32,
    n_tokens=1,
    patch_px=16,
    uncond_mode="sample",
    prediction_type="v_prediction",
    epochs=20,
    accumulate=1,
    lr=2e-3,
    guidance_scale=1.5,
    steps=8,
    scheduler="ddim",
)
COLOURS = np.array([[200.0, 120.0, 160.0], [120.0, 60.0, 140.0]])
MARKERS = np.array([[30.0, 2.0, 5.0, 9.0], [2.0, 30.0, 5.0, 9.0]])


class _StopError(Exception):
    """What a killed fit leaves."""


def _context(**parts: Any) -> FitContext:  # Any: fields of all types
    return FitContext(seed=3, encoder=ToyEncoder(patch_px=16), **parts)


def _samples(n: int = 96, *, kind: int | None = None) -> LabelledSamples:
    """Spots of two clusters, alternating or all of one; marker genes determine the colour of the patch."""
    drawn = np.random.default_rng(n)
    cluster = np.arange(n) % 2 if kind is None else np.full(n, kind)
    patches = COLOURS[cluster][:, None, None] + drawn.normal(0, 8, (n, 16, 16, 3))
    counts = drawn.poisson(MARKERS[cluster]).astype(np.float32)
    return LabelledSamples(
        slide_ids=np.full(n, "s1"),
        spot_ids=np.array([f"{row}" for row in range(n)]),
        xy_um=np.zeros((n, 2)),
        array=np.zeros((n, 2), dtype=np.int64),
        patches=np.clip(patches, 0, 255).astype(np.uint8),
        counts=Counts(names=("A", "B", "C", "D"), values=counts),
        targets=Targets(kind="generate", names=("A",), values=counts[:, :1]),
    )


def _prompts(samples: Samples) -> Samples:
    return replace(samples, patches=None)


def _vectors(n: int) -> Float:
    return np.eye(2, 16, dtype=np.float32)[np.arange(n) % 2]


def _denoiser(options: DiffusionOptions, unet: nn.Module | None = None) -> Denoiser:
    with seeded(0):
        networks = build_networks(options)
        return Denoiser(Networks(unet or networks.unet, networks.vae), torch.full((16,), 0.25), options)


@pytest.fixture(scope="module")
def learned() -> SimpleNamespace:
    """A method that learned two colours, and the numbers that it reported."""
    numbers: list[tuple[int, Mapping[str, float]]] = []
    drawer = ClipDiffusion(TINY)
    drawer.fit(_samples(), None, _context(report=lambda epoch, found: numbers.append((epoch, found))))
    return SimpleNamespace(drawer=drawer, numbers=numbers)


def test_the_loss_falls(learned: SimpleNamespace) -> None:
    losses = [found["loss"] for _, found in learned.numbers if "loss" in found]
    assert len(losses) == TINY.epochs
    assert np.mean(losses[-3:]) < 0.9 * losses[0]
    assert [epoch for epoch, _ in learned.numbers] == list(range(TINY.clip_epochs + TINY.epochs))


def test_the_colour_follows_the_prompt(learned: SimpleNamespace) -> None:
    means = []
    for kind in (0, 1):
        drawn: Generated = learned.drawer.predict(_prompts(_samples(12, kind=kind)))
        assert drawn.images.shape == (12, 16, 16, 3)
        means.append(drawn.images.mean(axis=(0, 1, 2)))
    difference, wanted = means[0] - means[1], COLOURS[0] - COLOURS[1]
    assert (np.abs(difference - wanted) < 0.5 * wanted).all()


def test_drawn_patches_come_with_vectors_of_the_shared_space(learned: SimpleNamespace) -> None:
    output: Generated = learned.drawer.predict(_prompts(_samples(6)))
    assert output.image is not None
    assert output.expression is not None
    np.testing.assert_allclose(np.linalg.norm(output.image, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(output.expression, learned.drawer.prompts(_samples(6).counts))


def test_a_patch_does_not_depend_on_its_company(learned: SimpleNamespace) -> None:
    whole = _prompts(_samples(6))
    alone = learned.drawer.predict(whole.take(np.array([4, 1])))
    together = learned.drawer.predict(whole).images[[4, 1]]
    assert np.abs(alone.images.astype(int) - together).max() <= 1  # a pixel may be rounded the other way


def test_what_is_read_back_draws_the_same(learned: SimpleNamespace, tmp_path: Path) -> None:
    learned.drawer.save(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    again = ClipDiffusion(TINY)
    again.load(tmp_path, _context())
    first, second = (one.predict(_prompts(_samples(4))) for one in (learned.drawer, again))
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.image, second.image)


def test_seeds_and_samples_of_a_prompt_stand_side_by_side(learned: SimpleNamespace) -> None:
    prompts = learned.drawer.prompts(_samples(2, kind=0).counts)[[0, 0]]
    drawn = learned.drawer.draw(prompts, Drawing(seeds=(5, 6), n_samples=2))
    assert drawn.shape == (2, 4, 16, 16, 3)
    assert len({image.tobytes() for image in drawn.reshape(8, -1)}) == 8
    np.testing.assert_array_equal(drawn[:, 2:], learned.drawer.draw(prompts, Drawing(seeds=(6,), n_samples=2)))


def test_what_only_the_other_generator_can_do_is_refused(learned: SimpleNamespace) -> None:
    prompts = learned.drawer.prompts(_samples(2, kind=0).counts)
    with pytest.raises(ConfigError, match="clip-diffusion has no truncation, rotate: leave them out"):
        learned.drawer.draw(prompts, Drawing(truncation=0.5, rotate=90.0))


def test_the_same_seed_gives_every_prompt_the_same_noise(learned: SimpleNamespace) -> None:
    prompts = learned.drawer.prompts(_samples(2, kind=0).counts)[[0, 0]]
    drawn = learned.drawer.draw(prompts, Drawing(seeds=(5,), n_samples=2, same_seed=True))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0, 0] != drawn[0, 1]).any()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of the library's own
@pytest.mark.parametrize("scheduler", ["ddpm", "ddim", "dpmsolver"])
def test_every_scheduler_draws_the_colour(learned: SimpleNamespace, scheduler: str) -> None:
    drawer = learned.drawer
    before, drawer.options = drawer.options, replace(TINY, scheduler=scheduler, steps=10)
    prompts = drawer.prompts(_samples(8).counts)
    drawn = drawer.draw(prompts, Drawing())[:, 0].mean(axis=(1, 2))
    drawer.options = before
    assert (drawn[::2].mean(axis=0)[:2] > drawn[1::2].mean(axis=0)[:2] + 20).all()


def test_shuffled_prompts_are_the_same_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Float] = []

    def keep(_patches: object, vectors: Float, _nothing: Float, **_: object) -> None:
        given.append(vectors)
        raise _StopError

    monkeypatch.setattr(method, "fit_denoiser", keep)
    for shuffle in (False, True):
        with pytest.raises(_StopError):
            ClipDiffusion(replace(TINY, clip_epochs=1, shuffle_prompts=shuffle)).fit(_samples(), None, _context())
    assert (given[0] != given[1]).any()
    np.testing.assert_array_equal(np.sort(given[0], axis=0), np.sort(given[1], axis=0))


def _short(folder: Path | None, *, stop_at: int | None = None) -> dict[str, Tensor]:
    """Train two epochs of three batches, two a step, or die after one; give the weights and their mean."""

    def report(epoch: int, _: Mapping[str, float]) -> None:
        if epoch == stop_at:
            raise _StopError

    options = replace(TINY, epochs=2, batch=8, accumulate=2, channels=(8, 8))
    context = FitContext(seed=1, resume=folder, report=report)
    patches = _samples(24).patches
    assert patches is not None
    kept: dict[str, Tensor] = {}
    finish = Denoiser.finish
    with pytest.MonkeyPatch.context() as patch:
        # the weights themselves are looked at before the mean takes their place
        def keep(self: Denoiser) -> Networks:
            kept.update({name: tensor.clone() for name, tensor in self.state_dict().items()})
            return finish(self)

        patch.setattr(Denoiser, "finish", keep)
        with seeded(0):
            networks = build_networks(options)
        nothing = np.zeros(16, dtype=np.float32)
        fit_denoiser(patches, _vectors(24), nothing, networks=networks, options=options, context=context)
    return kept


def _assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_checkpoints_change_nothing_and_a_killed_fit_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", 0.0)
    plain = _short(None)
    _assert_same(plain, _short(tmp_path / "whole"))
    with pytest.raises(_StopError):
        _short(tmp_path / "killed", stop_at=0)
    _assert_same(plain, _short(tmp_path / "killed"))
    assert int(plain["mean.steps"]) == 4  # two steps an epoch, the last of each of one batch
    assert (plain["mean.mean0"] != plain["unet.conv_in.weight"]).any()


def test_images_are_drawn_with_the_mean_of_the_weights() -> None:
    denoiser = _denoiser(TINY)
    with torch.no_grad():
        denoiser.unet.conv_in.weight.fill_(1.0)
        denoiser.follow()
        denoiser.unet.conv_in.weight.fill_(2.0)
        denoiser.follow()
    mean = 2.0 - 2 / 11  # the second step's decay
    torch.testing.assert_close(denoiser.finish().unet.conv_in.weight.mean().item(), mean)


def test_without_a_mean_the_weights_draw_themselves() -> None:
    denoiser = _denoiser(replace(TINY, use_ema=False))
    before = denoiser.unet.conv_in.weight.clone()
    denoiser.follow()
    assert torch.equal(denoiser.finish().unet.conv_in.weight, before)


@pytest.mark.parametrize(("mode", "counts"), [("batch", {0, 8}), ("sample", {2, 3, 4, 5, 6})])
def test_prompts_are_dropped_by_the_batch_or_one_by_one(mode: Any, counts: set[int]) -> None:
    denoiser = _denoiser(replace(TINY, uncond_mode=mode, p_uncond=0.5))
    seen: list[int] = []
    denoiser.prompts.register_forward_pre_hook(
        lambda _, given: seen.append(int((given[0] == denoiser.nothing).all(dim=1).sum()))
    )
    batch = Batch(torch.zeros(8, 16, 16, 3, dtype=torch.uint8), torch.randn(8, 16))
    with seeded(1), torch.no_grad():
        for _ in range(6):
            denoiser(batch)
    assert set(seen) <= counts
    assert len(set(seen)) > 1


class _Silent(nn.Module):
    """Predicts zero, so that the loss is the target's mean square; remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))
        self.shown = torch.empty(0)

    def forward(self, noisy: Tensor, times: Tensor, *, encoder_hidden_states: Tensor) -> SimpleNamespace:
        self.shown = noisy
        return SimpleNamespace(sample=noisy * self.scale)


def _silent_loss(**options: Any) -> tuple[float, float]:  # Any: options of all types
    """Return the loss of a zero prediction, and the deviation of the input, on mid-grey patches."""
    silent = _Silent()
    denoiser = _denoiser(replace(TINY, **{"prediction_type": "epsilon", **options}), silent)
    batch = Batch(torch.full((512, 16, 16, 3), 127, dtype=torch.uint8), torch.randn(512, 16))
    with seeded(5), torch.no_grad():
        return float(denoiser(batch)), float(silent.shown.std())


def test_noise_has_unit_variance_and_an_offset_adds_its_own() -> None:
    assert _silent_loss()[0] == pytest.approx(1.0, rel=0.02)
    assert _silent_loss(noise_offset=2.0)[0] == pytest.approx(5.0, rel=0.05)


def test_perturbed_input_is_seen_and_not_predicted() -> None:
    plain, perturbed = _silent_loss(), _silent_loss(input_perturbation=2.0)
    assert perturbed[0] == plain[0]
    assert perturbed[1] == pytest.approx(np.sqrt(5) * plain[1], rel=0.05)


def test_a_cap_on_the_signal_weighs_the_loss() -> None:
    from_noise = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square()
    left = torch.cumprod(1 - from_noise, dim=0)
    snr = left / (1 - left)
    capped = snr.clamp(max=5.0)
    assert _silent_loss(snr_gamma=5.0)[0] == pytest.approx(float((capped / snr).mean()), rel=0.1)
    velocity = float((capped / (snr + 1) * left).mean())  # of the noise in it; the patches are grey
    assert _silent_loss(snr_gamma=5.0, prediction_type="v_prediction")[0] == pytest.approx(velocity, rel=0.1)


def test_pixels_become_channels_and_back() -> None:
    images = torch.arange(2 * 16 * 16 * 3).remainder(256).to(torch.uint8).reshape(2, 16, 16, 3)
    space = PixelSpace(4)
    latents = to_latents(space, images)
    assert latents.shape == (2, 48, 4, 4)
    assert latents[0, 0, 0, 0] == -1
    (back,) = space.decode(latents)
    torch.testing.assert_close((back.movedim(1, -1) + 1) * 127.5, images.float())


def test_a_linear_projection_is_learned_kept_and_averaged(tmp_path: Path) -> None:
    options = replace(TINY, projection="linear", latent_dim=40, epochs=1, clip_epochs=1)
    drawer = ClipDiffusion(options)
    drawer.fit(_samples(32), None, _context())
    drawer.save(tmp_path)
    again = ClipDiffusion(options)
    again.load(tmp_path, _context())
    first, second = (one.predict(_prompts(_samples(2))).images for one in (drawer, again))
    np.testing.assert_array_equal(first, second)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder as the library writes it, with a tiny autoencoder that halves the sides twice."""
    torch.manual_seed(0)
    folder = tmp_path / "stable-diffusion"
    make_unet(TINY, channels=4, side=4).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
    ).save_pretrained(folder / "vae")
    return folder


def test_a_pretrained_model_is_trained_on_in_its_latents(published: Path, tmp_path: Path) -> None:
    options = replace(TINY, pretrained=str(published), space="latent", epochs=1, clip_epochs=1)
    drawer = ClipDiffusion(options)
    drawer.fit(_samples(32), _samples(16), _context())
    drawer.save(tmp_path / "saved")
    again = ClipDiffusion(options)
    again.load(tmp_path / "saved", _context())
    first, second = (one.predict(_prompts(_samples(2))).images for one in (drawer, again))
    np.testing.assert_array_equal(first, second)
    before, after = (build_networks(replace(options, pretrained=str(f))) for f in (published, tmp_path / "saved"))
    assert torch.equal(before.vae.encoder.conv_in.weight, after.vae.encoder.conv_in.weight)
    assert (before.unet.conv_in.weight != after.unet.conv_in.weight).any()


def test_the_mean_of_a_published_checkpoint_is_preferred(published: Path) -> None:
    torch.manual_seed(1)
    mean = make_unet(TINY, channels=4, side=4)
    options = replace(TINY, pretrained=str(published), space="latent")
    assert (build_networks(options).unet.conv_in.weight != mean.conv_in.weight).any()
    mean.save_pretrained(published / "unet_ema")
    assert torch.equal(build_networks(options).unet.conv_in.weight, mean.conv_in.weight)


def test_networks_that_do_not_fit_are_refused(published: Path) -> None:
    options = replace(TINY, pretrained=str(published), space="latent")
    with pytest.raises(ConfigError, match="reads prompts of width 32, prompt_width is 64"):
        build_networks(replace(options, prompt_width=64))
    with pytest.raises(ConfigError, match="denoises 4 channels, the space has 48"):
        build_networks(replace(options, space="pixels"))
    with pytest.raises(ConfigError, match="patch_px 8 gives latents of side 1, which the levels cannot halve"):
        build_networks(replace(TINY, patch_px=8, pixel_block=8))


def test_weights_that_are_nowhere_are_told_with_the_way_out(tmp_path: Path) -> None:
    missing = replace(TINY, pretrained=str(tmp_path / "none"), space="latent")
    with pytest.raises(WeightsError, match=r"starts from '.*none', but its vae is not available .*hf download"):
        build_networks(missing)


def test_a_missing_library_is_told_with_the_command_that_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None if name == "diffusers" else object())
    with pytest.raises(ConfigError, match=r"needs diffusers, .*: pip install 'histobench\[generate\]'"):
        catalogue.CLIP_DIFFUSION.build(DiffusionOptions())


def test_prompts_need_counts_and_learning_needs_patches_and_an_encoder(learned: SimpleNamespace) -> None:
    samples = _samples(4)
    with pytest.raises(DataError, match="clip-diffusion needs raw counts, and these samples have none"):
        learned.drawer.predict(replace(samples, counts=None))
    with pytest.raises(DataError, match="clip-diffusion needs patches, and these samples have none"):
        ClipDiffusion(TINY).fit(replace(samples, patches=None), None, _context())
    with pytest.raises(DataError, match="needs an encoder for its features, and the context has none"):
        ClipDiffusion(TINY).fit(samples, None, FitContext(seed=0))
    with pytest.raises(ConfigError, match="has learned nothing yet"):
        ClipDiffusion(TINY).predict(samples)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_tokens": 0}, "n_tokens must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"p_uncond": 1.0}, "p_uncond must be at least 0 and less than 1, got 1.0"),
        ({"p_uncond": 0.0}, "guidance_scale 3.0 needs training without a prompt"),
        ({"patch_px": 100}, "patch_px must be a multiple of 8, got 100"),
        ({"pixel_block": 3}, "pixel_block must be a power of two, got 3"),
        ({"channels": (320, 640)}, "must name the same levels, got 2 and 4"),
        ({"norm_groups": 3}, "multiples of norm_groups 3 and of heads 8, got 320"),
        ({"latent_dim": 1024}, r"latent_dim \(1024\) must not exceed prompt_width \(768\)"),
        ({"pretrained": None}, "space 'latent' needs a pretrained autoencoder"),
    ],
)
def test_options_that_make_no_model_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DiffusionOptions(**options)
