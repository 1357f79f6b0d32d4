"""Encoders with a network built by timm, from one record each.

Normalisation, pooling and weights come from the record, the architecture from timm. Weights are loaded strictly: a
missing or unexpected tensor is an error, because the network would still produce plausible embeddings.

Differences from the published encoders
---------------------------------------
* `TimmEncoder.embed` computes in float32 throughout; the card names the precision used by the publishers.
* Patches are cut at the size and magnification that the record requires, without the resampling of some published
  transforms. ``encoder[hest]`` applies the published transform.
* Position embeddings for a grid other than that of the patch are resampled at each call, bicubic and antialiased, as in
  timm.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from histobench import ConfigError, Float, PatchGeometry, UInt8
from histobench.training import mean_over_symmetries, seeded
from histobench.weights import weights_hash
from histobench_encoders.entry import TimmEntry
from histobench_encoders.files import check_state, read_state, unreadable
from histobench_encoders.networks import make_trunk
from histobench_encoders.remaps import remap
from histobench_encoders.transforms import centre_crop, resample

__all__ = ["RANDOM_SEED", "PatchNetwork", "TimmEncoder"]

RANDOM_SEED = 0
"""The seed of the random weights of a frozen encoder without published weights."""

_BATCH = 64
_IDENTITY = ("arch", "builder", "pooling", "kwargs", "sides", "mean", "std", "token_px", "fixed_px")
_IDENTITY_AS_PUBLISHED = ("resize_px", "crop_px")


class PatchNetwork(nn.Module):
    """A timm network from (n, h, w, 3) uint8 RGB to (n, d), including normalisation and pooling."""

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: nn.Module, entry: TimmEntry) -> None:
        super().__init__()
        self.trunk = trunk
        self._entry = entry
        # not weights, so they stay out of every state dict
        self.register_buffer("mean", torch.tensor(entry.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(entry.std).view(3, 1, 1), persistent=False)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed (n, h, w, 3) uint8 as (n, d), in the dtype of the weights or of autocast.

        In evaluation, average over the eight symmetries of the patches if the record requires it.
        """
        if self._entry.symmetries and not self.training:
            return mean_over_symmetries(self._embed, patches)
        return self._embed(patches)

    def _embed(self, patches: Tensor) -> Tensor:
        return self._pool(self.normalise(patches))

    def normalise(self, patches: Tensor) -> Tensor:
        """Convert (n, h, w, 3) uint8 to (n, 3, h, w): scaled to [0, 1], minus the mean, divided by the deviation.

        Before that, images are resampled and cropped as published if the record requires it, and resampled to the fixed
        input size of the network if it has one.
        """
        entry, images = self._entry, patches.permute(0, 3, 1, 2)
        if entry.as_published and entry.resize_px is not None:
            images = resample(images, entry.resize_px, entry.interpolation)
        if entry.as_published and entry.crop_px is not None:
            images = centre_crop(images, entry.crop_px)
        if entry.fixed_px is not None and images.shape[-1] != entry.fixed_px:
            images = resample(images, entry.fixed_px, entry.interpolation)
        return (images.to(self.mean.dtype) / 255 - self.mean) / self.std

    def _pool(self, images: Tensor) -> Tensor:
        pooling = self._entry.pooling
        if pooling in ("own", "projected", "attention"):
            return torch.flatten(self.trunk(images), 1)
        features = self._features(images)
        if pooling == "gap":
            # Swin keeps channels last
            return features.mean(dim=(1, 2) if self._entry.builder == "ctranspath" else (2, 3))
        if pooling == "cls":
            return features[:, 0]
        # the order is class token, registers, patches; registers are not part of the image
        patches = features[:, int(self.trunk.num_prefix_tokens) :].mean(dim=1)  # type: ignore[arg-type]  # timm's int
        return patches if pooling == "mean" else torch.cat([features[:, 0], patches], dim=1)

    def _features(self, images: Tensor) -> Tensor:
        if self._entry.builder == "stage":
            stages: Sequence[Tensor] = self.trunk(images)
            return stages[-1]
        features: Tensor = self.trunk.forward_features(images)  # type: ignore[operator]  # timm's, of any network
        return features


