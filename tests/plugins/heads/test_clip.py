"""The contrastive model's vocabulary and training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from histobench import ConfigError, Counts, DataError, FitContext, ShapeError
from histobench_heads.frames.clip.fitting import Pairs, embed_genes, embed_images, fit_clip
from histobench_heads.frames.clip.options import ClipOptions
from histobench_heads.frames.clip.vocabulary import Vocabulary

TINY = ClipOptions(
    latent_dim=8, hidden_dim=16, dropout=0.1, temperature=0.1, clip_epochs=4, clip_batch=16, clip_lr=1e-3
)
SLIDES = np.array(["a", "a", "a", "b", "b"])


def _counts() -> Counts:
    values = np.array([[1, 1, 0], [2, 2, 0], [4, 4, 0], [10, 30, 0], [0, 0, 0]], dtype=np.float32)
    return Counts(names=("ESR1", "CD3E", "UNSEEN"), values=values)


def _pairs(n: int = 64, seed: int = 0) -> Pairs:
    drawn = np.random.default_rng(seed)
    shared = drawn.normal(size=(n, 3))
    features, expression = (shared @ drawn.normal(size=(3, width)) for width in (10, 12))
    return Pairs(features.astype(np.float32), expression.astype(np.float32))


def test_vocabulary_holds_what_was_seen() -> None:
    assert Vocabulary.of(_counts(), SLIDES, ClipOptions()).names == ("ESR1", "CD3E")


def test_a_smaller_vocabulary_holds_the_highest_means() -> None:
    assert Vocabulary.of(_counts(), SLIDES, ClipOptions(n_genes=1)).names == ("CD3E",)


def test_a_slide_is_scaled_to_its_own_median_of_spots_with_transcripts() -> None:
    read = Vocabulary.of(_counts(), SLIDES, ClipOptions()).read(_counts(), SLIDES)
    # totals 2, 4, 8 have the median 4; slide b has one spot with transcripts
    expected = np.log1p([[2, 2], [2, 2], [2, 2], [10, 30], [0, 0]])
    np.testing.assert_allclose(read, expected, rtol=1e-6)


def test_a_prompt_is_scaled_as_training_was_whatever_its_company() -> None:
    vocabulary = Vocabulary.of(_counts(), SLIDES, ClipOptions())
    assert vocabulary.total == 22  # the median of 4 and 40
    whole = vocabulary.read(_counts())
    np.testing.assert_array_equal(vocabulary.read(_counts().take(np.array([2]))), whole[2:3])
    np.testing.assert_allclose(np.expm1(whole).sum(axis=1), [22, 22, 22, 22, 0], rtol=1e-6)


def test_target_sum_takes_the_place_of_every_median() -> None:
    vocabulary = Vocabulary.of(_counts(), SLIDES, ClipOptions(target_sum=100.0))
    np.testing.assert_allclose(np.expm1(vocabulary.read(_counts(), SLIDES)).sum(axis=1), [100] * 4 + [0], rtol=1e-5)


def test_genes_are_read_by_name() -> None:
    vocabulary = Vocabulary.of(_counts(), SLIDES, ClipOptions())
    other = Counts(names=("CD3E", "KRT8"), values=np.array([[3, 9]], dtype=np.float32))
    np.testing.assert_allclose(vocabulary.read(other), np.log1p([[0, 22]]), rtol=1e-6)


def test_strange_genes_are_refused() -> None:
    vocabulary = Vocabulary.of(_counts(), SLIDES, ClipOptions())
    with pytest.raises(DataError, match="none of the vocabulary's 2 genes"):
        vocabulary.read(Counts(names=("x",), values=np.ones((1, 1), dtype=np.float32)))


def test_counts_without_a_transcript_are_refused() -> None:
    nothing = Counts(names=("x",), values=np.zeros((2, 1), dtype=np.float32))
    with pytest.raises(DataError, match="all counts of 1 genes are zero"):
        Vocabulary.of(nothing, np.array(["a", "a"]), ClipOptions())


@pytest.mark.parametrize("target_sum", [None, 50.0])
def test_vocabulary_survives_json(target_sum: float | None) -> None:
    vocabulary = Vocabulary.of(_counts(), SLIDES, ClipOptions(target_sum=target_sum))
    assert Vocabulary.from_facts(json.loads(json.dumps(vocabulary.as_facts()))) == vocabulary


def test_without_a_known_scale_prompts_are_scaled_to_their_median() -> None:
    read = Vocabulary(names=("ESR1", "CD3E")).read(_counts())
    np.testing.assert_allclose(np.expm1(read).sum(axis=1), [6, 6, 6, 6, 0], rtol=1e-6)


def test_standardised_features_do_not_depend_on_their_scale() -> None:
    pairs, options = _pairs(), replace(TINY, standardise=True)
    one = fit_clip(*pairs, options=options, context=FitContext(seed=0))
    other = fit_clip(1000 * pairs.features + 7, pairs.expression, options=options, context=FitContext(seed=0))
    scaled = embed_images(other, 1000 * pairs.features + 7)
    np.testing.assert_allclose(scaled, embed_images(one, pairs.features), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_dim": 0}, "latent_dim must be at least 1"),
        ({"clip_batch": 1}, "clip_batch must be at least 2"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClipOptions(**options)  # type: ignore[arg-type]  # the parametrisation cannot type them


def test_training_lowers_the_loss_below_chance() -> None:
    losses: list[float] = []
    context = FitContext(seed=0, report=lambda _, numbers: losses.append(numbers["loss"]))
    fit_clip(*_pairs(), options=replace(TINY, clip_epochs=60, clip_lr=3e-3), context=context)
    assert losses[-1] < np.log(16) - 0.3 < losses[0]


def test_embeddings_have_length_1() -> None:
    pairs = _pairs()
    model = fit_clip(*pairs, options=TINY, context=FitContext(seed=0))
    for embedded in (embed_images(model, pairs.features), embed_genes(model, pairs.expression)):
        assert embedded.shape == (64, 8)
        np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, rtol=1e-5)


def test_validation_keeps_the_epoch_of_least_loss() -> None:
    scores: list[float] = []
    context = FitContext(seed=0, report=lambda _, numbers: scores.append(numbers["val_score"]))
    pairs = _pairs()
    mismatched = Pairs(pairs.features, pairs.expression[::-1].copy())  # the better the fit, the worse on these
    options = replace(TINY, clip_epochs=6, clip_lr=3e-3)
    model = fit_clip(*pairs, options=options, context=context, validation=mismatched)
    best = int(np.argmax(scores))
    shorter = fit_clip(*pairs, options=replace(options, clip_epochs=best + 1), context=FitContext(seed=0))
    assert best < 5
    for kept, reached in zip(model.parameters(), shorter.parameters(), strict=True):
        assert torch.equal(kept, reached)


def test_a_killed_fit_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def killed_at_2(epoch: int, _: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_clip(*_pairs(), options=TINY, context=FitContext(seed=0, resume=tmp_path, report=killed_at_2))
    assert (tmp_path / "clip" / "epoch.ckpt").exists()
    resumed = fit_clip(*_pairs(), options=TINY, context=FitContext(seed=0, resume=tmp_path))
    whole = fit_clip(*_pairs(), options=TINY, context=FitContext(seed=0))
    for one, other in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)


def test_max_size_limits_the_training_spots() -> None:
    # two epochs, because the first step of AdamW only sees signs
    depends = _trained_on(_pairs(24), replace(TINY, clip_epochs=2, max_size=8))
    assert np.count_nonzero(depends) == 8


def test_one_spot_is_refused() -> None:
    with pytest.raises(DataError, match="at least 2 training spots, got 1"):
        fit_clip(*_pairs(1), options=TINY, context=FitContext(seed=0))


def test_sides_of_different_spots_are_refused() -> None:
    pairs = _pairs(4)
    with pytest.raises(ShapeError, match="features of 4 spots cannot be paired with expression of 3"):
        fit_clip(pairs.features, pairs.expression[:3], options=TINY, context=FitContext(seed=0))


def _trained_on(pairs: Pairs, options: ClipOptions) -> np.ndarray:
    """Return for every spot whether the weights depend on it."""
    weights = fit_clip(*pairs, options=options, context=FitContext(seed=0)).image_projection.projection.weight
    depends = np.zeros(len(pairs.features), dtype=bool)
    for row in range(len(depends)):
        features = pairs.features.copy()
        features[row] += 1
        other = fit_clip(features, pairs.expression, options=options, context=FitContext(seed=0))
        depends[row] = not torch.equal(other.image_projection.projection.weight, weights)
    return depends


@pytest.mark.parametrize("shape", [(3, 7), (2, 0), (2,)])
def test_expression_of_other_genes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"must be \(n, 2\), one column per gene"):
        Vocabulary.of(_counts(), SLIDES, ClipOptions()).check(np.zeros(shape, dtype=np.float32))
