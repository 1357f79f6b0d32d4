"""Gradient-boosted trees on frozen embeddings: the strong non-linear baseline.

Least-squares boosting (Friedman 2001, algorithm 2), each tree on a random subset of the spots (Friedman 2002). One
tree serves all targets: its splits reduce the squared error summed over standardised targets, and a leaf holds the mean
residual of each. Hundreds of genes therefore cost little more than one. Trees are scikit-learn's
(CART, exact splits); boosting is ours, because scikit-learn boosts one target at a time.

Embeddings are first projected onto their principal components: a tree tests one number at a time, and a component holds
more information than a dimension. Labels are regressed as 0 and 1, and the largest wins. With validation slides, the
number of trees with the smallest error there is kept; otherwise all trees.

References
----------
Friedman (2001), *Annals of Statistics* 29:1189–1232; Friedman (2002), *Computational Statistics & Data Analysis*
38:367–378; Breiman et al. (1984), *Classification and Regression Trees*.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from sklearn.tree import DecisionTreeRegressor
from typing_extensions import override

from histobench import FitContext, Float, LabelledSamples, Method, Prediction, Samples
from histobench.training import generator
from histobench_heads.boosting.forest import Forest, Tree
from histobench_heads.boosting.options import BoostingOptions
from histobench_heads.frames.components import Components
from histobench_heads.frames.saved import read_arrays, write_arrays

__all__ = ["BoostedTrees"]


class BoostedTrees(Method):
    """Predict all targets by one boosted forest on the embedding's first components."""

    def __init__(self, options: BoostingOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        self._components = Components(mean=np.empty(0), axes=np.empty((0, 0)))
        self._scale: Float = np.empty(0)
        self._forest = Forest(start=np.empty(0), trees=())

    @property
    def n_trees(self) -> int:
        """Count the trees that are kept; 0 before `fit`."""
        return len(self._forest.trees)

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        targets = train.targets.values.astype(np.float64)
        deviation = targets.std(axis=0)
        self._names = train.targets.names
        # standardised, so that an abundant type does not decide every split; a constant target stays at its mean
        self._scale = np.where(deviation > 0, deviation, 1.0)
        self._components = Components.of(train.need_embeddings("boosted-trees"), self.options.components)
        start = targets.mean(axis=0) / self._scale
        validation = None if val is None else self._growing(val, start)
        trees = _boost(self._growing(train, start), validation, self.options, context)
        self._forest = Forest(start=start, trees=trees)

    @override
    def predict(self, samples: Samples) -> Prediction:
        values = self._forest(self._components(samples.need_embeddings("boosted-trees"))) * self._scale
        return Prediction(names=self._names, values=values.astype(np.float32))

    @override
    def save(self, folder: Path) -> None:
        write_arrays(
            folder,
            {
                "names": self._names,
                "mean": self._components.mean,
                "axes": self._components.axes,
                "scale": self._scale,
                **self._forest.arrays(),
            },
        )

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        arrays = read_arrays(folder)
        self._names = tuple(map(str, arrays["names"]))
        self._components = Components(mean=arrays["mean"], axes=arrays["axes"])
        self._scale = arrays["scale"]
        self._forest = Forest.from_arrays(arrays)

    def _growing(self, samples: LabelledSamples, start: Float) -> "_Growing":
        features = self._components(samples.need_embeddings("boosted-trees"))
        return _Growing.of(features, samples.targets.values / self._scale, start)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Growing:
    """Training or validation spots, with their prediction by the trees so far.

    Attributes
    ----------
    features
        (n, k).
    observed, predicted
        (n, t), each target divided by its deviation in training; ``predicted`` is updated in place.
    """

    features: Float
    observed: Float
    predicted: Float

    @classmethod
    def of(cls, features: Float, observed: Float, start: Float) -> Self:
        return cls(features=features, observed=observed, predicted=np.tile(start, (len(features), 1)))

    def add(self, tree: Tree) -> float:
        """Add a tree and return the mean squared error."""
        self.predicted[...] += tree(self.features)
        return float(((self.observed - self.predicted) ** 2).mean())


def _boost(train: _Growing, val: _Growing | None, options: BoostingOptions, context: FitContext) -> list[Tree]:
    """Grow trees on residuals, and keep the number that predicts the validation spots best; without such spots, all."""
    draw = generator(context.seed)
    trees: list[Tree] = []
    best, least = 0, np.inf
    for number in range(options.trees):
        trees.append(_grow(train, options, draw))
        numbers = {"loss": train.add(trees[-1])}
        if val is not None:
            error = val.add(trees[-1])
            numbers["val_score"] = -error
            best, least = (number + 1, error) if error < least else (best, least)
        context.report(number, numbers)
        if val is not None and number + 1 - best >= options.patience:
            break
    return trees if val is None else trees[:best]


def _grow(train: _Growing, options: BoostingOptions, draw: np.random.Generator) -> Tree:
    n = len(train.features)
    rows = draw.choice(n, max(1, round(options.share_of_spots * n)), replace=False)
    cart = DecisionTreeRegressor(
        max_depth=options.depth,
        min_samples_leaf=options.spots_per_leaf,
        max_features=options.share_of_components,
        random_state=int(draw.integers(2**31)),
    )
    cart.fit(train.features[rows], train.observed[rows] - train.predicted[rows])
    return Tree.of(cart, rate=options.lr)
