"""Every metric that says how it is gamed is gamed that way: who knows nothing of the spots reaches a good score.

For each card with ``gamed_by`` a prediction is made as its words say, and held against an honest one.
"""

from dataclasses import replace

import numpy as np
import pytest

from histobench.contracts.registry import Registry
from histobench.testing.spots import draw_spots

METRICS = Registry.load().metrics
GAMED = {name for name in METRICS.names() if METRICS.get(name).gamed_by}
DRAW = np.random.default_rng(3)


def _everywhere(values, spots):
    return np.broadcast_to(values, spots.observed.shape).astype(np.float32).copy()


def nothing(spots):
    return spots.saying(np.zeros_like(spots.observed))


def everything(spots):
    return spots.saying(_everywhere(spots.observed.max(), spots))


def other_profiles(spots):
    return spots.saying(spots.observed[DRAW.permutation(len(spots.observed))])


def moved_map(spots):
    """Move the map by one column of the lattice, ten spots wide, and mirror it: as patchy, elsewhere."""
    return spots.saying(spots.observed.reshape(-1, 10, 5)[:, ::-1].reshape(-1, 5))


def mean_where_expressed(spots):
    present = spots.observed > 0
    return spots.saying(_everywhere((spots.observed * present).sum(axis=0) / present.sum(axis=0), spots))


def endless(spots):
    return replace(nothing(spots), doubt=1e6)


def without_width(spots):
    return replace(nothing(spots), doubt=0.0)


def certain_ones(spots):
    """Name a class at one spot that is surely of it, and the last class, of which there are many, elsewhere."""
    predicted = np.zeros_like(spots.observed)
    predicted[:, -1] = 0.5
    for place in range(4):
        predicted[np.flatnonzero(spots.observed[:, place])[0], place] = 1.0
    return spots.saying(predicted)


def other_genes(spots):
    return spots.saying(np.roll(spots.observed, 1, axis=1))


def one_direction(spots):
    return spots.saying(_everywhere(spots.observed.mean(axis=0), spots))


def commonest(spots):
    """Say of every spot what is said of the one that lies amid the most others."""
    distances = np.linalg.norm(spots.observed[:, None] - spots.observed, axis=-1)
    return spots.saying(_everywhere(spots.observed[np.sort(distances)[:, 5].argmin()], spots))


def nowhere(spots):
    return spots.saying(_everywhere(spots.observed.max() + 9.0, spots))


def smoothed(spots):
    """Say of every spot the mean of its half of the lattice."""
    regions = spots.context().regions
    means = {name: spots.observed[regions == name].mean(axis=0) for name in np.unique(regions)}
    return spots.saying(np.array([means[name] for name in regions], dtype=np.float32))


def molecules(spots):
    """Say of every gene the number of the spot's molecules."""
    return spots.saying(np.tile(spots.context().hidden.depth[:, None] / 1e3, (1, 5)).astype(np.float32))


WAYS = {
    "clip-score": (one_direction, 0.0),
    "contrastive-entropy": (one_direction, 1 / 3),
    "contrastive-entropy[clip-gan]": (nothing, 1 / 3),
    "domain-agreement": (other_genes, 1 / 3),
    "domain-agreement[gist]": (other_genes, 1 / 3),
    "heldout-pearson[log]": (molecules, 1 / 3),
    "domains": (other_genes, 1 / 3),
    "fid": (other_profiles, 1 / 3),
    "image-coverage": (other_profiles, 1 / 3),
    "image-density": (commonest, 1 / 3),
    "image-precision": (commonest, 1 / 3),
    "image-recall": (other_profiles, 1 / 3),
    "kid": (other_profiles, 1 / 3),
    "marker-contrast": (smoothed, 1 / 3),
    "memorisation": (nowhere, 1 / 3),
    "nuclei-difference": (other_genes, 1 / 3),
    "paired-cosine": (one_direction, 1 / 3),
    "colocalisation": (other_profiles, 0.85),
    "colocalisation[cuca]": (other_profiles, 0.85),
    "interval-coverage": (endless, 1 / 3),
    "interval-width": (without_width, 1 / 3),
    "mae": (nothing, 0.85),
    "mae[hist2scrna]": (nothing, 0.85),
    "mae[hist2scrna-levels]": (nothing, 0.85),
    "mse[hist2scrna-levels]": (nothing, 0.85),
    "moran-difference": (moved_map, 1 / 3),
    "nonzero-mae": (mean_where_expressed, 0.85),
    "precision": (certain_ones, 1 / 3),
    "zero-accuracy": (nothing, 0.95),
    "zero-f1": (everything, 0.05),
    "zero-inflation[hist2scrna]": (nothing, 0.95),
    "zero-rate-difference": (moved_map, 1 / 3),
    "zero-sensitivity": (everything, 1 / 3),
    "zero-specificity": (nothing, 1 / 3),
}
"""Metric -> what games it, and on what share of spots a target is absent."""


def scene(card, *, absent):
    """Draw spots; where relations of targets are scored, targets that share some of what they are made of."""
    spots = draw_spots(card, card.kinds[0], n=200, absent=absent)
    if card.name == "heldout-pearson[log]":  # a molecule a gene and spot, of genes that are everywhere alike
        counts = DRAW.poisson(np.tile(spots.context().hidden.depth[:, None] / 1e3, (1, 5)))
        return replace(spots, observed=np.log1p(counts).astype(np.float32))
    if "colocalisation" not in card.name:
        return spots
    mix = np.triu(np.ones((5, 5), dtype=np.float32))
    return replace(spots, observed=spots.observed @ mix, predicted=spots.predicted @ mix)


def overall(card, spots):
    scores = card.build()(spots.predicted, spots.observed, **({"context": spots.context()} if card.needs else {}))
    if card.headline:
        return float(scores[card.columns.index(card.headline)])
    if "levels" in card.name:
        return float(scores[0])
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else np.nan


def test_every_way_to_game_a_metric_is_shown():
    assert set(WAYS) == GAMED


def control_of(card, spots):
    """Score the training mean, or noise where a constant has no score."""
    score = overall(card, spots.saying(_everywhere(spots.training.mean, spots)))
    noise = DRAW.normal(size=spots.observed.shape).astype(np.float32)
    return score if np.isfinite(score) else overall(card, spots.saying(noise))


@pytest.mark.parametrize("name", WAYS)
def test_it_is_gamed_as_its_card_says(name):
    card = METRICS.get(name)
    way, absent = WAYS[name]
    spots = scene(card, absent=absent)
    sign = 1 if card.higher_is_better else -1
    control, honest, ignorant = (
        sign * s for s in (control_of(card, spots), overall(card, spots), overall(card, way(spots)))
    )
    assert ignorant > control + 0.05 * abs(control) or ignorant >= honest - 0.1 * abs(honest)
