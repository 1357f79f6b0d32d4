"""From the names a user gave to the cards they mean; a name that nothing goes by is an error with a suggestion."""

from collections.abc import Sequence

from histobench.contracts.cards import DatasetCard, MethodCard, MetricCard, TargetFact
from histobench.contracts.registry import Registry
from histobench.contracts.tasks import targets_of
from histobench.data.splits import Scheme
from histobench.errors import ConfigError, did_you_mean
from histobench.study.config import RunConfig

__all__ = [
    "ALL",
    "asked_datasets",
    "asked_methods",
    "asked_metrics",
    "asked_scheme",
    "asked_targets",
    "refuse_unused_settings",
]

ALL = "all"
"""Stands for every installed method."""


def asked_methods(config: RunConfig, registry: Registry) -> list[MethodCard]:
    """Give the methods of a study, controls first whether asked for or not."""
    controls = [card for card in registry.methods if card.control]
    asked = registry.methods.names() if ALL in config.methods else config.methods
    chosen = [registry.methods.get(name) for name in asked]
    if not chosen:
        raise ConfigError("no method is installed or asked for; see `histobench list methods`.")
    presets = {"published", *(name.partition("@")[0] for card in registry.methods for name in card.presets)}
    if config.preset not in presets:
        raise did_you_mean("preset", config.preset, presets)
    return list({card.name: card for card in [*controls, *chosen]}.values())


def asked_datasets(config: RunConfig, registry: Registry) -> list[DatasetCard]:
    """Give the datasets of a study, or the default one."""
    names = config.datasets or [card.name for card in registry.datasets if card.default]
    if not names:
        raise ConfigError("no dataset is asked for, and none is the default; see `histobench list datasets`.")
    return [registry.datasets.get(name) for name in names]


def asked_metrics(config: RunConfig, registry: Registry) -> list[MetricCard]:
    """Give the metrics of a study, or all but the expensive ones."""
    cheap = [card.name for card in registry.metrics if not card.expensive]
    return [registry.metrics.get(name) for name in config.metrics or cheap]


def refuse_unused_settings(config: RunConfig, methods: Sequence[MethodCard]) -> None:
    """Refuse a ``--set`` that no method of the study would read."""
    for key in config.settings:
        method, dot, option = key.partition(".")
        if not dot or not option:
            raise ConfigError(f"--set takes METHOD.OPTION=VALUE, got {key!r}.")
        names = [card.name for card in methods]
        if method not in names:
            raise did_you_mean("method of this study", method, names, where=f"--set {key}")


def asked_targets(config: RunConfig, dataset: DatasetCard, methods: Sequence[MethodCard] = ()) -> list[TargetFact]:
    """Give what is asked of a dataset; a bare kind means the first of its variants.

    Where no target is named it is the dataset's first, and for a method asked for by name that does not predict that,
    whatever it does predict here.
    """
    if config.targets:
        return [_target(dataset, name) for name in config.targets]
    first = dataset.targets[0]
    strangers = [card for card in methods if card.name in config.methods and first.kind not in card.targets]
    known = {fact.kind: fact for fact in reversed(targets_of(dataset))}
    theirs = [known[kind] for card in strangers for kind in card.targets if kind in known]
    at_home = ALL in config.methods or len(strangers) < len(set(config.methods)) or not theirs
    return list({fact.name: fact for fact in [*([first] if at_home else []), *theirs]}.values())


def _target(dataset: DatasetCard, name: str) -> TargetFact:
    for target in targets_of(dataset):
        if name in (target.name, target.kind):
            return target
    raise did_you_mean(f"target of {dataset.name!r}", name, [target.name for target in targets_of(dataset)])


def asked_scheme(config: RunConfig, dataset: DatasetCard) -> Scheme:
    """Give the scheme asked for, or the dataset's first."""
    if config.scheme is None:
        return dataset.schemes[0]
    for scheme in dataset.schemes:
        if scheme.name == config.scheme:
            return scheme
    raise did_you_mean(f"scheme of {dataset.name!r}", config.scheme, [scheme.name for scheme in dataset.schemes])
