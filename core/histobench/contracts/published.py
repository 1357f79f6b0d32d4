"""What a method's publishers left behind: checkpoints to convert, and numbers to reproduce; data beside the card.

A method's author writes a function from the publisher's tensors to a `Converted` (``MethodCard.convert``) and a
`Reproduction` for every published number (``MethodCard.reproductions``). Reading files safely, checking every tensor
against the method's own module, writing and evaluating are the platform's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from histobench.contracts.protocols import Mode, Options
from histobench.data.kinds import Kind
from histobench.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ConvertRequest", "Converted", "Reproduction", "View", "length", "renamed"]

View: TypeAlias = Literal["pooled per fold", "per slide"]
"""What a published number averages: a score per target over all spots of a fold's test slides, or of each slide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest:
    """What a conversion is told beside the tensors.

    Attributes
    ----------
    options
        The method's options, as settled for the dataset, mode and ``--set``.
    kind
        What the checkpoint predicts.
    mode
        What of the encoder the publisher trained; ``None`` for a method without an encoder slot.
    targets
        Names of the output columns, in order, as the user gave them; empty if they gave none. Use `target_names`.
    of_dataset
        Names and order of the columns of the user's dataset, for each of its targets of this kind.
    dim
        Width of the slot's encoder; 0 without one.
    encoder_prefix
        What every tensor name of the encoder's module begins with (``trunk.``), so that ``backbone.`` + this + the
        inner name of the network is the name of a trained encoder's tensor in a method's module; often empty.
    """

    options: Options
    kind: Kind
    mode: Mode | None = None
    targets: tuple[str, ...] = ()
    of_dataset: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dim: int = 0
    encoder_prefix: str = ""

    def target_names(self, n: int) -> tuple[str, ...]:
        """Give the names of the ``n`` output columns that were read off a tensor.

        Without names from the user they are the dataset's, if just one of its targets has as many columns.

        Raises
        ------
        DataError
            If there are none, or another number.
        """
        fitting = {names for names in self.of_dataset.values() if len(names) == n}
        if not self.targets and len(fitting) == 1:
            return fitting.pop()
        if not self.targets:
            raise DataError(
                f"the checkpoint predicts {n} targets and does not name them: give their names in order, one a line, "
                f"with --targets."
            )
        if len(self.targets) != n:
            raise DataError(f"the checkpoint predicts {n} targets, and {len(self.targets)} names are given for them.")
        return self.targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A published checkpoint in the method's own terms.

    Attributes
    ----------
    tensors
        By the names of the method's module. What is not understood keeps its name: the platform names it and refuses.
    facts
        What the method's ``save`` writes into ``method.json``. The method's ``load`` must read this and
        ``weights.safetensors`` from its folder.
    targets
        Names of the output columns, in order.
    options
        Options that follow from the checkpoint, such as whether its outputs are rectified; ``--set`` still wins.
    left_out
        Published tensors that are deliberately not taken → why, in a few words.
    """

    tensors: "Mapping[str, Tensor]"
    facts: Mapping[str, Any]  # Any: JSON values
    targets: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)  # Any: values of options
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A published number and all that decides it.

    Attributes
    ----------
    dataset, target, scheme
        As histobench names them; a dataset need not be installed.
    metric
        Name of the metric's card, in the publication's own definition.
    view
        What is averaged first over folds or slides, target by target, and then over targets.
    value, tolerance
        As published, and how far a faithful repetition may be from it: what a reading off a figure or another seed
        can move.
    panel
        The targets, in words.
    source
        Where the number stands: paper, table or figure, or section of the specification.
    encoder
        ``name@mode`` that it was made with; empty for the slot's default or a method without a slot.
    settings
        Options that differ from the published defaults of the card: option → value.
    folds
        Those of the scheme that the number stands for; empty for all.
    slides, patients
        How many the publication has; 0 where it does not say.
    note
        What remains different however it is run.
    """

    dataset: str
    target: str
    scheme: str
    metric: str
    view: View
    value: float
    tolerance: float
    panel: str
    source: str
    encoder: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # Any: values of options
    folds: tuple[str, ...] = ()
    slides: int = 0
    patients: int = 0
    note: str = ""


def renamed(tensors: "Mapping[str, Tensor]", table: Mapping[str, str]) -> "dict[str, Tensor]":
    r"""Rename tensors by the beginnings of their names.

    Parameters
    ----------
    table
        Regular expression for a beginning → what takes its place (``\1`` is its first group). The first that fits is
        used, once; a name that none fits stays.

    Raises
    ------
    DataError
        If two tensors would get one name.
    """
    patterns = [(re.compile(pattern), into) for pattern, into in table.items()]
    found: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for name, tensor in tensors.items():
        match = next(((fits, into) for pattern, into in patterns if (fits := pattern.match(name))), None)
        new = name if match is None else match[0].expand(match[1]) + name[match[0].end() :]
        if new in found:
            raise DataError(f"tensors {origin[new]!r} and {name!r} of the checkpoint are both {new!r} to the method.")
        found[new], origin[new] = tensor, name
    return found


def length(tensors: "Mapping[str, Tensor]", name: str, *, axis: int = 0) -> int:
    """Read a size off a published tensor.

    Raises
    ------
    DataError
        If the checkpoint has no such tensor, or it has no such axis.
    """
    if name not in tensors:
        some = ", ".join(repr(known) for known in list(tensors)[:3])
        raise DataError(f"this is no checkpoint of the method: it has no tensor {name!r}; its first are {some}.")
    shape = tuple(tensors[name].shape)
    if not -len(shape) <= axis < len(shape):
        raise DataError(f"tensor {name!r} of the checkpoint must have axis {axis}, and its shape is {shape}.")
    return int(shape[axis])
