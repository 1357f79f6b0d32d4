"""Two controls that generate nothing: they return patches of the training set.

``random-patch`` answers every prompt with a random training patch: a real patch that ignores the condition. A generator
that scores no better has not learned the condition. ``nearest-prompt`` returns the training patch whose expression is
nearest to that of the prompt: real, conditioned and memorised. Its score can be reached by lookup alone.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from typing_extensions import override

from histobench import (
    ConfigError,
    FitContext,
    Float,
    Generated,
    Int,
    LabelledSamples,
    Method,
    Samples,
    UInt8,
)
from histobench.training import generator
from histobench_heads.frames.clip.options import ClipOptions
from histobench_heads.frames.clip.vocabulary import Vocabulary
from histobench_heads.frames.components import Components
from histobench_heads.frames.saved import Arrays, read_arrays, read_facts, write_arrays, write_facts
from histobench_heads.frames.streams import spot_streams
from histobench_heads.generation.options import LookUpOptions, NearestPromptOptions

__all__ = ["NearestPrompt", "RandomPatch"]

OptionsT = TypeVar("OptionsT", bound=LookUpOptions)

_KEEP = 30_001  # random stream that chooses the patches that are kept


class LookUp(Method, Generic[OptionsT]):
    """Return training patches; a subclass chooses which."""

    def __init__(self, options: OptionsT) -> None:
        self.options = options
        self._patches: UInt8 = np.empty((0, 0, 0, 3), dtype=np.uint8)
        self._seed = 0

    @abstractmethod
    def choose(self, samples: Samples) -> Int:
        """Return the row of a training patch for each of n prompts: (n,)."""

    def learn(self, train: LabelledSamples, kept: Int) -> None:
        """Store what `choose` needs of the training spots that are kept."""

    @override
    def fit(self, train: LabelledSamples, val: LabelledSamples | None, context: FitContext) -> None:
        patches = train.need_patches("a control that returns training patches")
        self._seed = context.seed
        kept = np.sort(generator(context.seed, _KEEP).permutation(len(train))[: self.options.most])
        self._patches = np.array(patches[kept])
        self.learn(train, kept)

    @override
    def predict(self, samples: Samples) -> Generated:
        if not len(self._patches):
            raise ConfigError("this method has learned nothing yet; fit or load it first.")
        return Generated(images=self._patches[self.choose(samples)])

    @override
    def save(self, folder: Path) -> None:
        write_facts(folder, {"seed": self._seed})
        write_arrays(folder, {"patches": self._patches})

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        self._seed = read_facts(folder)["seed"]
        self._restore(read_arrays(folder))

    def _restore(self, arrays: Arrays) -> None:
        self._patches = arrays["patches"]


class RandomPatch(LookUp[LookUpOptions]):
    """Return a random patch, drawn from the name of the spot only, so that it does not depend on the other spots."""

    @override
    def choose(self, samples: Samples) -> Int:
        return np.array([stream.integers(len(self._patches)) for stream in spot_streams(samples, self._seed)], int)


class NearestPrompt(LookUp[NearestPromptOptions]):
    """Return the patch of the nearest expression: Euclidean distance between first principal components.

    Counts are scaled to one total, so that a prompt does not depend on the other spots.
    """

    def __init__(self, options: NearestPromptOptions) -> None:
        super().__init__(options)
        self._vocabulary = Vocabulary(names=())
        self._components = Components(mean=np.empty(0), axes=np.empty((0, 0)))
        self._known: Float = np.empty((0, 0))

    @override
    def learn(self, train: LabelledSamples, kept: Int) -> None:
        counts = train.need_counts("nearest-prompt")
        genes = ClipOptions(n_genes=self.options.n_genes, target_sum=10_000.0)
        self._vocabulary = Vocabulary.of(counts, train.slide_ids, genes)
        expression = self._vocabulary.read(counts.take(kept))
        self._components = Components.of(expression, min(self.options.components, len(expression)))
        self._known = self._components(expression)

    @override
    def choose(self, samples: Samples) -> Int:
        placed = self._components(self._vocabulary.read(samples.need_counts("nearest-prompt")))
        nearest: npt.NDArray[np.intp] = cKDTree(self._known).query(placed)[1]
        return nearest

    @override
    def save(self, folder: Path) -> None:
        write_facts(folder, {"seed": self._seed, **self._vocabulary.as_facts()})
        write_arrays(
            folder,
            {
                "patches": self._patches,
                "mean": self._components.mean,
                "axes": self._components.axes,
                "known": self._known,
            },
        )

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        super().load(folder, context)
        self._vocabulary = Vocabulary.from_facts(read_facts(folder))

    @override
    def _restore(self, arrays: Arrays) -> None:
        super()._restore(arrays)
        self._components = Components(mean=arrays["mean"], axes=arrays["axes"])
        self._known = arrays["known"]
