"""StyleGAN-G learns a condition, resumes after a kill, and draws on demand."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from histobench import (
    ConfigError,
    Counts,
    DataError,
    Drawing,
    FitContext,
    Float,
    Int,
    LabelledSamples,
    PatchGeometry,
    Samples,
    ShapeError,
    Targets,
)
from histobench.testing import ToyEncoder
from histobench_encoders.colour_stats import ColourStats
from histobench_heads.clip_gan.drawing import latents
from histobench_heads.clip_gan.method import ClipGan
from histobench_heads.clip_gan.options import ClipGanOptions
from histobench_heads.clip_gan.state import GanState
from histobench_heads.clip_gan.training import follow

PX = 8
GENES = 10
COLOURS = np.array([[200.0, 90.0, 120.0], [90.0, 140.0, 210.0]])

TINY = {
    "patch_px": PX,
    "latent_dim": 16,
    "hidden_dim": 16,
    "dropout": 0.1,
    "temperature": 0.1,
    "clip_epochs": 10,
    "clip_batch": 64,
    "clip_lr": 1e-2,
    "channel_base": 32 * PX,
    "channel_max": 32,
    "res_blocks": 1,
    "condition_gain": 4.0,
    "batch": 16,
    "micro_batch": 16,
    "g_lr": 0.01,
    "d_lr": 0.005,
    "kimg": 0.032,
    "tick_kimg": 0.016,
    "blur_fade_kimg": 0.0,
}


def options(**more: object) -> ClipGanOptions:
    return ClipGanOptions(**{**TINY, **more})


def classes(n: int, seed: int) -> Int:
    return np.random.default_rng(seed).integers(0, 2, n)


def two_colours(n: int = 96, *, seed: int = 0) -> LabelledSamples:
    """Make spots of two classes, each with its colour and its marker genes."""
    kind, draw = classes(n, seed), np.random.default_rng(seed + 1)
    pixels = COLOURS[kind][:, None, None] + draw.normal(0, 15, (n, PX, PX, 3))
    rates = np.where(np.arange(GENES) // 5 == kind[:, None], 20.0, 1.0)
    genes = tuple(f"G{k}" for k in range(GENES))
    counts = draw.poisson(rates).astype(np.float32)
    return LabelledSamples(
        slide_ids=np.full(n, "S1"),
        spot_ids=np.arange(n).astype(str),
        xy_um=np.zeros((n, 2)),
        array=np.zeros((n, 2), int),
        patches=np.clip(pixels, 0, 255).astype(np.uint8),
        counts=Counts(names=genes, values=counts),
        targets=Targets(kind="generate", names=genes, values=np.log1p(counts)),
    )


def prompts_of(samples: LabelledSamples) -> Samples:
    names = ("slide_ids", "spot_ids", "xy_um", "array", "counts")
    return Samples(**{name: getattr(samples, name) for name in names})


def context(**more: object) -> FitContext:
    return FitContext(**{"seed": 0, "encoder": ToyEncoder(patch_px=PX), **more})


def fitted(samples: LabelledSamples | None = None, **more: object) -> ClipGan:
    method = ClipGan(options(**more))
    method.fit(two_colours() if samples is None else samples, None, context())
    return method


def weights(method: ClipGan, folder: Path) -> bytes:
    method.save(folder)
    return (folder / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def brief() -> ClipGan:
    """A method that was trained for two ticks."""
    return fitted()


def contrast(images: Float, kind: Int) -> Float:
    """Subtract the mean colour drawn for one class from the other's: (3,)."""
    colours = images.reshape(len(images), -1, 3).mean(axis=1)
    found: Float = colours[kind == 0].mean(axis=0) - colours[kind == 1].mean(axis=0)
    return found


def test_a_trained_generator_heeds_its_prompt_and_others_do_not() -> None:
    test = two_colours(64, seed=5)
    wanted, kind = COLOURS[0] - COLOURS[1], classes(64, 5)
    errors = {}
    for name, more in {
        "trained": {},
        "untrained": {"kimg": 0.0},
        "shuffled": {"shuffle_prompts": True},
    }.items():
        method = fitted(**{"kimg": 0.6, "tick_kimg": 0.6, **more})
        found = contrast(method.predict(prompts_of(test)).images, kind)
        errors[name] = float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    assert errors["trained"] < 0.6
    assert errors["untrained"] > 0.9
    assert errors["shuffled"] > 0.9


