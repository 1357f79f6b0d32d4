"""Convert a publisher's checkpoint: read it safely, let the method rename its tensors, load it to prove it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from histobench.contracts.cards import MethodCard
from histobench.contracts.options import options_from_json, options_to_json
from histobench.contracts.protocols import FitContext, Options, TrainableEncoder
from histobench.contracts.published import Converted, ConvertRequest
from histobench.contracts.registry import Registry
from histobench.data import Kind
from histobench.errors import ConfigError, DataError, HistobenchError, explain
from histobench.files import file_digest, replacing
from histobench.study.config import RunConfig, method_options
from histobench.weights.converted import Header, unpacked
from histobench.weights.foreign import read_foreign
from histobench.weights.slots import EncoderChoice, converted_encoder

__all__ = ["Wanted", "convert_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A conversion that a user requests.

    Attributes
    ----------
    source, out
        The publisher's file, and the file to write.
    kind
        Kind of target that it predicts.
    targets
        Names of its output columns, if known.
    encoder
        ``name`` or ``name@mode``; empty for the published encoder of the method.
    dataset
        Dataset whose published options the method used; empty for the defaults.
    of_dataset
        Names and order of the dataset's columns, for each of its targets of this kind.
    settings
        Options that differed from the published ones.
    """

    source: Path
    out: Path
    kind: Kind
    targets: tuple[str, ...] = ()
    encoder: str = ""
    dataset: str = ""
    of_dataset: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)  # Any: values of options


def convert_file(card: MethodCard, registry: Registry, wanted: Wanted) -> tuple[Header, Converted]:
    """Convert a published checkpoint, and write nothing unless the method can load it.

    Raises
    ------
    HistobenchError
        If the file is damaged, would execute code, or does not belong to this method; names the tensors at fault.
    """
    if card.convert is None:
        raise ConfigError(f"method {card.name!r} cannot convert published checkpoints.")
    if wanted.kind not in card.targets:
        raise ConfigError(f"{card.name} predicts {', '.join(card.targets)}, not {wanted.kind}.")
    tensors = read_foreign(wanted.source)
    choice = _choice(card, registry, wanted.encoder)
    mode = choice.mode if choice else None
    config = RunConfig.read(
        None, {"set": {f"{card.name}.{option}": value for option, value in wanted.settings.items()}}
    )
    options = method_options(card, config, dataset=wanted.dataset, kind=wanted.kind, mode=mode)
    trained = _trained(choice, options)
    request = ConvertRequest(
        options=options,
        kind=wanted.kind,
        mode=mode,
        targets=wanted.targets,
        of_dataset=wanted.of_dataset,
        dim=_dim(choice, trained),
        encoder_prefix="" if trained is None else _prefix(trained),
    )
    converted = _convert(card, tensors, request, wanted.source)
    options = options_from_json(card, {**options_to_json(card, options), **converted.options, **wanted.settings})
    header = Header(
        method=card.name,
        kind=wanted.kind,
        encoder=wanted.encoder.partition("@")[0] or (card.encoder.default if card.encoder else ""),
        mode=mode,
        targets=converted.targets,
        options=options_to_json(card, options),
        facts=dict(converted.facts),
        source=wanted.source.name,
        source_sha256=file_digest(wanted.source),
    )
    context = FitContext(seed=0, mode=mode or "frozen", encoder=trained)
    _write(card, options, context, header=header, tensors=converted.tensors, wanted=wanted)
    return header, converted


def _choice(card: MethodCard, registry: Registry, asked: str) -> EncoderChoice | None:
    if card.encoder is None:
        if asked:
            raise ConfigError(f"{card.name} does not take an encoder, but {asked!r} was given.")
        return None
    name, _, mode = asked.partition("@")
    known = next((one for one in card.encoder.modes if one == mode), None)
    if mode and known is None:
        raise ConfigError(f"{card.name} takes an encoder {' or '.join(card.encoder.modes)}, not {mode!r}.")
    name, known = name or card.encoder.default, known or card.encoder.default_mode
    if known == "frozen":  # the checkpoint has no weights of it: only its width matters
        first = (
            name
            if name in registry.encoders.cards
            else next(iter(c.name for c in registry.encoders.variants(name)), name)
        )
        return EncoderChoice(card=registry.encoders.get(first), mode=known)
    return converted_encoder(registry, card.encoder, name, known)


def _trained(choice: EncoderChoice | None, options: Options) -> TrainableEncoder | None:
    if choice is None or choice.mode == "frozen":
        return None
    encoder: TrainableEncoder = choice.card.build(choice.geometry(options))  # type: ignore[assignment]  # it is trainable
    return encoder


def _dim(choice: EncoderChoice | None, trained: TrainableEncoder | None) -> int:
    if choice is None:
        return 0
    return choice.card.dim or (trained or choice.card.build(None)).dim


def _prefix(encoder: TrainableEncoder) -> str:
    """Return the prefix that the names of all tensors of an encoder share."""
    names = [name.split(".")[:-1] for name in encoder.module().state_dict()]
    shared = []
    for parts in zip(*names, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(f"{parts[0]}.")
    return "".join(shared)


def _convert(card: MethodCard, tensors: Mapping[str, Tensor], request: ConvertRequest, source: Path) -> Converted:
    assert card.convert is not None  # noqa: S101 -- `convert_file` has refused it
    try:
        return card.convert(tensors, request)
    except HistobenchError as error:
        raise DataError(f"{str(source)!r}: {error}") from error
    except Exception as error:
        raise DataError(f"{str(source)!r} cannot be converted for {card.name!r}: {explain(error)}") from error


def _write(
    card: MethodCard,
    options: Options,
    context: FitContext,
    *,
    header: Header,
    tensors: Mapping[str, Tensor],
    wanted: Wanted,
) -> None:
    """Write a temporary file, let the method load it, and only then rename it to the requested name."""
    if not wanted.out.name or wanted.out.resolve() == wanted.source.resolve():
        raise ConfigError(
            f"the result needs another file name than the source, got {str(wanted.out)!r}; name another with --out."
        )
    # copied, because safetensors refuses tensors that share memory
    apart = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    try:
        wanted.out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(wanted.out) as partial:
            save_file(apart, partial, metadata=header.as_metadata())
            with unpacked(header, partial) as folder:
                _load(card, options, context, folder=folder, source=wanted.source)
    except OSError as error:
        raise DataError(f"cannot write {str(wanted.out)!r}: {error}.") from error


def _load(card: MethodCard, options: Options, context: FitContext, *, folder: Path, source: Path) -> None:
    try:
        card.build(options).load(folder, context)
    except HistobenchError as error:
        why = str(error).removeprefix(f"{folder}/weights.safetensors: ")
        raise DataError(f"{str(source)!r} does not fit {card.name!r}: {why}") from error
    except Exception as error:
        raise DataError(f"{str(source)!r} cannot be loaded by {card.name!r}: {explain(error)}") from error
