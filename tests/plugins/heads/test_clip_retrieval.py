"""Retrieval between images and expression, and expression predicted by it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from histobench import (
    ConfigError,
    Counts,
    DataError,
    FitContext,
    Float,
    Kind,
    LabelledSamples,
    Pairing,
    Prediction,
    Samples,
    Targets,
)
from histobench.contracts.options import options_from_json
from histobench.reports.analyses.attribution import OffersGeneReader, attribute, integrated_gradients
from histobench.testing import unlabelled
from histobench_heads.clip_gan.catalogue import CLIP_GAN
from histobench_heads.frames.clip.memory import Memory
from histobench_heads.frames.clip.method import ClipRetrieval
from histobench_heads.frames.clip.modules import GeneClip
from histobench_heads.frames.clip.options import QUICK_CLIP, RetrievalOptions
from histobench_heads.frames.clip.reader import ClipReader
from histobench_heads.frames.clip.vocabulary import Vocabulary

OPTIONS = replace(
    RetrievalOptions(**QUICK_CLIP),  # type: ignore[arg-type]  # a preset is not typed
    latent_dim=16,
    hidden_dim=32,
    clip_epochs=25,
    clip_batch=32,
    clip_lr=3e-3,
)
GENES = tuple(f"G{number}" for number in range(30))


def _samples(patients: str, kind: Kind = "retrieve") -> LabelledSamples:
    """Spots of some patients: four programmes seen in the image and, through Poisson noise, in thirty genes."""
    fixed = np.random.default_rng(0)
    loadings, look = np.exp(fixed.normal(size=(4, 30))), fixed.normal(size=(4, 20))
    rows, counts, features = [], [], []
    for patient in patients:
        drawn = np.random.default_rng(ord(patient))
        programmes = drawn.dirichlet(np.full(4, 0.5), size=60)
        # a patient differs from others in depth and in stain
        depth, stain = drawn.uniform(200, 600), 0.3 * drawn.normal(size=20)
        rate = programmes @ (loadings / loadings.sum(axis=1, keepdims=True))
        counts.append(drawn.poisson(depth * rate))
        features.append(programmes @ look + stain + 0.1 * drawn.normal(size=(60, 20)))
        rows += [patient] * 60
    values = np.concatenate(counts).astype(np.float32)
    n = len(rows)
    unit = np.log1p(1e4 * values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    return LabelledSamples(
        slide_ids=np.array(rows),
        spot_ids=np.array([str(row) for row in range(n)]),
        xy_um=np.zeros((n, 2)),
        array=np.zeros((n, 2), dtype=np.int64),
        embeddings=np.concatenate(features).astype(np.float32),
        counts=Counts(names=GENES, values=values) if kind == "retrieve" else None,
        targets=Targets(kind=kind, names=GENES[:8], values=unit[:, :8]),
    )


def _paired(method: ClipRetrieval, samples: Samples) -> Pairing:
    pairing = method.predict(samples)
    assert isinstance(pairing, Pairing)
    return pairing


def _ranks(queries: Float, gallery: Float) -> Float:
    """Count, for each query, the items at least as near as its partner: 1 at best."""
    cosines = queries @ gallery.T
    ranks: Float = (cosines >= np.diag(cosines)[:, None]).sum(axis=1)
    return ranks


@pytest.fixture(scope="module")
def fitted() -> ClipRetrieval:
    method = ClipRetrieval(OPTIONS)
    method.fit(_samples("ABCD"), None, FitContext(seed=0))
    return method


@pytest.mark.parametrize("query", ["image", "expression"])
def test_retrieval_is_far_above_chance_on_held_out_patients(fitted: ClipRetrieval, query: str) -> None:
    pairing = _paired(fitted, unlabelled(_samples("YZ")))
    sides = (pairing.image, pairing.expression)
    ranks = _ranks(*(sides if query == "image" else sides[::-1]))
    # in a gallery of 120 spots chance finds 10 / 120 among the first ten, and the median rank is 60
    assert (ranks <= 10).mean() > 4 * 10 / 120
    assert np.median(ranks) < 20


def test_a_prompt_does_not_depend_on_its_company(fitted: ClipRetrieval) -> None:
    samples = unlabelled(_samples("Z"))
    alone = _paired(fitted, samples.take(np.array([7])))
    whole = _paired(fitted, samples)
    np.testing.assert_allclose(alone.expression[0], whole.expression[7], rtol=1e-4, atol=1e-6)


def test_genes_may_come_in_another_order(fitted: ClipRetrieval) -> None:
    samples = unlabelled(_samples("Z"))
    assert samples.counts is not None
    turned = Counts(names=samples.counts.names[::-1], values=samples.counts.values[:, ::-1].copy())
    given, other = _paired(fitted, samples), _paired(fitted, replace(samples, counts=turned))
    np.testing.assert_array_equal(given.expression, other.expression)


def test_saved_retrieval_gives_the_same_places(fitted: ClipRetrieval, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    loaded = ClipRetrieval(OPTIONS)
    loaded.load(tmp_path, FitContext(seed=9))
    samples = unlabelled(_samples("Z"))
    one, other = _paired(fitted, samples), _paired(loaded, samples)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.expression, other.expression)


def test_expression_by_retrieval_follows_a_held_out_patient(tmp_path: Path) -> None:
    method = ClipRetrieval(OPTIONS)
    method.fit(_samples("ABCD", "gene_expression"), _samples("E", "gene_expression"), FitContext(seed=0))
    test = _samples("Z", "gene_expression")
    prediction = method.predict(unlabelled(test))
    assert isinstance(prediction, Prediction)
    rs = [np.corrcoef(prediction.values[:, t], test.targets.values[:, t])[0, 1] for t in range(8)]
    assert np.mean(rs) > 0.5
    method.save(tmp_path)
    loaded = ClipRetrieval(OPTIONS)
    loaded.load(tmp_path, FitContext(seed=0))
    again = loaded.predict(unlabelled(test))
    assert isinstance(again, Prediction)
    np.testing.assert_array_equal(again.values, prediction.values)


def test_counts_are_asked_for(fitted: ClipRetrieval) -> None:
    with pytest.raises(DataError, match="CLIP needs raw counts, and these samples have none"):
        fitted.predict(replace(unlabelled(_samples("Z")), counts=None))


def test_embeddings_are_asked_for(fitted: ClipRetrieval) -> None:
    with pytest.raises(DataError, match="CLIP needs embeddings, and these samples have none"):
        fitted.predict(replace(unlabelled(_samples("Z")), embeddings=None))


def test_an_unfitted_method_says_so() -> None:
    with pytest.raises(ConfigError, match="learned nothing yet"):
        ClipRetrieval(OPTIONS).predict(unlabelled(_samples("Z")))


def test_recall_weighs_the_nearest_by_the_softmax_of_their_cosines() -> None:
    angles = np.radians([0, 60, 90, 180])
    memory = Memory(
        names=("t",),
        vectors=np.stack([np.cos(angles), np.sin(angles)], axis=1),
        values=np.array([[1.0], [3.0], [100.0], [1000.0]]),
    )
    recalled = memory.recall(np.array([[1.0, 0.0]]), k=2, temperature=0.5)
    weight = np.exp((0.5 - 1.0) / 0.5)
    np.testing.assert_allclose(recalled, [[(1 + 3 * weight) / (1 + weight)]], rtol=1e-6)


def test_of_spots_equally_near_the_first_is_taken() -> None:
    memory = Memory(names=("t",), vectors=np.array([[1.0, 0], [1.0, 0]]), values=np.array([[1.0], [2.0]]))
    assert memory.recall(np.array([[1.0, 0.0]]), k=1, temperature=1.0).tolist() == [[1.0]]


def test_an_average_over_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="retrieval_k must be at least 1"):
        RetrievalOptions(retrieval_k=0)
    with pytest.raises(ConfigError, match="retrieval_temperature must be positive"):
        RetrievalOptions(retrieval_temperature=0)


def _reader(n_genes: int) -> ClipReader:
    """An untrained gene branch in double precision, its weights drawn wide enough for its embeddings to turn."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = RetrievalOptions(latent_dim=6, hidden_dim=16)
        model = GeneClip(n_genes, 5, options).double().eval()
        with torch.no_grad():
            model.gene_encoder.l1.weight.mul_(3)
    return ClipReader(model, Vocabulary(names=tuple(f"G{gene}" for gene in range(n_genes))))


