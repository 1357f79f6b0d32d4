"""The controls of enhancement say what they are meant to say, of each section by itself."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from histobench import ConfigError, Counts, DataError, FitContext, Float, LabelledSamples, Samples, Targets
from histobench_heads.enhancement.method import (
    NeighbourMean,
    PcaReconstruction,
    RawCounts,
    neighbour_mean,
    principal_components,
)
from histobench_heads.enhancement.options import LatentOptions, NeighbourMeanOptions
from histobench_heads.frames.expression import log_normalise

PANEL, GENES = ("g1", "g3"), ("g0", "g1", "g2", "g3", "g4")


def _section(slide: str, *, seed: int = 0, n: int = 12) -> LabelledSamples:
    """Spots in a row, 100 µm apart, with random counts."""
    draw = np.random.default_rng(seed)
    at = np.stack([np.arange(n), np.zeros(n)], axis=1)
    counts = draw.poisson(4.0, (n, len(GENES))).astype(np.float32)
    return LabelledSamples(
        slide_ids=np.full(n, slide),
        spot_ids=np.array([f"{slide}{i}" for i in range(n)]),
        xy_um=at * 100.0,
        array=at.astype(np.int64),
        counts=Counts(names=GENES, values=counts),
        targets=Targets(kind="enhance", names=PANEL, values=log_normalise(counts, columns=[1, 3])),
    )


def _together(one: LabelledSamples, other: LabelledSamples) -> Samples:
    columns = ("slide_ids", "spot_ids", "xy_um", "array")
    joined = {name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in columns}
    values = np.concatenate([one.counts.values, other.counts.values])
    return Samples(counts=Counts(names=GENES, values=values), **joined)


@pytest.fixture
def section() -> LabelledSamples:
    return _section("A")


EVERY = {
    "raw": lambda: RawCounts(LatentOptions(components=3)),
    "neighbours": lambda: NeighbourMean(NeighbourMeanOptions(components=3)),
    "pca": lambda: PcaReconstruction(LatentOptions(components=3)),
}
every_control = pytest.mark.parametrize("name", EVERY)


def test_raw_counts_are_the_input_at_the_panel(section: LabelledSamples) -> None:
    method = EVERY["raw"]()
    method.fit(section, None, FitContext(seed=0))
    np.testing.assert_array_equal(method.predict(section).values, section.targets.values)


def test_the_neighbours_and_the_spot_have_one_weight(section: LabelledSamples) -> None:
    method = EVERY["neighbours"]()
    method.fit(section, None, FitContext(seed=0))
    given, mean = section.targets.values, method.predict(section).values
    np.testing.assert_allclose(mean[5], given[4:7].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(mean[0], given[:2].mean(axis=0), rtol=1e-6)


def test_a_wide_radius_gives_every_spot_the_mean_of_its_section(section: LabelledSamples) -> None:
    mean = neighbour_mean(section.targets.values, section.xy_um, radius_um=1e6)
    np.testing.assert_allclose(mean, np.tile(section.targets.values.mean(axis=0), (12, 1)), rtol=1e-5)


def test_the_reconstruction_is_scikit_learns(section: LabelledSamples) -> None:
    method = EVERY["pca"]()
    method.fit(section, None, FitContext(seed=0))
    expression = log_normalise(section.counts.values)
    pca = PCA(n_components=3, random_state=0).fit(expression)
    rebuilt = pca.inverse_transform(pca.transform(expression))[:, [1, 3]]
    prediction = method.predict(section)
    np.testing.assert_allclose(prediction.values, np.maximum(rebuilt, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(prediction.latent, pca.transform(expression), rtol=1e-4, atol=1e-5)


def test_more_components_than_there_are_rebuild_everything(section: LabelledSamples) -> None:
    expression = log_normalise(section.counts.values)
    scores, rebuilt = principal_components(expression, 30, seed=0)
    np.testing.assert_allclose(rebuilt, expression, atol=1e-4)
    assert scores.shape == (12, 30)
    assert not scores[:, 5:].any()


def test_nothing_is_expressed_less_than_not_at_all() -> None:
    spiked: Float = np.zeros((12, 5), dtype=np.float32)
    spiked[[0, 1, 2], [0, 1, 1]] = [9.0, 8.0, 9.0]
    enhanced, _ = PcaReconstruction(LatentOptions(components=1)).enhance(spiked, np.zeros((12, 2)))
    assert principal_components(spiked, 1, seed=0)[1].min() < 0
    assert enhanced.min() == 0


@every_control
def test_a_section_is_cleaned_alike_with_and_without_others(name: str, section: LabelledSamples) -> None:
    method = EVERY[name]()
    method.fit(section, None, FitContext(seed=0))
    together = method.predict(_together(_section("B", seed=5), section))
    alone = method.predict(section)
    np.testing.assert_array_equal(together.values[12:], alone.values)
    np.testing.assert_array_equal(together.latent[12:], alone.latent)


@every_control
def test_a_single_spot_is_left_as_it_is(name: str, section: LabelledSamples) -> None:
    method = EVERY[name]()
    method.fit(section, None, FitContext(seed=0))
    one = section.take(np.array([3]))
    np.testing.assert_allclose(method.predict(one).values, one.targets.values, rtol=1e-6)


def test_samples_without_counts_are_refused(section: LabelledSamples) -> None:
    method = EVERY["raw"]()
    method.fit(section, None, FitContext(seed=0))
    with pytest.raises(DataError, match="needs raw counts"):
        method.predict(replace(section, counts=None))


def test_a_control_must_know_its_genes(section: LabelledSamples) -> None:
    with pytest.raises(DataError, match="does not know its genes yet"):
        EVERY["pca"]().predict(section)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"components": 0}, "components must be at least 1"), ({"radius_um": -1.0}, "radius_um must be positive")],
)
def test_options_that_reach_nothing_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NeighbourMeanOptions(**options)