def test_a_killed_fit_goes_on_bit_for_bit(tmp_path: Path, brief: ClipGan) -> None:
    def die(epoch: int, numbers: Mapping[str, float]) -> None:
        if epoch == 11:  # of ten epochs and two ticks
            raise KeyboardInterrupt

    samples, folder = two_colours(), tmp_path / "resume"
    with pytest.raises(KeyboardInterrupt):
        ClipGan(options()).fit(samples, None, context(resume=folder, report=die))
    reported: list[int] = []
    resumed = ClipGan(options())
    resumed.fit(samples, None, context(resume=folder, report=lambda epoch, _: reported.append(epoch)))
    assert reported == list(range(12))
    assert weights(resumed, tmp_path / "a") == weights(brief, tmp_path / "b")
    assert not list(folder.rglob("*.pkl"))


def test_a_damaged_checkpoint_is_begun_anew(tmp_path: Path, brief: ClipGan) -> None:
    (tmp_path / "gan.ckpt").write_bytes(b"half of a checkpoint")
    again = ClipGan(options())
    again.fit(two_colours(), None, context(resume=tmp_path))
    assert weights(again, tmp_path / "a") == weights(brief, tmp_path / "b")


def test_a_spot_is_drawn_alike_in_any_company(brief: ClipGan) -> None:
    samples = prompts_of(two_colours())
    whole, one = brief.predict(samples).images[[7]], brief.predict(samples.take(np.array([7]))).images
    assert np.abs(whole.astype(int) - one).max() <= 1


def test_what_is_drawn_is_placed_in_the_shared_space(brief: ClipGan) -> None:
    drawn = brief.predict(prompts_of(two_colours()))
    assert drawn.image is not None
    np.testing.assert_allclose(np.linalg.norm(drawn.image, axis=1), 1, atol=1e-5)


def test_prompts_are_their_counts_or_their_expression(brief: ClipGan) -> None:
    samples = prompts_of(two_colours())
    assert samples.counts is not None
    assert brief.vocabulary is not None
    found = brief.prompts(samples.counts)
    np.testing.assert_array_equal(found, brief.encode(brief.vocabulary.read(samples.counts)))
    assert found.shape == (96, 16)


def test_one_stream_of_latents_runs_through_all_images_of_a_seed() -> None:
    stream = np.random.RandomState(4).randn(6, 64)
    np.testing.assert_array_equal(latents(4, 3, Drawing(n_samples=2)).reshape(6, 64), stream)
    same = latents(4, 3, Drawing(n_samples=2, same_seed=True))
    np.testing.assert_array_equal(same, np.stack([stream[:2]] * 3))


def test_drawings_repeat_and_seeds_differ(brief: ClipGan) -> None:
    prompts = np.eye(2, 16)
    one = brief.draw(prompts, Drawing(seeds=(1, 2), n_samples=3, noise_mode="random"))
    assert one.shape == (2, 6, PX, PX, 3)
    np.testing.assert_array_equal(one, brief.draw(prompts, Drawing(seeds=(1, 2), n_samples=3, noise_mode="random")))
    np.testing.assert_array_equal(
        one[:, 3:], brief.draw(prompts, Drawing(seeds=(2,), n_samples=3, noise_mode="random"))
    )
    assert (one[:, :3] != one[:, 3:]).any()


def test_without_truncated_latents_and_noise_a_prompt_has_one_image(brief: ClipGan) -> None:
    images = brief.draw(np.eye(1, 16), Drawing(seeds=(1, 2), truncation=0.0, noise_mode="none"))
    np.testing.assert_array_equal(images[0, 0], images[0, 1])


def test_a_turned_image_leaves_the_generator_as_it_was(brief: ClipGan) -> None:
    prompts = np.eye(1, 16)
    plain = brief.draw(prompts, Drawing())
    assert (brief.draw(prompts, Drawing(rotate=90.0, translate=(0.2, 0.0))) != plain).any()
    np.testing.assert_array_equal(brief.draw(prompts, Drawing()), plain)


@pytest.mark.parametrize("given", [np.ones(16), np.ones((2, 5))])
def test_prompts_of_another_width_are_refused(brief: ClipGan, given: Float) -> None:
    with pytest.raises(ShapeError, match=r"prompts must be \(p, \w+\) embeddings"):
        brief.draw(given, Drawing())


@pytest.mark.parametrize(
    ("mode", "moved"),
    [
        ({"train_mode": "text_encoder", "condition_dropout": True}, {"mapping.c_encoder"}),
        ({"train_mode": "freeze8", "patch_px": 16, "channel_base": 512}, {"synthesis.b16", "synthesis.b8.torgb"}),
    ],
)
def test_a_mode_trains_its_part_alone(mode: dict[str, object], moved: set[str], tmp_path: Path) -> None:
    samples = two_colours()
    if mode.get("patch_px"):
        samples = replace(samples, patches=np.repeat(np.repeat(samples.patches, 2, 1), 2, 2))
    before, after = fitted(samples, **mode, kimg=0.0), fitted(samples, **mode, g_lr=0.01)
    old, new = (dict(m._generator.named_parameters()) for m in (before, after))
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert {name for name in changed if not name.startswith(tuple(moved))} == set()
    assert all(any(name.startswith(part) for name in changed) for part in moved)


