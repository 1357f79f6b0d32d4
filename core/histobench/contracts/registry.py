"""From entry points to cards: what is installed, by name and with provenance.

The registry is an object, not a global: `Registry.load` reads the entry points of the running environment. A plugin
that fails is kept in `broken` with its cause while all others load.
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
"""Environment variable that narrows what loads: comma-separated ``distribution`` or ``distribution:name``."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._:+<>\[\]-]{0,99}")

NO_PLUGINS = "none"
"""Value of ``HISTOBENCH_PLUGINS`` with which nothing loads."""

CardT = TypeVar("CardT", bound=Card)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point, named ``distribution:name``."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlugin:
    """A plugin that did not load, or a card that could not be taken, and why."""

    name: str
    distribution: str
    cause: str


@dataclass(slots=True)
class Catalogue(Generic[CardT]):
    """The cards of one kind, by name."""

    kind: str
    cards: dict[str, CardT] = field(default_factory=dict)

    def names(self) -> list[str]:
        """List the names, sorted."""
        return sorted(self.cards)

    def __iter__(self) -> Iterator[CardT]:
        """Yield the cards, sorted by name."""
        return iter([self.cards[name] for name in self.names()])

    def get(self, name: str) -> CardT:
        """Look a card up.

        ``family:member`` is expanded by the family's card, and ``encoder[variant]`` by the encoder's.

        Raises
        ------
        UnknownNameError
            With the nearest name.
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
        """List the cards named ``stem.<weights>``, in the order in which their plugin gave them."""
        return [card for name, card in self.cards.items() if name.partition(".")[0] == stem]


class Registry:
    """All installed plugins.

    Attributes
    ----------
    encoders, methods, datasets, metrics
        The cards.
    plugins
        What loaded.
    broken
        What did not, each with its cause.
    """

    def __init__(self) -> None:
        self.encoders: Catalogue[EncoderCard] = Catalogue("encoder")
        self.methods: Catalogue[MethodCard] = Catalogue("method")
        self.datasets: Catalogue[DatasetCard] = Catalogue("dataset")
        self.metrics: Catalogue[MetricCard] = Catalogue("metric")
        self.plugins: list[Plugin] = []
        self.broken: list[BrokenPlugin] = []
        self._manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
        self._manager.add_hookspecs(hookspecs)

    @classmethod
    def load(cls) -> "Registry":
        """Load every plugin of this environment, narrowed by ``HISTOBENCH_PLUGINS``."""
        registry = cls()
        wanted = {name.strip() for name in os.environ.get(PLUGINS_VARIABLE, "").split(",") if name.strip()}
        found = _installed(wanted)
        for plugin in found:
            registry._load(plugin)
        for name in sorted(wanted - {NO_PLUGINS} - {p.name for p in found} - {p.distribution for p in found}):
            cause = f"{PLUGINS_VARIABLE} names it, and no installed plugin goes by that name."
            registry.broken.append(BrokenPlugin(name=name, distribution="", cause=cause))
        return registry

    def add_commands(self, cli: "click.Group") -> None:
        """Let every plugin add its commands; one that fails costs only its own."""
        for plugin in self.plugins:
            ours = dict(cli.commands)
            try:
                _hook(self._manager, plugin, "register_commands")(cli=cli)
                taken = [name for name, command in ours.items() if cli.commands.get(name) is not command]
                if taken:
                    cli.commands.update(ours)
                    raise PluginError(f"its command {taken[0]!r} has a name that is taken; rename it.")
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a stranger's code raises
                self._break(plugin, f"register_commands failed: {explain(error)}")

    def _load(self, plugin: Plugin) -> None:
        try:
            module = plugin.entry_point.load()
            self._manager.register(module, name=plugin.name)
            _refuse_unknown_hooks(self._manager, module)
            found = self._collect(plugin)
            self._refuse_taken_names(found)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a stranger's code raises
            if self._manager.has_plugin(plugin.name):
                self._manager.unregister(name=plugin.name)
            self._break(plugin, explain(error))
            return
        self.plugins.append(plugin)
        for catalogue, card in found:
            catalogue.cards[card.name] = card

    def _collect(self, plugin: Plugin) -> "list[tuple[Catalogue[Any], Card]]":
        origin = Provenance(plugin=plugin.name, distribution=plugin.distribution, version=plugin.version)
        found: list[tuple[Catalogue[Any], Card]] = []
        for hook, card_type, catalogue in self._hooks():
            for card in _iterate(hook, _hook(self._manager, plugin, hook)()):
                if not isinstance(card, card_type):
                    raise PluginError(f"{hook} returned {type(card).__name__}, which is no {card_type.__name__}.")
                _refuse_bad_card(card)
                found.append((catalogue, replace(card, provenance=origin)))
        return found

    def _refuse_taken_names(self, found: "list[tuple[Catalogue[Any], Card]]") -> None:
        names: set[tuple[str, str]] = set()
        for catalogue, card in found:
            taken = catalogue.cards.get(card.name)
            if taken is not None and taken.provenance is not None:
                raise PluginError(
                    f"its {catalogue.kind} {card.name!r} has a name that {taken.provenance.plugin!r} took first; "
                    "rename one of the two."
                )
            if (catalogue.kind, card.name) in names:
                raise PluginError(f"it declares the {catalogue.kind} {card.name!r} twice.")
            names.add((catalogue.kind, card.name))

    # Any: one list for four kinds of catalogue
    def _hooks(self) -> "list[tuple[str, type[Card], Catalogue[Any]]]":
        return [
            ("register_encoders", EncoderCard, self.encoders),
            ("register_methods", MethodCard, self.methods),
            ("register_datasets", DatasetCard, self.datasets),
            ("register_metrics", MetricCard, self.metrics),
        ]

    def _break(self, plugin: Plugin, cause: str) -> None:
        self.broken.append(BrokenPlugin(name=plugin.name, distribution=plugin.distribution, cause=cause))


def _installed(wanted: Set[str]) -> list[Plugin]:
    plugins: dict[str, Plugin] = {}
    for distribution in distributions():
        for entry_point in _entry_points(distribution):
            owner = distribution.metadata["Name"]
            name = f"{owner}:{entry_point.name}"
            if wanted and not {owner, name} & wanted:
                continue
            # an editable install can show one distribution twice on the path; the first is the one imported
            plugins.setdefault(
                name, Plugin(name=name, distribution=owner, version=distribution.version, entry_point=entry_point)
            )
    return [plugins[name] for name in sorted(plugins, key=_built_in_first)]


def _entry_points(distribution: Distribution) -> list[EntryPoint]:
    try:
        return [point for point in distribution.entry_points if point.group == hookspecs.ENTRY_POINT_GROUP]
    except Exception:  # noqa: BLE001 -- somebody's damaged metadata must not take everybody's plugins along
        return []


def _built_in_first(name: str) -> tuple[bool, str]:
    # Whoever comes second with a name is the broken one; that must not be histobench because of the alphabet.
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
        raise PluginError(f"it implements a hook that does not exist: {error}") from error
    if not manager.get_hookcallers(module):
        raise PluginError("it implements no hook; mark its functions with histobench.hookimpl.")


def _refuse_bad_card(card: Card) -> None:
    if not _NAME.fullmatch(card.name):
        raise PluginError(
            f"it names a card {card.name[:80]!r}; a name is lower-case letters, digits and any of . _ : + < > -"
        )
    if isinstance(card, MethodCard):
        if not is_dataclass(card.options):
            raise PluginError(f"the options of its method {card.name!r} are no dataclass.")
        card.options()  # every option has a default


def _iterate(hook: str, cards: object) -> Iterable[object]:
    if not isinstance(cards, Iterable) or isinstance(cards, str | Mapping):
        raise PluginError(f"{hook} must return cards, got {type(cards).__name__}.")
    return cards