class TimmEncoder:
    """A timm network as an encoder, frozen or trainable.

    Parameters
    ----------
    name
        The encoder's name, for messages.
    weights
        File of the published weights; ``None`` for random weights.

    Raises
    ------
    ConfigError
        If the network does not take patches of this size.
    """

    def __init__(self, name: str, entry: TimmEntry, *, geometry: PatchGeometry, weights: Path | None = None) -> None:
        seen_px = (entry.crop_px or entry.resize_px) if entry.as_published else None
        _check_side(name, seen_px or geometry.patch_px, entry.token_px)
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
            # one patch through a network without allocated memory
            embedding: Tensor = self._network().eval()(torch.zeros(1, side, side, 3, dtype=torch.uint8))
        return embedding.shape[1]

    @cached_property
    def identity(self) -> str:
        """Hash of weights, architecture, pooling, transform and dtype."""
        names = (*_IDENTITY, *(_IDENTITY_AS_PUBLISHED if self.entry.as_published else ()))
        facts = {name: getattr(self.entry, name) for name in names}
        if self.entry.symmetries:
            facts["symmetries"] = True
        if self.entry.as_published or self.entry.fixed_px:
            facts["interpolation"] = self.entry.interpolation
        weights = f"random:{RANDOM_SEED}" if self._weights is None else weights_hash(self._weights)
        key = facts | {"img_size": self._side(), "weights": weights, "dtype": "float32"}
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()

    def frozen(self, device: str = "cpu") -> PatchNetwork:
        """Return the network that `embed` uses, built once per device, in evaluation mode and without gradients."""
        if device not in self._frozen:
            with seeded(RANDOM_SEED):
                self._frozen[device] = self.module().eval().requires_grad_(False).to(device)
        return self._frozen[device]

    def embed(self, patches: UInt8, /, *, device: str = "cpu") -> Float:
        """Embed (n, h, w, 3) uint8 RGB patches as (n, d) float32, each independently of the others."""
        network = self.frozen(device)
        embeddings = np.empty((len(patches), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(patches), _BATCH):
                batch = torch.from_numpy(np.array(patches[start : start + _BATCH]))
                embeddings[start : start + _BATCH] = network(batch.to(device)).float().cpu().numpy()
        return embeddings

    def module(self) -> PatchNetwork:
        """Return a new module from (n, h, w, 3) uint8 to (n, d) float32, including normalisation.

        Random weights are drawn from torch's generator at the time of the call; pretrained weights are loaded.

        Raises
        ------
        WeightsError
            If the file is damaged or holds the weights of another network.
        """
        if self._weights is None:
            return self._network()
        if self.entry.converts:
            return self._converted(self._weights)
        published = read_state(self.name, self._weights)
        kept = {key: tensor for key, tensor in published.items() if not key.startswith(self.entry.head)}
        state = remap(kept, self.entry.formats, projected=self.entry.pooling == "projected")
        trunk = self._empty_trunk(state)
        check_state(self.name, self._weights, state, trunk.state_dict())
        trunk.load_state_dict(state, strict=True, assign=True)
        return PatchNetwork(trunk, self.entry)

    def weights_of(self, module: nn.Module) -> Mapping[str, Tensor]:
        """Return the weights of a trained `module` under timm's names, as they are stored in a file."""
        trunk: nn.Module = module.trunk  # type: ignore[assignment]  # of our own PatchNetwork
        return trunk.state_dict()

    def lora_targets(self, last_blocks: int) -> Sequence[str]:
        """Return the names of the linear layers of the last blocks, as in ``named_modules`` of `module`.

        Empty for a network without blocks that take adapters.

        Raises
        ------
        ConfigError
            If the network has fewer blocks.
        """
        if not self.entry.blocks:
            return ()
        depth = self.entry.depth
        if not 1 <= last_blocks <= depth:
            raise ConfigError(
                f"encoder {self.name!r} has {depth} blocks; adapters on the last {last_blocks} were requested."
            )
        wanted = tuple(f"trunk.{self.entry.blocks.format(i)}." for i in range(depth - last_blocks, depth))
        with torch.device("meta"):
            network = self._network()
        return [n for n, layer in network.named_modules() if isinstance(layer, nn.Linear) and n.startswith(wanted)]

    def _network(self) -> PatchNetwork:
        return PatchNetwork(self._trunk(self._side()), self.entry)

    def _trunk(self, side: int | None) -> nn.Module:
        resampling = {"dynamic_img_size": self.entry.weights is not None} if side is not None else {}
        return make_trunk(self.entry, side=side, **resampling)

    def _side(self) -> int | None:
        """Return the side of the position embeddings: that of the patch from scratch, else the nominal side."""
        if not self.entry.token_px:
            return None
        return self.geometry.patch_px if self.entry.weights is None else self.entry.sides[0]

    def _empty_trunk(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Return a network without allocated weights, with position embeddings for the grid of the given tensors."""
        if self.entry.builder == "ctranspath":
            return self._trunk(None)  # the masks of a Swin are not part of a file, so they must be allocated
        for side in self.entry.sides if self.entry.token_px else ():
            with torch.device("meta"):
                trunk = self._trunk(side)
            wanted = trunk.state_dict()
            if all(wanted[key].shape == t.shape for key, t in state.items() if key in wanted and "pos_embed" in key):
                return trunk
        with torch.device("meta"):
            return self._trunk(self._side())

    def _converted(self, path: Path) -> PatchNetwork:
        # with its classifier, because timm does not load strictly if it has to leave something out
        classes = self.entry.classes
        overlay = {"file": str(path), "hf_hub_id": None} | ({} if classes is None else {"num_classes": classes})
        try:
            trunk = make_trunk(self.entry, num_classes=classes, pretrained=True, pretrained_cfg_overlay=overlay)
            trunk.reset_classifier(0)  # type: ignore[operator]  # timm's, of any network
        except Exception as error:  # timm, torch and safetensors raise many kinds of errors for a wrong file
            raise unreadable(self.name, path, error) from error
        return PatchNetwork(trunk, self.entry)


def _check_side(name: str, patch_px: int, token_px: int | None) -> None:
    if token_px and patch_px % token_px:
        below = max(patch_px // token_px, 1) * token_px
        raise ConfigError(
            f"encoder {name!r} takes patches with a side that is a multiple of {token_px} px, got {patch_px} px; "
            f"use {below} or {(patch_px // token_px + 1) * token_px}."
        )
