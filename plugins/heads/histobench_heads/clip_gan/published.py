"""Generators that were trained before, here or by their publishers."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from histobench import DataError
from histobench_heads.clip_gan.generator import Generator

__all__ = ["continue_from"]

_WEIGHTS = "weights.safetensors"
_PREFIX = "generator."


def continue_from(generator: Generator, folder: Path) -> None:
    """Copy the tensors of a saved method's generator that have the same name and shape, as published.

    Raises
    ------
    DataError
        If there is no saved method, or nothing in it fits.
    """
    path = folder / _WEIGHTS
    if not path.is_file():
        raise DataError(f"start_from must name the folder of a saved method, and there is no {str(path)!r}.")
    saved = {name.removeprefix(_PREFIX): t for name, t in load_file(path).items() if name.startswith(_PREFIX)}
    own = generator.state_dict()
    fitting = {name: t for name, t in saved.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise DataError(f"{path}: none of its {len(saved)} tensors of a generator fits this one; take equal sizes.")
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
