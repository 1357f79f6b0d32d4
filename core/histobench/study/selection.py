"""From the names in a user's configuration to cards; an unknown name is an error with a suggestion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from histobench.contracts.cards import DatasetCard, MethodCard, MetricCard, TargetFact
from histobench.contracts.registry import Registry
from histobench.contracts.tasks import targets_of
from histobench.data.splits import Scheme
from histobench.errors import ConfigError, did_you_mean
from histobench.study.checkpoint_evaluation import asked_checkpoints
from histobench.study.config import RunConfig
from histobench.weights.converted import Checkpoint

__all__ = ["ALL", "Asked", "asked_datasets", "asked_scheme", "asked_targets", "resolve"]

ALL = "all"
"""The name for every installed method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a study asks for, every name resolved.

    Attributes
    ----------
    methods
        Controls first, whether requested or not.
    metrics
        The cards to score with.
    checkpoints
        Method → converted checkpoint that is evaluated instead of training the method.
    """

    config: RunConfig
    registry: Registry
    methods: tuple[MethodCard, ...]
    metrics: tuple[MetricCard, ...]
    datasets: tuple[DatasetCard, ...]
    checkpoints: Mapping[str, Checkpoint]


def resolve(config: RunConfig, registry: Registry) -> Asked:
    """Resolve the methods, metrics, datasets and checkpoints of a study, and check its settings.

    Targets, schemes and folds are names of a dataset, and encoders depend on the method's slot: `grid` resolves them.

    Raises
    ------
    HistobenchError
        If a name is unknown, a setting is not read by any method, or a checkpoint cannot be used.
    """
    methods = _asked_methods(config, registry)
    _refuse_unused_settings(config, methods)
    cheap = [card.name for card in registry.metrics if not card.expensive]
    return Asked(
        config=config,
        registry=registry,
        methods=methods,
        metrics=tuple(registry.metrics.get(name) for name in config.metrics or cheap),
        checkpoints=asked_checkpoints(config, methods),
        datasets=tuple(asked_datasets(config, registry)),
    )


def _asked_methods(config: RunConfig, registry: Registry) -> tuple[MethodCard, ...]:
    controls = [card for card in registry.methods if card.control]
    asked = registry.methods.names() if ALL in config.methods else config.methods
    chosen = [registry.methods.get(name) for name in asked]
    if not chosen:
        raise ConfigError("no method is installed or requested; see `histobench list methods`.")
    presets = {"published", *(name.partition("@")[0] for card in registry.methods for name in card.presets)}
    if config.preset not in presets:
        raise did_you_mean("preset", config.preset, presets)
    return tuple({card.name: card for card in [*controls, *chosen]}.values())


def asked_datasets(config: RunConfig, registry: Registry) -> list[DatasetCard]:
    """Return the datasets of a study, or the default one."""
    names = config.datasets or [card.name for card in registry.datasets if card.default]
    if not names:
        raise ConfigError("no dataset is requested, and none is the default; see `histobench list datasets`.")
    return [registry.datasets.get(name) for name in names]


def _refuse_unused_settings(config: RunConfig, methods: Sequence[MethodCard]) -> None:
    """Refuse a ``--set`` that no method of the study reads."""
    for key in config.settings:
        method, dot, option = key.partition(".")
        if not dot or not option:
            raise ConfigError(f"--set takes METHOD.OPTION=VALUE, got {key!r}.")
        names = [card.name for card in methods]
        if method not in names:
            raise did_you_mean("method of this study", method, names, where=f"--set {key}")


def asked_targets(config: RunConfig, dataset: DatasetCard, methods: Sequence[MethodCard] = ()) -> list[TargetFact]:
    """Return the targets that are requested of a dataset; a bare kind means the first of its variants.

    Where none is named, it is the dataset's first target, and for each method requested by name that does not predict
    it, the targets here that this method predicts.
    """
    if config.targets:
        return [_target(dataset, name) for name in config.targets]
    first = dataset.targets[0]
    others = [card for card in methods if card.name in config.methods and first.kind not in card.targets]
    known = {fact.kind: fact for fact in reversed(targets_of(dataset))}
    extra = [known[kind] for card in others for kind in card.targets if kind in known]
    first_is_used = ALL in config.methods or len(others) < len(set(config.methods)) or not extra
    return list({fact.name: fact for fact in [*([first] if first_is_used else []), *extra]}.values())


def _target(dataset: DatasetCard, name: str) -> TargetFact:
    for target in targets_of(dataset):
        if name in (target.name, target.kind):
            return target
    raise did_you_mean(f"target of {dataset.name!r}", name, [target.name for target in targets_of(dataset)])


def asked_scheme(config: RunConfig, dataset: DatasetCard) -> Scheme:
    """Return the requested scheme, or the dataset's first."""
    if config.scheme is None:
        return dataset.schemes[0]
    for scheme in dataset.schemes:
        if scheme.name == config.scheme:
            return scheme
    raise did_you_mean(f"scheme of {dataset.name!r}", config.scheme, [scheme.name for scheme in dataset.schemes])
