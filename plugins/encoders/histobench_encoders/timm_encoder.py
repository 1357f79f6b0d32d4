"""Encoders whose network timm builds, from one record each.

Normalisation, pooling and weights come from the record; timm gives the architecture. Weights are loaded strictly: a
file that lacks a tensor, or has one too many, is an error, for such a network still gives plausible embeddings.

Differences from the published encoders
---------------------------------------
* Embeddings are computed and kept in float32 throughout; CUCA extracts Virchow2's and UNI's under float16 autocast.
* Patches are handed over at the size they are cut, without the resampling that some published transforms do.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from timm.layers import SwiGLUPacked
from torch import Tensor, nn

from histobench import ConfigError, Float, PatchGeometry, UInt8, WeightsError
from histobench.training import seeded
from histobench_encoders.entries import TimmEntry

__all__ = ["RANDOM_SEED", "PatchNetwork", "TimmEncoder"]

RANDOM_SEED = 0
"""Decides the weights of a frozen encoder that has none from elsewhere."""

_BATCH = 64
_CLASSES = {"swiglu_packed": SwiGLUPacked}


class PatchNetwork(nn.Module):
    """A timm network from (n, h, w, 3) uint8 RGB to (n, d), normalisation and pooling included."""

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: nn.Module, entry: TimmEntry) -> None:
        super().__init__()
        self.trunk = trunk
        self._pooling = entry.pooling
        self._fixed_px = entry.fixed_px
        # facts of the record and no weights: they stay out of every state dict
        self.register_buffer("mean", torch.tensor(entry.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(entry.std).view(3, 1, 1), persistent=False)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed (n, h, w, 3) uint8 as (n, d), in the dtype of the weights or of autocast."""
        return self._pool(self.normalise(patches))

    def normalise(self, patches: Tensor) -> Tensor:
        """Turn (n, h, w, 3) uint8 into (n, 3, h, w): scaled to [0, 1], less the mean, by the deviation."""
        images = patches.permute(0, 3, 1, 2).to(self.mean.dtype) / 255
        if self._fixed_px is not None and images.shape[-1] != self._fixed_px:
            images = nn.functional.interpolate(images, size=self._fixed_px, mode="bilinear", antialias=True)
        return (images - self.mean) / self.std

    def _pool(self, images: Tensor) -> Tensor:
        if self._pooling == "own":
            return torch.flatten(self.trunk(images), 1)
        features: Tensor = self.trunk.forward_features(images)  # type: ignore[operator]  # timm's, of any network
        if self._pooling == "gap":
            return features.mean(dim=(2, 3))
        if self._pooling == "cls":
            return features[:, 0]
        # class, registers, patches, in this order: registers are no part of the image
        patches = features[:, int(self.trunk.num_prefix_tokens) :]  # type: ignore[arg-type]  # an int of timm's ViT
        return torch.cat([features[:, 0], patches.mean(dim=1)], dim=1)


