"""The training spots that can be retrieved: their vectors in the shared space, and their measured values."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from histobench import Float
from histobench_heads.frames.saved import Arrays

__all__ = ["Memory"]

_SPOTS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The spots that can be retrieved.

    Attributes
    ----------
    names
        (t,) names of the measured values.
    vectors
        (m, q) vectors of length 1 of the expression of the spots.
    values
        (m, t) measured values.
    """

    names: tuple[str, ...]
    vectors: Float
    values: Float

    def recall(self, queries: Float, *, k: int, temperature: float) -> Float:
        """Average, for each of (n, q) vectors of length 1, the values of the ``k`` nearest: (n, t) float32.

        The weights are the softmax of the cosines over the temperature. Of spots at equal distance, the first in the
        memory are used.
        """
        parts = [np.empty((0, len(self.names)), dtype=np.float32)]
        for start in range(0, len(queries), _SPOTS_AT_ONCE):
            cosines = queries[start : start + _SPOTS_AT_ONCE].astype(np.float64) @ self.vectors.T.astype(np.float64)
            nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
            chosen = np.take_along_axis(cosines, nearest, axis=1)
            weights = np.exp((chosen - chosen[:, :1]) / temperature)
            weights /= weights.sum(axis=1, keepdims=True)
            parts.append(np.einsum("nk,nkt->nt", weights, self.values[nearest]).astype(np.float32))
        recalled: Float = np.concatenate(parts)
        return recalled

    def as_arrays(self) -> Arrays:
        """Return it as named arrays."""
        return {"names": np.array(self.names), "vectors": self.vectors, "values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Read the arrays of `as_arrays`."""
        return cls(names=tuple(map(str, arrays["names"])), vectors=arrays["vectors"], values=arrays["values"])
