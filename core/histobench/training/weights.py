"""Trained weights on disk, as safetensors."""

from collections.abc import Collection, Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from histobench.errors import DataError

__all__ = ["compare_states", "load_weights", "restore", "save_weights", "trained_state"]

_NAMED = 4


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors that training can change; a large frozen encoder is not saved at every epoch."""
    frozen = _frozen(module)
    return {name: tensor.detach() for name, tensor in module.state_dict().items() if name not in frozen}


def restore(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load a state from `trained_state` into a module of the same architecture.

    Parameters
    ----------
    path
        File of the state, for the message.

    Raises
    ------
    DataError
        Naming the tensors that are missing, that the module has no place for, or that have another shape there.
    """
    own = module.state_dict()
    if differences := compare_states(state, own, required=own.keys() - _frozen(module)):
        raise DataError(f"{path}: tensors {differences}.")
    module.load_state_dict(state, strict=False)


def compare_states(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], *, required: Collection[str] | None = None
) -> str:
    """Describe how a state differs from a module's own: tensors missing, unexpected, of another shape; empty if equal.

    Parameters
    ----------
    required
        The module's tensors that the state must have; all by default.
    """
    misshapen = [
        f"{name} is {tuple(tensor.shape)} and must be {tuple(own[name].shape)}"
        for name, tensor in state.items()
        if name in own and tensor.shape != own[name].shape
    ]
    found = {
        "missing": [name for name in own if name not in state and (required is None or name in required)],
        "unexpected": [name for name in state if name not in own],
        "of another shape": misshapen,
    }
    return "; ".join(_first_few(what, names) for what, names in found.items() if names)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the parameters and buffers that training could change; frozen parameters are left out."""
    state = {name: tensor.cpu().contiguous() for name, tensor in trained_state(module).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a file of `save_weights` into a module of the same architecture; raises as `restore` does."""
    restore(module, load_file(path), path)


def _frozen(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if not parameter.requires_grad}


def _first_few(what: str, names: list[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{what}: {', '.join(names[:_NAMED])}{more}"
