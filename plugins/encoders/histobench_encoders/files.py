"""Read published files safely, and compare them with a network, tensor by tensor.

A missing or unexpected tensor is an error, because the network would still produce plausible embeddings.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from histobench import DataError, WeightsError
from histobench.training import compare_states
from histobench.weights import read_foreign

__all__ = ["check_state", "read_state", "unreadable"]

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
        If the file is damaged or does not contain a state dict.
    """
    try:
        state = read_foreign(path)
    except DataError as error:
        raise unreadable(name, path, error) from error
    return {_bare(key): tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}


def check_state(name: str, path: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise `WeightsError` if tensors of a file are missing, unexpected or of another shape than the network's."""
    if differences := compare_states(state, wanted):
        raise WeightsError(
            f"{path}: these are not the weights of encoder {name!r}: tensors {differences}; remove the file."
        )


def unreadable(name: str, path: Path, error: Exception) -> WeightsError:
    """Return an error that a file cannot be read, with the reason."""
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return WeightsError(f"{path}: the weights of encoder {name!r} cannot be read: {reason}; remove the file.")


def _bare(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    return key