class TimmEncoder:
    """A timm network as an encoder, frozen or to be trained.

    Parameters
    ----------
    name
        The encoder's name, for messages.
    weights
        File of the published weights; ``None`` to draw them at random.

    Raises
    ------
    ConfigError
        If the network does not take patches of this size.
    """

    def __init__(self, name: str, entry: TimmEntry, *, geometry: PatchGeometry, weights: Path | None = None) -> None:
        _check_side(name, geometry.patch_px, entry.token_px)
        self.name = name
        self.entry = entry
        self.geometry = geometry
        self._weights = weights
        self._frozen: dict[str, PatchNetwork] = {}

    @cached_property
    def dim(self) -> int:
        """Width of the embedding."""
        if self.entry.dim is not None:
            return self.entry.dim
        side = self.geometry.patch_px
        with torch.device("meta"), torch.no_grad():
            # one patch through a network without memory
            embedding: Tensor = self._network().eval()(torch.zeros(1, side, side, 3, dtype=torch.uint8))
        return embedding.shape[1]

    @cached_property
    def identity(self) -> str:
        """Hash of weights, architecture, pooling, normalisation and dtype."""
        facts = asdict(self.entry)
        # what decides no embedding
        for fact in ("dim", "params", "weights", "head", "blocks", "depth"):
            del facts[fact]
        weights = f"random:{RANDOM_SEED}" if self._weights is None else _hash_file(self._weights)
        key = facts | {"kwargs": self._kwargs(), "weights": weights, "dtype": "float32"}
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed (n, h, w, 3) uint8 RGB patches as (n, d) float32, each independently of the others."""
        if device not in self._frozen:
            with seeded(RANDOM_SEED):
                self._frozen[device] = self.module().eval().requires_grad_(False).to(device)
        network = self._frozen[device]
        embeddings = np.empty((len(patches), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(patches), _BATCH):
                batch = torch.from_numpy(np.array(patches[start : start + _BATCH]))
                embeddings[start : start + _BATCH] = network(batch.to(device)).float().cpu().numpy()
        return embeddings

    def module(self) -> PatchNetwork:
        """Make a fresh module from (n, h, w, 3) uint8 to (n, d) float32, normalisation included.

        Random weights are drawn from torch's generator at the time of the call; pretrained ones are loaded.

        Raises
        ------
        WeightsError
            If the file is damaged or holds another network's weights.
        """
        if self._weights is None:
            return self._network()
        if self.entry.converts:
            return self._converted(self._weights)
        state = _read_state(self.name, self._weights, self.entry.head)
        # without memory for random weights that nobody will see; the file's tensors take their place
        with torch.device("meta"):
            trunk = self._trunk()
        _check_state(self.name, self._weights, state, trunk.state_dict())
        trunk.load_state_dict(state, strict=True, assign=True)
        return PatchNetwork(trunk, self.entry)

    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        """Name the linear layers of the last blocks, as ``named_modules`` of `module` spells them.

        None for a network that has no blocks of the kind.

        Raises
        ------
        ConfigError
            If the network has not as many blocks.
        """
        if not self.entry.blocks:
            return ()
        depth = self.entry.depth
        if not 1 <= last_blocks <= depth:
            raise ConfigError(f"encoder {self.name!r} has {depth} blocks; adapters on the last {last_blocks} asked.")
        wanted = tuple(f"trunk.{self.entry.blocks.format(i)}." for i in range(depth - last_blocks, depth))
        with torch.device("meta"):
            network = self._network()
        return [n for n, layer in network.named_modules() if isinstance(layer, nn.Linear) and n.startswith(wanted)]

    def _network(self) -> PatchNetwork:
        return PatchNetwork(self._trunk(), self.entry)

    def _trunk(self, **more: object) -> nn.Module:
        trunk: nn.Module = timm.create_model(self.entry.arch, num_classes=0, **self._classes(), **more)
        return trunk

    def _converted(self, path: Path) -> PatchNetwork:
        try:
            trunk = self._trunk(pretrained=True, pretrained_cfg_overlay={"file": str(path), "hf_hub_id": None})
        except Exception as error:  # timm, torch and safetensors raise whatever a wrong file makes them
            raise _unreadable(self.name, path, error) from error
        return PatchNetwork(trunk, self.entry)

    def _kwargs(self) -> dict[str, object]:
        """Arguments for timm; a ViT from scratch is made for the patch, a pretrained one bends its positions."""
        kwargs = dict(self.entry.kwargs)
        if self.entry.token_px:
            kwargs["img_size"] = self.geometry.patch_px if self.entry.weights is None else 224
            kwargs["dynamic_img_size"] = self.entry.weights is not None
        return kwargs

    def _classes(self) -> dict[str, object]:
        return {
            key: _CLASSES.get(value, value) if isinstance(value, str) else value
            for key, value in self._kwargs().items()
        }


def _check_side(name: str, patch_px: int, token_px: int | None) -> None:
    if token_px and patch_px % token_px:
        below = max(patch_px // token_px, 1) * token_px
        raise ConfigError(
            f"encoder {name!r} takes patches whose side is a multiple of {token_px} px, got {patch_px} px; "
            f"take {below} or {(patch_px // token_px + 1) * token_px}."
        )


def _read_state(name: str, path: Path, head: Sequence[str]) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)  # Any: whatever the file holds
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise whatever a damaged file makes them
        raise _unreadable(name, path, error) from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise WeightsError(f"{path}: the weights of encoder {name!r} must be a state dict of tensors; remove the file.")
    kept = {key: tensor for key, tensor in state.items() if not key.startswith(tuple(head))}
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in kept.items()}


def _unreadable(name: str, path: Path, error: Exception) -> WeightsError:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return WeightsError(f"{path}: the weights of encoder {name!r} cannot be read: {reason}; remove the file.")


def _check_state(name: str, path: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    reshaped = sorted(k for k in wanted.keys() & state.keys() if wanted[k].shape != state[k].shape)
    if missing or unexpected or reshaped:
        found = "; ".join(
            f"{len(keys)} {what} (e.g. {keys[0]!r})"
            for what, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
            if keys
        )
        raise WeightsError(f"{path}: these are not the weights of encoder {name!r}: tensors {found}; remove the file.")


def _hash_file(path: Path) -> str:
    status = path.stat()
    return _hash_content(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=32)
def _hash_content(path: Path, _bytes: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
