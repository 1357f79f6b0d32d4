"""Published checkpoints to convert, and published numbers to reproduce.

A method's author writes a function from published tensors to a `Converted` (``MethodCard.convert``), and a
`Reproduction` for every published number (``MethodCard.reproductions``). The platform reads files safely, checks every
tensor against the method's own module, and writes and evaluates the result.
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
"""The scores that a published number averages: per target over all test spots of a fold, or over each slide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest:
    """The settings of a conversion.

    Attributes
    ----------
    options
        The method's options for the dataset, mode and ``--set``.
    kind
        Kind of target that the checkpoint predicts.
    mode
        How the publisher trained the encoder; ``None`` for a method without an encoder slot.
    targets
        Names of the output columns, in order, from the user; may be empty. Use `target_names`.
    of_dataset
        Columns of the user's dataset, in order, for each of its targets of this kind.
    dim
        Width of the slot's encoder; 0 without one.
    encoder_prefix
        Prefix of all tensor names of the encoder's module (``trunk.``), often empty. In a method's module, a tensor of
        a trained encoder is named ``backbone.`` + this prefix + its name in the network.
    """

    options: Options
    kind: Kind
    mode: Mode | None = None
    targets: tuple[str, ...] = ()
    of_dataset: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dim: int = 0
    encoder_prefix: str = ""

    def target_names(self, n: int) -> tuple[str, ...]:
        """Return the names of the ``n`` output columns of a checkpoint.

        These are the names from the user; without them, those of the dataset's only target with ``n`` columns.

        Raises
        ------
        DataError
            If there are no names, or their number is not ``n``.
        """
        fitting = {names for names in self.of_dataset.values() if len(names) == n}
        if not self.targets and len(fitting) == 1:
            return fitting.pop()
        if not self.targets:
            raise DataError(
                f"the checkpoint predicts {n} targets but does not name them: give their names in order, one per line, "
                f"with --targets."
            )
        if len(self.targets) != n:
            raise DataError(f"the checkpoint predicts {n} targets, but {len(self.targets)} names are given.")
        return self.targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A published checkpoint, converted for the method.

    Attributes
    ----------
    tensors
        Named as in the method's module. An unknown tensor keeps its name, so that the platform reports it.
    facts
        Contents of ``method.json``, as the method's ``save`` writes it. The method's ``load`` must be able to read it
        and ``weights.safetensors``.
    targets
        Names of the output columns, in order.
    options
        Options that follow from the checkpoint, such as whether its outputs are rectified; ``--set`` overrides them.
    left_out
        Published tensors that are not used → why, in a few words.
    """

    tensors: "Mapping[str, Tensor]"
    facts: Mapping[str, Any]  # Any: JSON values
    targets: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)  # Any: values of options
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A published number and the configuration behind it.

    Attributes
    ----------
    dataset, target, scheme
        Their names in histobench; the dataset need not be installed.
    metric
        Name of the metric with the publication's definition.
    view
        Scores that are averaged over folds or slides for each target, and then over targets.
    value, tolerance
        The published number, and the accepted deviation of a faithful repetition, for example by another seed or by
        reading a figure.
    panel
        The targets, in words.
    source
        Where it is published: paper and table or figure, or section of the specification.
    encoder
        ``name@mode`` of its encoder; empty for the slot's default, or for a method without a slot.
    settings
        Options that differ from the published defaults of the card: option → value.
    folds
        Folds of the scheme that the number covers; empty for all.
    slides, patients
        Their number in the publication; 0 if not stated.
    note
        What remains different from the publication.
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
    r"""Rename tensors by patterns for the start of their names.

    Parameters
    ----------
    table
        Regular expression for the start of a name → its replacement (``\1`` is the first group). The first match is
        replaced, once; other names stay.

    Raises
    ------
    DataError
        If two tensors would get the same name.
    """
    patterns = [(re.compile(pattern), into) for pattern, into in table.items()]
    found: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for name, tensor in tensors.items():
        match = next(((fits, into) for pattern, into in patterns if (fits := pattern.match(name))), None)
        new = name if match is None else match[0].expand(match[1]) + name[match[0].end() :]
        if new in found:
            raise DataError(f"tensors {origin[new]!r} and {name!r} of the checkpoint are both {new!r} in the method.")
        found[new], origin[new] = tensor, name
    return found


def length(tensors: "Mapping[str, Tensor]", name: str, *, axis: int = 0) -> int:
    """Return the length of an axis of a published tensor.

    Raises
    ------
    DataError
        If there is no such tensor or axis.
    """
    if name not in tensors:
        some = ", ".join(repr(known) for known in list(tensors)[:3])
        raise DataError(f"this is not a checkpoint of the method: it has no tensor {name!r}; its first are {some}.")
    shape = tuple(tensors[name].shape)
    if not -len(shape) <= axis < len(shape):
        raise DataError(f"tensor {name!r} of the checkpoint must have axis {axis}, but its shape is {shape}.")
    return int(shape[axis])
