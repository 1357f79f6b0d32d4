"""Training that starts from the generator of a saved method."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from histobench import DataError
from histobench_heads.clip_gan.generator import Generator

__all__ = ["continue_from", "read_generator"]

_WEIGHTS = "weights.safetensors"
_PREFIX = "generator."


def read_generator(folder: Path) -> dict[str, Tensor]:
    """Read the generator's tensors out of the folder of a saved method.

    Raises
    ------
    DataError
        If there is no saved method, or its file is damaged or has no generator.
    """
    path = folder / _WEIGHTS
    if not path.is_file():
        raise DataError(f"start_from must name the folder of a saved method, and there is no {str(path)!r}.")
    try:
        saved = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"start_from: {str(path)!r} cannot be read: {error}.") from error
    tensors = {name.removeprefix(_PREFIX): t for name, t in saved.items() if name.startswith(_PREFIX)}
    if not tensors:
        raise DataError(
            f"start_from: {str(path)!r} has no generator; name a folder that clip-gan saved for 'generate'."
        )
    return tensors


def continue_from(generator: Generator, saved: dict[str, Tensor]) -> None:
    """Copy the tensors of another generator that have the same name and shape, as published.

    Raises
    ------
    DataError
        If none fits.
    """
    own = generator.state_dict()
    fitting = {name: t for name, t in saved.items() if name in own and own[name].shape == t.shape}
    if not fitting:
        raise DataError(
            f"start_from: none of the {len(saved)} tensors of that generator fits this one; use the same sizes."
        )
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