@pytest.mark.parametrize(
    "more",
    [
        {"gene_encoder": "mlp", "rec_weight": 1.0},
        {"condition_dropout": True, "clip_weight": 0.1, "clip_crop": 4, "blur_fade_kimg": 2.0},
        {"micro_batch": 8, "g_lr_schedule": "step"},
    ],
)
def test_every_way_to_train_is_saved_and_drawn_again(more: dict[str, object], tmp_path: Path) -> None:
    method, samples = fitted(**more), prompts_of(two_colours())
    method.save(tmp_path)
    loaded = ClipGan(options(**more))
    loaded.load(tmp_path, context(seed=9))
    np.testing.assert_array_equal(loaded.predict(samples).images, method.predict(samples).images)


def test_a_generator_goes_on_from_another(tmp_path: Path, brief: ClipGan) -> None:
    brief.save(tmp_path)
    method = fitted(start_from=str(tmp_path), kimg=0.0)
    samples = prompts_of(two_colours())
    np.testing.assert_array_equal(method.predict(samples).images, brief.predict(samples).images)


def test_a_start_that_is_no_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="start_from must name the folder of a saved method"):
        fitted(start_from=str(tmp_path))
    file = tmp_path / "weights.safetensors"
    for tensors, complaint in (
        ({"clip.weight": torch.zeros(1)}, "has no generator; name a folder that clip-gan saved"),
        ({"generator.mapping.strange": torch.zeros(1)}, "none of the 1 tensors of that generator fits"),
    ):
        save_file(tensors, file)
        with pytest.raises(DataError, match=complaint):
            fitted(start_from=str(tmp_path))
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(DataError, match=r"start_from: .* cannot be read"):
        fitted(start_from=str(tmp_path))


def test_the_average_keeps_its_share_and_copies_buffers() -> None:
    average, module = (torch.nn.BatchNorm1d(1) for _ in range(2))
    torch.nn.init.constant_(module.weight, 3.0)
    module.running_mean.fill_(5.0)
    follow(average, module, 0.75)
    assert average.weight.tolist() == [1.5]
    assert average.running_mean.tolist() == [5.0]


def test_rows_come_evenly_and_not_twice_in_a_short_while() -> None:
    network = torch.nn.Linear(1, 1)
    state = GanState.begin(network, network, 20, options=options(), seed=0)
    rows: list[int] = []
    for state.shown in range(0, 400, 5):
        rows += state.next_rows(5, seed=0).tolist()
    places = [np.flatnonzero(np.array(rows) == row) for row in range(20)]
    assert min(len(p) for p in places) >= 10
    assert min(int(np.diff(p).min()) for p in places) >= 10


def test_what_is_missing_is_told(brief: ClipGan) -> None:
    samples = two_colours()
    for lacking, message in (
        ("patches", "clip-gan needs patches, and these samples have none"),
        ("counts", "clip-gan needs raw counts, and these samples have none"),
    ):
        with pytest.raises(DataError, match=message):
            ClipGan(options()).fit(replace(samples, **{lacking: None}), None, context())
    with pytest.raises(ConfigError, match="needs a frozen encoder for its discriminator, and the context has none"):
        ClipGan(options()).fit(samples, None, FitContext(seed=0))
    with pytest.raises(ConfigError, match="and ColourStats is not a"):
        ClipGan(options()).fit(samples, None, FitContext(seed=0, encoder=ColourStats(PatchGeometry(patch_px=PX))))
    with pytest.raises(ConfigError, match="this method has not learned to draw"):
        ClipGan(options()).draw(np.eye(1, 16), Drawing())


def test_real_patches_are_placed_as_drawn_ones_are(brief: ClipGan) -> None:
    drawn = brief.predict(prompts_of(two_colours()))
    np.testing.assert_array_equal(brief.view(drawn.images), drawn.image)
    assert brief.genes == two_colours().counts.names


def test_without_an_encoder_it_draws_and_does_not_judge(tmp_path: Path, brief: ClipGan) -> None:
    brief.save(tmp_path)
    method = ClipGan(options())
    method.load(tmp_path, FitContext(seed=0))
    np.testing.assert_array_equal(method.draw(np.eye(1, 16), Drawing()), brief.draw(np.eye(1, 16), Drawing()))
    with pytest.raises(ConfigError, match="needs its encoder to embed patches; load it with one in the context"):
        method.predict(prompts_of(two_colours()))


def test_training_that_diverges_is_told() -> None:
    with pytest.raises(DataError, match="training diverged in tick"):
        fitted(rec_weight=float("inf"), kimg=0.1)
