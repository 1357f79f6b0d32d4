"""Settings of a study: from the command line and YAML into one checked `RunConfig`, and into a method's options.

An unknown key is an error with a suggestion, and a value is converted to the declared type or refused, whatever the
source.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from histobench.contracts.cards import MethodCard
from histobench.contracts.encoder_card import Precision
from histobench.contracts.options import Setting, invalid, options_from_json
from histobench.contracts.protocols import Mode, Options
from histobench.data import Kind
from histobench.errors import ConfigError, did_you_mean

__all__ = ["RunConfig", "method_options", "settings_of"]


class RunConfig(BaseModel):
    """The settings of a study: the axes of the grid, and where it runs.

    Attributes
    ----------
    methods
        Names, or ``all``; the controls are always added.
    datasets
        Empty for the default dataset.
    encoders
        ``name`` or ``name@mode``; empty for the published encoder of each method.
    targets
        ``kind`` or ``kind:variant``; empty for the default of the dataset.
    settings
        ``METHOD.OPTION`` → value.
    preset
        ``published`` or one of the methods' named sets of options.
    embed_precision
        Precision of frozen encoders; ``None`` for that of the encoder's card on a GPU, and fp32 on a CPU.
    gradient_checkpointing
        True to save memory where an encoder is trained: its blocks are computed again in the backward pass.
    allow_upsampling
        True to enlarge slides that are coarser than a frozen encoder was trained at, and mark the results.
    judge
        Encoder whose features judge generated patches; ``None`` for the default.
    threads
        CPU threads of one job; ``None`` shares the cores among the workers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    methods: tuple[str, ...] = ("all",)
    datasets: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    scheme: str | None = None
    folds: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    metrics: tuple[str, ...] = ()
    epochs: int | None = Field(default=None, ge=1)
    settings: dict[str, Setting] = Field(default_factory=dict, alias="set")
    preset: str = "published"
    data_root: Path | None = None
    out: Path = Path("histobench-out")
    workers: int = Field(default=1, ge=1)
    device: str = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"  # half precision would need a scaler that resumes too
    embed_precision: Precision | None = None
    allow_upsampling: bool = False
    gradient_checkpointing: bool = False
    judge: str | None = None
    threads: int | None = Field(default=None, ge=1)
    tracking: bool = True

    def precision_of(self, own: Precision, device: str) -> Precision:
        """Return the precision of a frozen encoder: ``own`` is its card's; CPUs take fp32, as they emulate halves."""
        return self.embed_precision or ("fp32" if device.startswith("cpu") else own)

    @field_validator("methods", "datasets", "encoders", "targets", "folds", "metrics", "seeds", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, int) and not isinstance(value, bool):
            value = [value]
        if isinstance(value, list | tuple):
            # fold names are text even where YAML reads a number
            return tuple(dict.fromkeys(str(part) for part in value))
        return value

    @classmethod
    def read(cls, file: Path | None, overrides: Mapping[str, object]) -> Self:
        """Read a YAML file, if any, overridden by the given settings that are not ``None``.

        Raises
        ------
        ConfigError
            If the file is missing or is not YAML, or if a key or value is not valid.
        """
        known = {field.alias or name for name, field in cls.model_fields.items()}
        settings = {} if file is None else _read_yaml(file)
        for key in settings:
            if key not in known:
                raise did_you_mean("setting", str(key), known, where=str(file))
        given = {key: value for key, value in overrides.items() if value is not None and value != ()}
        merged = {**settings, **given}
        ours, theirs = settings.get("set"), given.get("set")
        if isinstance(ours, dict) and isinstance(theirs, dict):
            merged["set"] = {**ours, **theirs}
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            raise ConfigError(invalid(error, where=f"{file}: " if file else "")) from error


def method_options(card: MethodCard, config: RunConfig, *, dataset: str, kind: Kind, mode: Mode | None) -> Options:
    """Return a method's options.

    Later sources override earlier ones: the dataclass's defaults, the published values for the kind of target and
    for the dataset, the preset (and its additions for the mode and the kind), ``--epochs``, ``--set``.

    Raises
    ------
    ConfigError
        For an unknown preset, option or a value of the wrong type.
    """
    chosen: dict[str, Setting] = {
        **card.kind_options.get(kind, {}),
        **card.dataset_options.get(dataset, {}),
        **card.presets.get(config.preset, {}),
        **card.presets.get(f"{config.preset}@{mode}", {}),
        **card.presets.get(f"{config.preset}@{kind}", {}),
    }
    names = {field.name for field in fields(card.options)}
    if config.epochs is not None and "epochs" in names:
        chosen["epochs"] = config.epochs
    return options_from_json(card, {**chosen, **settings_of(card, config)})


def settings_of(card: MethodCard, config: RunConfig) -> dict[str, Setting]:
    """Return the options of a method that ``--set`` gives; ``weights`` names a file and is not an option."""
    own = {
        key.removeprefix(f"{card.name}."): value
        for key, value in config.settings.items()
        if key.startswith(f"{card.name}.")
    }
    return {option: value for option, value in own.items() if option != "weights"}


def _read_yaml(file: Path) -> dict[str, Setting]:
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {str(file)!r}: {error}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}.") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{file} must hold 'setting: value' lines, got {type(settings).__name__}.")
    return settings
