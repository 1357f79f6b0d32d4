"""Trees as plain arrays: evaluated with numpy, stored without a pickle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from histobench import Float, Int
from histobench_heads.frames.saved import Arrays

__all__ = ["Forest", "Tree"]

_COLUMNS = ("feature", "threshold", "left", "right", "values")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One regression tree whose leaves hold a value for every target.

    Attributes
    ----------
    feature
        (m,) int64 column that a node tests; negative at a leaf.
    threshold
        (m,) float64; a spot goes left if its float32 feature is not above it.
    left, right
        (m,) int64 children.
    values
        (m, t) float64 predictions of the leaves.
    """

    feature: Int
    threshold: Float
    left: Int
    right: Int
    values: Float

    @classmethod
    def of(cls, fitted: DecisionTreeRegressor, *, rate: float = 1.0) -> Self:
        """Extract the arrays of a fitted scikit-learn tree, with its values times ``rate``."""
        tree = fitted.tree_
        return cls(
            feature=np.asarray(tree.feature, dtype=np.int64),
            threshold=np.asarray(tree.threshold, dtype=np.float64),
            left=np.asarray(tree.children_left, dtype=np.int64),
            right=np.asarray(tree.children_right, dtype=np.int64),
            values=np.asarray(tree.value, dtype=np.float64)[:, :, 0] * rate,
        )

    def __call__(self, features: Float) -> Float:
        """Predict (n, k) features: (n, t) float64."""
        features = features.astype(np.float32)  # the precision in which scikit-learn grows and evaluates trees
        rows, node = np.arange(len(features)), np.zeros(len(features), dtype=np.int64)
        while (inside := self.feature[node] >= 0).any():
            asked = features[rows, np.maximum(self.feature[node], 0)]
            below = np.where(asked <= self.threshold[node], self.left[node], self.right[node])
            node = np.where(inside, below, node)
        values: Float = self.values[node]
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """A sum of at least one tree, added to a start value.

    Attributes
    ----------
    start
        (t,) float64.
    """

    start: Float
    trees: Sequence[Tree]

    def __call__(self, features: Float) -> Float:
        """Predict (n, k) features: (n, t) float64."""
        total = np.tile(self.start, (len(features), 1))
        for tree in self.trees:
            total += tree(features)
        return total

    def arrays(self) -> Arrays:
        """Return the concatenated arrays of all trees, with the number of nodes of each."""
        joined = {name: np.concatenate([getattr(tree, name) for tree in self.trees]) for name in _COLUMNS}
        return {**joined, "start": self.start, "nodes": np.array([len(tree.feature) for tree in self.trees])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Rebuild a forest from the result of `arrays`."""
        ends = np.cumsum(arrays["nodes"])
        trees = [
            Tree(**{name: arrays[name][end - count : end] for name in _COLUMNS})
            for end, count in zip(ends, arrays["nodes"], strict=True)
        ]
        return cls(start=arrays["start"], trees=trees)
