"""The registry: installed plugins, found by their entry points, and their cards by name.

The registry is an object, not a global. `Registry.load` reads the entry points of the running environment. A plugin
that fails is listed in `broken` with its cause; the others load.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, is_dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from histobench.contracts import hookspecs
from histobench.contracts.cards import Card, DatasetCard, EncoderCard, MethodCard, MetricCard, Provenance
from histobench.errors import PluginError, did_you_mean, explain

if TYPE_CHECKING:
    import click

__all__ = ["PLUGINS_VARIABLE", "BrokenPlugin", "Catalogue", "Plugin", "Registry"]

PLUGINS_VARIABLE = "HISTOBENCH_PLUGINS"
"""Environment variable that limits which plugins load: comma-separated ``distribution`` or ``distribution:name``."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._:+<>\[\]-]{0,99}")

NO_PLUGINS = "none"
"""Value of ``HISTOBENCH_PLUGINS`` with which no plugin loads."""

CardT = TypeVar("CardT", bound=Card)

_CARD_TYPES: Mapping[str, type[Card]] = {
    "encoders": EncoderCard,
    "methods": MethodCard,
    "datasets": DatasetCard,
    "metrics": MetricCard,
}
"""Kind → the card that its hook, ``register_<kind>``, returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point, named ``distribution:name``."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlugin:
    """A plugin that failed, and why."""

    name: str
    distribution: str
    cause: str


@dataclass(slots=True)
class Catalogue(Generic[CardT]):
    """The cards of one kind, by name."""

    kind: str
    cards: dict[str, CardT] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return sorted(self.cards)

    def __iter__(self) -> Iterator[CardT]:
        """Yield the cards, sorted by name."""
        return iter([self.cards[name] for name in self.names()])

    def get(self, name: str) -> CardT:
        """Return the card of a name.

        The family's card expands ``family:member``, and the encoder's card expands ``encoder[variant]``.

        Raises
        ------
        UnknownNameError
            If there is no such card; the message suggests the nearest name.
        """
        if name in self.cards:
            return self.cards[name]
        stem, bracket, asked = name.removesuffix("]").rpartition("[")
        if bracket and name.endswith("]") and (stem.partition("[")[0] in self.cards or ":" in stem):
            whole = self.get(stem)
            if isinstance(whole, EncoderCard) and whole.variant is not None:
                return replace(whole.variant(asked), provenance=whole.provenance)  # type: ignore[return-value]
        prefix, colon, member = name.partition(":")
        family = next((c for n, c in self.cards.items() if colon and n.partition(":")[0] == prefix), None)
        if isinstance(family, EncoderCard) and family.expand is not None and member:
            return replace(family.expand(member), provenance=family.provenance)  # type: ignore[return-value]
        raise did_you_mean(self.kind, name, self.cards)

    def variants(self, stem: str) -> list[CardT]:
        """Return the cards named ``stem.<weights>``, in the order of their plugin."""
        return [card for name, card in self.cards.items() if name.partition(".")[0] == stem]


class Registry:
    """The installed plugins and their cards.

    Attributes
    ----------
    encoders, methods, datasets, metrics
        The cards that `collect` has read.
    plugins
        The plugins that work.
    broken
        The plugins that do not, each with its cause.
    """

    def __init__(self) -> None:
        self.encoders: Catalogue[EncoderCard] = Catalogue("encoder")
        self.methods: Catalogue[MethodCard] = Catalogue("method")
        self.datasets: Catalogue[DatasetCard] = Catalogue("dataset")
        self.metrics: Catalogue[MetricCard] = Catalogue("metric")
        self.plugins: list[Plugin] = []
        self.broken: list[BrokenPlugin] = []
        self._collected: set[str] = set()
        self._manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
        self._manager.add_hookspecs(hookspecs)

    @classmethod
    def load(cls) -> "Registry":
        """Import every plugin of this environment, narrowed by ``HISTOBENCH_PLUGINS``, and read all cards."""
        return cls.find().collect()

    @classmethod
    def find(cls) -> "Registry":
        """Import every plugin of this environment, narrowed by ``HISTOBENCH_PLUGINS``, and read no card yet."""
        registry = cls()
        wanted = {name.strip() for name in os.environ.get(PLUGINS_VARIABLE, "").split(",") if name.strip()}
        found = _installed(wanted)
        for plugin in found:
            registry._import(plugin)
        for name in sorted(wanted - {NO_PLUGINS} - {p.name for p in found} - {p.distribution for p in found}):
            cause = f"{PLUGINS_VARIABLE} names it, but no installed plugin has this name."
            registry.broken.append(BrokenPlugin(name=name, distribution="", cause=cause))
        return registry

    def collect(self, *kinds: str) -> "Registry":
        """Read the cards of some kinds, by default of all; a plugin that fails loses all of its cards.

        Parameters
        ----------
        kinds
            ``encoders``, ``methods``, ``datasets``, ``metrics``.
        """
        fresh = [kind for kind in kinds or _CARD_TYPES if kind not in self._collected]
        self._collected.update(fresh)
        for plugin in tuple(self.plugins) if fresh else ():
            try:
                found = [pair for kind in fresh for pair in self._cards(plugin, kind)]
                self._refuse_taken_names(found)
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- third-party code may raise anything
                self._drop(plugin, explain(error))
                continue
            for catalogue, card in found:
                catalogue.cards[card.name] = card
        return self

    def __reduce__(self) -> tuple[Callable[[], "Registry"], tuple[()]]:
        """Pickle no card: where a registry is unpickled, the plugins of that process are loaded."""
        return (Registry.load, ())

    def add_commands(self, cli: "click.Group") -> None:
        """Let every plugin add its commands; a plugin that fails loses its commands only."""
        for plugin in self.plugins:
            ours = dict(cli.commands)
            try:
                _hook(self._manager, plugin, "register_commands")(cli=cli)
                taken = [name for name, command in ours.items() if cli.commands.get(name) is not command]
                if taken:
                    cli.commands.update(ours)
                    raise PluginError(f"the name of its command {taken[0]!r} is taken; rename it.")
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- third-party code may raise anything
                self._break(plugin, f"register_commands failed: {explain(error)}")

    def _import(self, plugin: Plugin) -> None:
        try:
            module = plugin.entry_point.load()
            self._manager.register(module, name=plugin.name)
            _refuse_unknown_hooks(self._manager, module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- third-party code may raise anything
            if self._manager.has_plugin(plugin.name):
                self._manager.unregister(name=plugin.name)
            self._break(plugin, explain(error))
        else:
            self.plugins.append(plugin)

    # Any: one list for four kinds of catalogue
    def _cards(self, plugin: Plugin, kind: str) -> "Iterator[tuple[Catalogue[Any], Card]]":
        origin = Provenance(plugin=plugin.name, distribution=plugin.distribution, version=plugin.version)
        hook, card_type = f"register_{kind}", _CARD_TYPES[kind]
        for card in _iterate(hook, _hook(self._manager, plugin, hook)()):
            if not isinstance(card, card_type):
                raise PluginError(f"{hook} must return {card_type.__name__} objects, got {type(card).__name__}.")
            _refuse_bad_card(card)
            yield getattr(self, kind), replace(card, provenance=origin)

    def _refuse_taken_names(self, found: "list[tuple[Catalogue[Any], Card]]") -> None:
        names: set[tuple[str, str]] = set()
        for catalogue, card in found:
            taken = catalogue.cards.get(card.name)
            if taken is not None and taken.provenance is not None:
                raise PluginError(
                    f"the name of its {catalogue.kind} {card.name!r} is taken by plugin {taken.provenance.plugin!r}; "
                    "rename one of the two."
                )
            if (catalogue.kind, card.name) in names:
                raise PluginError(f"it declares the {catalogue.kind} {card.name!r} twice.")
            names.add((catalogue.kind, card.name))

    def _drop(self, plugin: Plugin, cause: str) -> None:
        self.plugins.remove(plugin)
        for kind in _CARD_TYPES:
            cards = getattr(self, kind).cards
            for name in [n for n, card in cards.items() if card.provenance.plugin == plugin.name]:
                del cards[name]
        self._break(plugin, cause)

    def _break(self, plugin: Plugin, cause: str) -> None:
        self.broken.append(BrokenPlugin(name=plugin.name, distribution=plugin.distribution, cause=cause))


def _installed(wanted: Set[str]) -> list[Plugin]:
    plugins: dict[str, Plugin] = {}
    for distribution in distributions():
        entry_points = _entry_points(distribution)
        if not entry_points:
            continue
        metadata = distribution.metadata  # slow to read: once for all of its plugins
        for entry_point in entry_points:
            owner = metadata["Name"]
            name = f"{owner}:{entry_point.name}"
            if wanted and not {owner, name} & wanted:
                continue
            # an editable install can appear twice on the path; the first is the one that is imported
            plugins.setdefault(
                name, Plugin(name=name, distribution=owner, version=metadata["Version"], entry_point=entry_point)
            )
    return [plugins[name] for name in sorted(plugins, key=_built_in_first)]


def _entry_points(distribution: Distribution) -> list[EntryPoint]:
    try:
        return [point for point in distribution.entry_points if point.group == hookspecs.ENTRY_POINT_GROUP]
    except Exception:  # noqa: BLE001 -- the damaged metadata of one package must not break the others
        return []


def _built_in_first(name: str) -> tuple[bool, str]:
    # The second plugin to use a name is broken; the alphabet must not make that a built-in plugin.
    return (not name.startswith("histobench:"), name)


def _hook(manager: pluggy.PluginManager, plugin: Plugin, hook: str) -> Callable[..., object]:
    others = [p for p in manager.get_plugins() if manager.get_name(p) != plugin.name]
    caller = manager.subset_hook_caller(hook, remove_plugins=others)

    def call(**arguments: object) -> object:
        results = caller(**arguments)
        return results[0] if results else ()

    return call


def _refuse_unknown_hooks(manager: pluggy.PluginManager, module: object) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"it implements an unknown hook: {error}") from error
    if not manager.get_hookcallers(module):
        raise PluginError("it implements no hook; mark its functions with histobench.hookimpl.")


def _refuse_bad_card(card: Card) -> None:
    if not _NAME.fullmatch(card.name):
        raise PluginError(
            f"the card name {card.name[:80]!r} is invalid; use lower-case letters, digits and any of . _ : + < > [ ] -"
        )
    if isinstance(card, MethodCard):
        if not is_dataclass(card.options):
            raise PluginError(f"the options of its method {card.name!r} are not a dataclass.")
        card.options()  # every option has a default


def _iterate(hook: str, cards: object) -> Iterable[object]:
    if not isinstance(cards, Iterable) or isinstance(cards, str | Mapping):
        raise PluginError(f"{hook} must return cards, got {type(cards).__name__}.")
    return cards
