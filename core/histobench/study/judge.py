"""Judge generated patches by the features of an encoder, and by the expression that can be read off them.

A generator could draw convincing patches that have nothing to do with the expression that it was given. So a reader, a
ridge regression taught on the features of real training patches, predicts the panel's expression from the generated
patches, and this is compared with the given expression. What it predicts from the real patches of the same spots is
the ceiling.

A generator may copy training patches, and a reader has memorised those that it was taught on. So there are several
readers, each taught without one part of the training spots; a patch is read by the reader that was not taught on the
training patch that it resembles most.

All patches are judged at one size, because sets of smaller patches are closer to each other: a generator that draws
fewer pixels must not gain from it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from sklearn.linear_model import RidgeCV

from histobench.contracts.protocols import Encoder, PatchGeometry
from histobench.data import Float, Generated, ImageFeatures, Int, LabelledSamples, Patches, Prediction, Targets, UInt8
from histobench.errors import DataError
from histobench.images import resize

__all__ = ["JUDGED", "Judge", "open_judge"]

JUDGED = PatchGeometry(patch_px=64, field_px=224)
"""Geometry at which patches are judged: the field of view that methods are given, at the size of the smallest tabulated
generator (clip_gan, section 3.4)."""

_PENALTIES = np.logspace(0.0, 6.0, 13)
"""Ridge penalties on standardised features; leave-one-out chooses one for all targets."""

_MOST_PARTS = 5
_FEWEST_LEFT = 2  # spots to teach a reader on: with one, no penalty can be chosen
_FEWEST_SPOTS = 2 * _FEWEST_LEFT
_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """An encoder, and readers taught on real training patches.

    Attributes
    ----------
    readers
        From standardised features to the panel's expression; reader i was not taught on part i.
    parts
        (m,) the part of each of the m training spots.
    mean, deviation
        (d,) of the training patches' features.
    seen
        Search tree of the standardised features of the training patches.
    """

    encoder: Encoder
    device: str
    readers: tuple[Any, ...]  # Any: scikit-learn has no types
    parts: Int
    mean: Float
    deviation: Float
    seen: Any  # Any: SciPy has no types

    def judge(self, drawn: Generated, real: Patches, observed: Targets) -> tuple[Prediction, ImageFeatures]:
        """Read the expression off n generated patches, and compare them with the real patches of the same spots.

        Parameters
        ----------
        drawn
            Patches of any size.
        real
            Patches of the geometry `JUDGED`.

        Returns
        -------
        The (n, t) expression that is read off the generated patches, and the features that metrics need.
        """
        patches = real[np.arange(len(real))]
        images = _resized(drawn.images, JUDGED.patch_px)
        generated = _features(self.encoder, images, self.device)
        genuine = _features(self.encoder, patches, self.device)
        read = Prediction(names=observed.names, values=self._read(generated))
        return read, ImageFeatures(
            generated=generated,
            real=genuine,
            read_real=self._read(genuine),
            nearest_generated=self._nearest(generated),
            nearest_real=self._nearest(genuine),
            images=images,
            patches=patches,
            image=drawn.image,
            expression=drawn.expression,
        )

    def _scaled(self, features: Float) -> Float:
        scaled: Float = (features.astype(np.float64) - self.mean) / self.deviation
        return scaled

    def _read(self, features: Float) -> Float:
        scaled = self._scaled(features)
        resembled = self.parts[self.seen.query(scaled)[1]]
        every = np.stack([reader.predict(scaled).reshape(len(features), -1) for reader in self.readers])
        read: Float = every[resembled, np.arange(len(features))]
        return read.astype(np.float32)

    def _nearest(self, features: Float) -> Float:
        distances: Float = self.seen.query(self._scaled(features))[0] / np.sqrt(features.shape[1])
        return distances


def open_judge(encoder: Encoder, train: LabelledSamples, *, device: str) -> Judge:
    """Teach the readers on training patches of the geometry `JUDGED`, and their (n, t) expression.

    Raises
    ------
    DataError
        If the samples carry no patches, or there are too few: each reader needs two, and is taught without a part.
    """
    patches = train.need_patches("a judge of generated patches")
    if len(train) < _FEWEST_SPOTS:
        raise DataError(
            f"a judge of generated patches learns from {_FEWEST_SPOTS} training spots or more, found {len(train)}."
        )
    features = _features(encoder, patches, device).astype(np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation < 1e-6] = 1.0  # a constant feature carries no information
    scaled = (features - mean) / deviation
    parts = _parts(train)
    expression = train.targets.values.astype(np.float64)
    readers = [_teach(scaled[parts != part], expression[parts != part]) for part in range(parts.max() + 1)]
    return Judge(
        encoder=encoder,
        device=device,
        readers=tuple(readers),
        parts=parts,
        mean=mean,
        deviation=deviation,
        seen=cKDTree(scaled),
    )


def _teach(features: Float, expression: Float) -> Any:  # Any: scikit-learn has no types
    return RidgeCV(alphas=_PENALTIES).fit(features, expression)


def _parts(train: LabelledSamples) -> Int:
    """Divide the training spots into at most five parts, (m,) from 0: by patient, else by slide, else into halves.

    A division that leaves a reader too few spots is not used.
    """
    for groups in (train.patients, train.slide_ids):
        names, numbers = np.unique(train.slide_ids if groups is None else groups, return_inverse=True)
        parts: Int = numbers % _MOST_PARTS
        if len(names) > 1 and len(parts) - np.bincount(parts).max() >= _FEWEST_LEFT:
            return parts
    across = train.xy_um[:, 0]
    halves: Int = (across > np.median(across)).astype(np.int64)
    return halves if halves.sum() >= _FEWEST_LEFT else np.arange(len(across)) % 2


def _features(encoder: Encoder, patches: Patches, device: str) -> Float:
    """Embed (n, h, w, 3) patches as (n, d), resized for the encoder."""
    side = encoder.geometry.patch_px
    parts = []
    for start in range(0, len(patches), _AT_ONCE):
        some: UInt8 = patches[np.arange(start, min(start + _AT_ONCE, len(patches)))]
        parts.append(encoder.embed(_resized(some, side), device=device))
    return np.concatenate(parts) if parts else np.empty((0, encoder.dim), dtype=np.float32)


def _resized(patches: UInt8, side: int) -> UInt8:
    """Resize (n, h, w, 3) patches to ``side`` pixels."""
    if patches.shape[1:3] == (side, side) or not len(patches):
        return patches
    return np.stack([resize(patch, side) for patch in patches])
