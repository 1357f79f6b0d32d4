"""Weights on disk: what training changed, as safetensors, never a pickle."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from histobench.errors import DataError

__all__ = ["load_weights", "restore", "save_weights", "trained_state"]


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Collect what training can change; a frozen encoder of gigabytes is not written again at every epoch."""
    frozen = _frozen(module)
    return {name: tensor.detach() for name, tensor in module.state_dict().items() if name not in frozen}


def restore(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Put what `trained_state` collected back into a module of the same make.

    Parameters
    ----------
    path
        Where the state was read, for the message.

    Raises
    ------
    DataError
        Naming the tensors that are missing, or that the module has no place for.
    """
    missing, unexpected = module.load_state_dict(state, strict=False)
    frozen = _frozen(module)
    missing = [name for name in missing if name not in frozen]
    if missing or unexpected:
        raise DataError(f"{path}: tensors missing: {missing or 'none'}; unexpected: {unexpected or 'none'}.")


def save_weights(module: nn.Module, path: Path) -> None:
    """Write what training could change, parameters and buffers, as safetensors; frozen parameters are left out."""
    state = {name: tensor.cpu().contiguous() for name, tensor in trained_state(module).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote into a module of the same make.

    Raises
    ------
    DataError
        Naming the tensors that are missing, or that the module has no place for.
    """
    restore(module, load_file(path), path)


def _frozen(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
