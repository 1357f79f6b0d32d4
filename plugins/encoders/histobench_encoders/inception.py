"""The Inception-v3 of 2015-12-05, which is used for published Fréchet distances, by torch-fidelity.

Its weights differ from those of every other Inception: they were converted from TensorFlow's graph, and images are
resized to 299 pixels as in TensorFlow 1 (``generative_metrics.md``, section 2).

References
----------
Szegedy et al. (2016), CVPR; Heusel et al. (2017), NeurIPS: the distance. torch-fidelity is Apache-2.0.
"""

import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from histobench import Float, PatchGeometry, UInt8
from histobench.weights import weights_hash
from histobench_encoders.files import read_state, unreadable

__all__ = ["DIM", "Inception"]

DIM = 2048
"""Width of the pooled features."""

_BATCH = 32


class Inception:
    """Pooled features of patches of any size: (n, 2048)."""

    def __init__(self, name: str, geometry: PatchGeometry, weights: Path) -> None:
        self.name = name
        self.geometry = geometry
        self._weights = weights

    @property
    def dim(self) -> int:
        """Width of the embedding."""
        return DIM

    @property
    def identity(self) -> str:
        """Hash of the weights; everything else is fixed."""
        return f"inception-2015-12-05 {weights_hash(self._weights)}"

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed (n, h, w, 3) uint8 RGB patches as (n, d) float32, each independently of the others."""
        network = self._network.to(device)
        embeddings = np.empty((len(patches), DIM), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(patches), _BATCH):
                batch = torch.from_numpy(np.array(patches[start : start + _BATCH])).permute(0, 3, 1, 2)
                (features,) = network(batch.to(device))
                embeddings[start : start + _BATCH] = features.cpu().numpy()
        return embeddings

    @cached_property
    def _network(self) -> nn.Module:
        """Load the network once.

        Raises
        ------
        WeightsError
            If the file is damaged or holds another network's weights.
        """
        state = read_state(self.name, self._weights)  # executes no code from the file
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "inception.pth"
            torch.save(state, plain)  # torch-fidelity unpickles without restrictions, so it gets our own file
            try:
                network: nn.Module = FeatureExtractorInceptionV3(
                    "histobench", [str(DIM)], feature_extractor_weights_path=str(plain)
                )
            except Exception as error:  # torch raises many kinds of errors for a wrong state
                raise unreadable(self.name, self._weights, error) from error
        return network