def test_the_shares_of_genes_sum_to_the_distance() -> None:
    reader, drawn = _reader(30), np.random.default_rng(0)
    query, reference = drawn.exponential(size=(2, 30))
    shares = integrated_gradients(lambda x: reader.distance_gradient(x, reference)[1], query, reference)
    distance = reader.distance_gradient(query[None], reference)[0][0]
    assert distance > 0.02
    assert shares.sum() == pytest.approx(distance, abs=1e-6)


def test_the_distance_is_twice_one_minus_the_cosine(fitted: ClipRetrieval) -> None:
    names, expression = fitted.gene_reader().read_genes(_counts_of("Z"))
    assert set(names) <= set(GENES)
    one, other = fitted.prompts(_counts_of("Z").take(np.array([3, 9])))
    distance, gradient = fitted.gene_reader().distance_gradient(expression[[3]], expression[9])
    assert distance[0] == pytest.approx(2 - 2 * float(one @ other), abs=1e-5)
    assert gradient.shape == (1, len(names))


def test_the_gradient_is_that_of_the_distance() -> None:
    reader, drawn = _reader(8), np.random.default_rng(1)
    point, reference = drawn.exponential(size=(2, 8))
    step = 1e-6 * np.eye(8)
    above, below = (reader.distance_gradient(point + sign * step, reference)[0] for sign in (1, -1))
    np.testing.assert_allclose(
        reader.distance_gradient(point[None], reference)[1][0], (above - below) / 2e-6, atol=1e-7
    )


def test_the_one_gene_that_differs_comes_first() -> None:
    profiles = np.tile(np.random.default_rng(2).exponential(size=30), (2, 1))
    profiles[1, 17] += 2
    up, down = attribute(_reader(30), ("low", "high"), profiles, seed=0)[::-1]
    assert np.flatnonzero(up.integrated).tolist() == [17]
    assert np.flatnonzero(down.integrated).tolist() == [17]
    assert up.integrated[17] > 0


def test_clip_gan_reads_genes_by_its_contrastive_model() -> None:
    options = {**QUICK_CLIP, "latent_dim": 8, "hidden_dim": 16, "clip_epochs": 1}
    method = CLIP_GAN.build(options_from_json(CLIP_GAN, options))
    method.fit(_samples("AB"), None, FitContext(seed=0))
    assert isinstance(method, OffersGeneReader)
    names, expression = method.gene_reader().read_genes(_counts_of("Z"))
    pairing = method.predict(unlabelled(_samples("Z")))
    assert isinstance(pairing, Pairing)
    one, other = pairing.expression[3].astype(np.float64), pairing.expression[9].astype(np.float64)
    distance, gradient = method.gene_reader().distance_gradient(expression[[3]], expression[9])
    assert distance[0] == pytest.approx(2 - 2 * one @ other, abs=1e-5)
    assert gradient.shape == (1, len(names))


def _counts_of(patient: str) -> Counts:
    counts = _samples(patient).counts
    assert counts is not None
    return counts
