"""The frame of every method whose state is one torch module and the facts that it is made from."""

from abc import abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from torch import nn
from typing_extensions import override

from histobench import ConfigError, FitContext, Method
from histobench.training import load_weights, save_weights
from histobench_heads.frames.saved import read_facts, write_facts

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["ModuleMethod"]

BlueprintT = TypeVar("BlueprintT", bound="DataclassInstance")
ModuleT = TypeVar("ModuleT", bound=nn.Module)

_WEIGHTS = "weights.safetensors"


class ModuleMethod(Method, Generic[BlueprintT, ModuleT]):
    """Keep a module and its blueprint, save both and load them again.

    Attributes
    ----------
    blueprint_type
        Frozen dataclass of what the module is made from, in addition to the options: numbers, names and tuples of
        names, which are saved as JSON.
    """

    blueprint_type: type[BlueprintT]

    def __init__(self) -> None:
        self._blueprint: BlueprintT | None = None
        self._module: ModuleT | None = None

    @abstractmethod
    def build(self, blueprint: BlueprintT, context: FitContext) -> ModuleT:
        """Make the module; a seed from the blueprint or the context decides its random weights."""

    @override
    def save(self, folder: Path) -> None:
        blueprint, module = self._made()
        write_facts(folder, asdict(blueprint))
        save_weights(module, folder / _WEIGHTS)

    @override
    def load(self, folder: Path, context: FitContext) -> None:
        facts = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in read_facts(folder).items()}
        self._blueprint = self.blueprint_type(**facts)
        module = self.build(self._blueprint, context).to(context.device)
        load_weights(module, folder / _WEIGHTS)
        self._module = module.eval()

    def _made(self) -> tuple[BlueprintT, ModuleT]:
        """Return the blueprint and the module, or raise `ConfigError` before a fit."""
        if self._blueprint is None or self._module is None:
            raise ConfigError("this method has learned nothing yet; fit or load it first.")
        return self._blueprint, self._module
