"""Three ways to denoise expression without an image: none, the mean of the neighbours, and few principal components.

Each works on the input of one section and learns nothing from other sections. Smoothing by itself raises spatial
autocorrelation and the quality of clusters, so a method must be compared with these controls.

The latent of a control is the principal components of its output, as wide as the latent of GIST, so that clusterings
are comparable. The latents of the raw counts and of their reconstruction are therefore the same.

References
----------
``expression_protocol.md``, section 12. Pearson (1901), *Philos. Mag.* 2:559-572.
"""

from abc import abstractmethod
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from typing_extensions import override

from histobench import DataError, FitContext, Float, LabelledSamples, Method, Prediction, Samples
from histobench.data.graphs import adjacency
from histobench_heads.enhancement.options import LatentOptions, NeighbourMeanOptions
from histobench_heads.frames.expression import choose_genes, read_genes
from histobench_heads.frames.radius_graph import radius_links
from histobench_heads.frames.saved import read_facts, write_facts

__all__ = ["NeighbourMean", "PcaReconstruction", "RawCounts", "neighbour_mean", "principal_components"]


class _Control(Method):
    """Denoise each section by itself; a fit only chooses the genes."""

    def __init__(self, options: LatentOptions) -> None:
        self.options = options
        self._names: tuple[str, ...] = ()
        self._genes: tuple[str, ...] = ()
        self._seed = 0

    @abstractmethod
    def enhance(self, expression: Float, xy_um: Float, /) -> tuple[Float, Float]:
        """Denoise one section's (n, g) expression of spots at (n, 2) places: (n, g), and its (n, components) latent."""

    def components(self, expression: Float, /) -> tuple[Float, Float]:
        """Return the `principal_components` of (n, g) expression and the reconstruction from them."""
        return principal_components(expression, self.options.components, seed=self._seed)

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        self._names, self._seed = train.targets.names, context.seed
        self._genes = choose_genes(train.need_counts("enhancement"), self._names)

    @override
    def predict(self, samples: Samples) -> Prediction:
        if not self._genes:
            raise DataError("a control of enhancement does not know its genes yet: call fit or load first.")
        columns = [self._genes.index(name) for name in self._names]
        values = np.empty((len(samples), len(self._names)), dtype=np.float32)
        latent = np.empty((len(samples), self.options.components), dtype=np.float32)
        for _, rows in samples.by_slide():
            expression = read_genes(samples.take(rows).need_counts("enhancement"), self._genes)
            enhanced, latent[rows] = self.enhance(expression, samples.xy_um[rows])
            values[rows] = enhanced[:, columns]
        return Prediction(names=self._names, values=values, latent=latent)

    @override
    def save(self, folder: Path) -> None:
        write_facts(folder, {"names": self._names, "genes": self._genes, "seed": self._seed})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        facts = read_facts(folder)
        self._names, self._genes, self._seed = tuple(facts["names"]), tuple(facts["genes"]), int(facts["seed"])


class RawCounts(_Control):
    """Return the input."""

    @override
    def enhance(self, expression: Float, xy_um: Float, /) -> tuple[Float, Float]:
        return expression, self.components(expression)[0]


class NeighbourMean(_Control):
    """Average each spot with its neighbours."""

    def __init__(self, options: NeighbourMeanOptions) -> None:
        super().__init__(options)
        self._radius_um = options.radius_um

    @override
    def enhance(self, expression: Float, xy_um: Float, /) -> tuple[Float, Float]:
        smooth = neighbour_mean(expression, xy_um, radius_um=self._radius_um)
        return smooth, self.components(smooth)[0]


class PcaReconstruction(_Control):
    """Reconstruct a section from a few of its principal components; negative expression becomes zero."""

    @override
    def enhance(self, expression: Float, xy_um: Float, /) -> tuple[Float, Float]:
        latent, rebuilt = self.components(expression)
        return np.maximum(rebuilt, 0), latent


def neighbour_mean(expression: Float, xy_um: Float, /, *, radius_um: float | None = None) -> Float:
    """Average (n, g) expression over each spot and all spots within the radius: (n, g) float32, equal weights."""
    links = adjacency(radius_links(xy_um, radius_um=radius_um), len(xy_um)).astype(np.float32)
    together = np.asarray(links.sum(axis=1)).ravel() + 1
    mean: Float = ((links @ expression + expression) / together[:, None]).astype(np.float32)
    return mean


def principal_components(expression: Float, wanted: int, /, *, seed: int) -> tuple[Float, Float]:
    """Find principal components of (n, g) expression and rebuild it from them.

    Returns
    -------
    scores, rebuilt : (n, wanted), (n, g) float32
        If n or g is less than ``wanted``, the remaining columns of the scores are zero.
    """
    scores = np.zeros((len(expression), wanted), dtype=np.float32)
    k = min(wanted, *expression.shape)
    if len(expression) < 2:  # a single spot has no variance
        return scores, expression
    found = PCA(n_components=k, random_state=seed)
    scores[:, :k] = found.fit_transform(expression)
    rebuilt: Float = found.inverse_transform(scores[:, :k]).astype(np.float32)
    return scores, rebuilt
