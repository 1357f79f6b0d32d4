"""Reads publishers' state dicts without executing anything in their files.

A pickle is a program. It is loaded by torch's restricted reader, which makes only tensors and plain containers. If it
holds whole networks, `pickled_modules` reads it into inert records. A file that needs more is refused before anything
in it is called.
"""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from histobench.errors import DataError
from histobench.weights.converted import is_safetensors
from histobench.weights.pickled_modules import read_modules

__all__ = ["read_foreign"]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "teacher", "student")
"""Keys under which training scripts and Lightning keep the state dict, next to optimisers and epochs."""

_DEEPEST = 8
"""How deeply these wrappers may be nested."""

_NESTED = 2
"""How deeply dicts of tensors may be nested inside the wrappers: part of the model → its state dict."""

_PARALLEL = "module."
"""Prefix of every name in a data-parallel wrapper of torch."""

_WANTED = re.compile(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL|class or function) ([\w.]+)")


def read_foreign(path: Path) -> dict[str, Tensor]:
    """Read a publisher's state dict: tensor by the publisher's name, without the wrappers of training scripts.

    Raises
    ------
    DataError
        If there is no such file, it is empty or damaged, would run code, or holds no state dict of finite tensors.
    """
    if not path.is_file():
        raise DataError(f"there is no file at {str(path)!r}.")
    if not path.stat().st_size:
        raise DataError(f"{str(path)!r} is empty; get it again from its publisher.")
    held = _load(path)
    for _ in range(_DEEPEST):  # a pickle may hold itself
        if not isinstance(held, Mapping) or (wrapper := next((key for key in _WRAPPERS if key in held), None)) is None:
            break
        held = held[wrapper]
    return _state(path, _flat(held, _NESTED) if isinstance(held, Mapping) else held)


def _load(path: Path) -> object:
    try:
        if is_safetensors(path):
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # about pickles in other formats, which are refused anyway
            return _restricted(path)
    except pickle.UnpicklingError as error:
        wanted = _WANTED.search(str(error))
        asks = f"it asks for {wanted[1]}" if wanted else "it holds other instructions than those of tensors"
        raise DataError(
            f"{str(path)!r} would have to run as a program to be loaded ({asks}); nothing of it was executed. Ask its "
            f"publisher for a file of tensors alone, best safetensors."
        ) from error
    except Exception as error:  # torch and safetensors raise anything for damaged bytes
        reason = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".:") or type(error).__name__
        raise DataError(
            f"{str(path)!r} is damaged or has no tensors: it is neither safetensors nor torch's format ({reason}); get "
            f"it again from its publisher."
        ) from error


def _restricted(path: Path) -> object:
    """Read tensors and plain containers with torch's restricted reader, and whole networks with ours."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        tensors = read_modules(path)
        if not tensors:
            raise
        return tensors


def _flat(held: Mapping[object, object], depth: int) -> dict[object, object]:
    """Join the names of nested dicts by dots; a number in an inner dict becomes a tensor without axes."""
    flat: dict[object, object] = {}
    for name, value in held.items():
        if not depth or not isinstance(value, Mapping) or not value:
            flat[name] = value
            continue
        for key, part in _flat(value, depth - 1).items():
            flat[f"{name}.{key}"] = torch.as_tensor(part) if isinstance(part, bool | int | float) else part
    return flat


def _state(path: Path, held: object) -> dict[str, Tensor]:
    if not isinstance(held, Mapping) or not held:
        raise DataError(f"{str(path)!r} must hold a state dict of tensors, and holds {_kind(held)}.")
    for name, value in held.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(f"{str(path)!r} must hold tensors by name, and under {name!r} holds {_kind(value)}.")
        if value.layout != torch.strided or value.is_complex() or value.is_quantized:
            raise DataError(
                f"{str(path)!r}: tensor {name!r} must be dense and real, and is {value.layout}, {value.dtype}."
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise DataError(f"{str(path)!r}: tensor {name!r} holds values that are not finite.")
    parallel = all(name.startswith(_PARALLEL) for name in held)
    return {name.removeprefix(_PARALLEL) if parallel else name: tensor for name, tensor in held.items()}


def _kind(value: object) -> str:
    return "nothing" if isinstance(value, Mapping) and not value else type(value).__name__
