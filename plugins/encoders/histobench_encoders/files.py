"""Read published files safely, and compare them with a network, tensor by tensor.

Files are safetensors, or torch's format with ``weights_only``: no code from a file is executed. A missing or unexpected
tensor is an error, because the network would still produce plausible embeddings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from histobench import WeightsError

__all__ = ["check_state", "read_state", "unreadable"]

_WRAPPERS = ("model", "state_dict", "teacher", "student")
_DEEPEST = 8
_PREFIXES = ("module.", "backbone.")


def read_state(name: str, path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file as float32, from inside the wrappers of training checkpoints.

    Parameters
    ----------
    name
        The encoder's name, for messages.

    Raises
    ------
    WeightsError
        If the file is damaged or holds no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)  # Any: whatever the file holds
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds of errors for a damaged file
        raise unreadable(name, path, error) from error
    for _ in range(_DEEPEST):  # a pickle may contain itself
        if not isinstance(state, Mapping):
            break
        inner = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)), None)
        if inner is None:
            break
        state = inner
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(tensor, Tensor) for key, tensor in state.items()
    ):
        raise WeightsError(f"{path}: the weights of encoder {name!r} must be a state dict of tensors; remove the file.")
    return {_bare(key): tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}


def check_state(name: str, path: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Compare the tensors of a file with those of the network.

    Raises
    ------
    WeightsError
        If tensors are missing, unexpected or of another shape; the message counts them and names the first of each.
    """
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


def unreadable(name: str, path: Path, error: Exception) -> WeightsError:
    """Return an error that a file cannot be read, with the reason."""
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return WeightsError(f"{path}: the weights of encoder {name!r} cannot be read: {reason}; remove the file.")


def _bare(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    return key
