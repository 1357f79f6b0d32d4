"""Plugins are found through installed distributions; a broken one costs only itself and is named.

Each test installs its plugins as pip would, into a folder on the path: a module and its distribution's metadata.
"""

import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from histobench.contracts.cards import EncoderCard
from histobench.contracts.registry import BrokenPlugin, Catalogue, Registry
from histobench.errors import ContractError, UnknownNameError
from histobench.testing import check_plugin

Install = Callable[..., None]

METRIC = """
from histobench import MetricCard, hookimpl

@hookimpl
def register_metrics():
    return [MetricCard(name={name!r}, title="t", licence="l", build=dict, kinds=(), higher_is_better=True)]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one plugin module; only these distributions load."""
    monkeypatch.syspath_prepend(str(tmp_path))
    installed: list[str] = []

    def write(distribution: str, code: str, *, entry_point: str = "main", version: str = "1.0") -> None:
        module = f"histobench_test_{distribution.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[histobench]\n{entry_point} = {module}\n")
        installed.append(distribution)
        monkeypatch.setenv("HISTOBENCH_PLUGINS", ",".join(installed))

    yield write
    for name in [name for name in sys.modules if name.startswith("histobench_test_")]:
        del sys.modules[name]


KINDS = {
    "register_encoders": ("encoders", "EncoderCard", "build=dict"),
    "register_methods": (
        "methods",
        "MethodCard",
        "build=dict, options=__import__('dataclasses').make_dataclass('Options', []), targets=()",
    ),
    "register_datasets": ("datasets", "DatasetCard", "build=dict, targets=()"),
    "register_metrics": ("metrics", "MetricCard", "build=dict, kinds=(), higher_is_better=True"),
}


@pytest.mark.parametrize("hook", KINDS)
def test_every_hook_fills_its_catalogue(install: Install, hook: str) -> None:
    catalogue, card, facts = KINDS[hook]
    install(
        "toy-plugin",
        f"""
        from histobench import {card}, hookimpl

        @hookimpl
        def {hook}():
            yield {card}(name="toy", title="t", {facts})
        """,
    )
    registry = Registry.load()
    assert registry.broken == []
    filled = {name: getattr(registry, name).names() for name, _, _ in KINDS.values()}
    assert filled == {"encoders": [], "methods": [], "datasets": [], "metrics": [], catalogue: ["toy"]}


def test_card_knows_where_it_comes_from(install: Install) -> None:
    install("toy-plugin", METRIC.format(name="toy"), version="2.3")
    card = Registry.load().metrics.get("toy")
    assert card.provenance is not None
    assert (card.provenance.plugin, card.provenance.distribution, card.provenance.version) == (
        "toy-plugin:main",
        "toy-plugin",
        "2.3",
    )


def test_two_distributions_may_use_one_entry_point_name(install: Install) -> None:
    install("one", METRIC.format(name="first"))
    install("two", METRIC.format(name="second"))
    registry = Registry.load()
    assert [plugin.name for plugin in registry.plugins] == ["one:main", "two:main"]
    assert registry.metrics.names() == ["first", "second"]


BROKEN = {
    "raises": ("raise RuntimeError('no licence key')", "RuntimeError: no licence key"),
    "lacks": ("import a_package_that_nobody_has", "ModuleNotFoundError: No module named 'a_package_that_nobody_has'"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "mistyped": ("def broken(:", "SyntaxError"),
    "unmarked": ("def register_metrics():\n    return []", "it implements no hook; mark its functions with"),
    "misspelt": (
        "from histobench import hookimpl\n@hookimpl\ndef register_metric():\n    return []",
        "it implements an unknown hook: .*register_metric",
    ),
    "non-card": (
        "from histobench import hookimpl\n@hookimpl\ndef register_metrics():\n    return ['pearson']",
        "register_metrics must return MetricCard objects, got str",
    ),
    "one-card": (
        "from histobench import hookimpl\n@hookimpl\ndef register_metrics():\n    return 7",
        "register_metrics must return cards, got int",
    ),
    "mapping": (
        "from histobench import hookimpl\n@hookimpl\ndef register_metrics():\n    return {'a': 1}",
        "register_metrics must return cards, got dict",
    ),
    "wrong-kind": (
        METRIC.format(name="x").replace("register_metrics", "register_encoders"),
        "register_encoders must return EncoderCard objects, got MetricCard",
    ),
    "fails": (
        "from histobench import hookimpl\n@hookimpl\ndef register_metrics():\n    raise OSError('disk on fire')",
        "OSError: disk on fire",
    ),
    "half-way": (
        METRIC.format(name="half").replace("return [", "yield from [").rstrip() + "\n    raise OSError('half way')",
        "OSError: half way",
    ),
    "twice": (
        METRIC.format(name="x").replace("higher_is_better=True)]", "higher_is_better=True)] * 2"),
        "it declares the metric 'x' twice",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_costs_only_itself_and_is_named(install: Install, name: str) -> None:
    code, cause = BROKEN[name]
    install("a-good-one", METRIC.format(name="before"))
    install(name, code)
    install("z-good-one", METRIC.format(name="after"))
    registry = Registry.load()
    assert registry.metrics.names() == ["after", "before"]
    assert [broken.name for broken in registry.broken] == [f"{name}:main"]
    assert re.search(cause, registry.broken[0].cause)


def test_taken_name_names_both_plugins(install: Install) -> None:
    install("first", METRIC.format(name="pearson"))
    install("second", METRIC.format(name="pearson"))
    registry = Registry.load()
    assert registry.broken == [
        BrokenPlugin(
            name="second:main",
            distribution="second",
            cause="the name of its metric 'pearson' is taken by plugin 'first:main'; rename one of the two.",
        )
    ]


def test_broken_plugin_leaves_none_of_its_cards(install: Install) -> None:
    two = METRIC.format(name="fine").replace("return [", "return ['no card', ")
    install("half", two)
    registry = Registry.load()
    assert registry.metrics.names() == []
    assert registry.plugins == []


@pytest.mark.parametrize(
    ("narrow", "loaded"),
    [
        ("one", ["one:main"]),
        ("one:main", ["one:main"]),
        (" two , one ", ["one:main", "two:main"]),
        ("one:other", []),
        ("none", []),
    ],
)
def test_environment_narrows_what_loads(
    install: Install, monkeypatch: pytest.MonkeyPatch, narrow: str, loaded: list[str]
) -> None:
    install("one", METRIC.format(name="first"))
    install("two", METRIC.format(name="second"))
    monkeypatch.setenv("HISTOBENCH_PLUGINS", narrow)
    assert [plugin.name for plugin in Registry.load().plugins] == loaded


def test_built_in_plugins_come_first_whatever_the_alphabet_says(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("aaa-early", METRIC.format(name="pearson"))
    monkeypatch.setenv("HISTOBENCH_PLUGINS", "aaa-early,histobench:metrics")
    registry = Registry.load()
    provenance = registry.metrics.get("pearson").provenance
    assert provenance is not None
    assert provenance.distribution == "histobench"
    assert [broken.distribution for broken in registry.broken] == ["aaa-early"]


def test_reading_one_kind_of_card_leaves_the_others(install: Install) -> None:
    install("toy-plugin", METRIC.format(name="toy"))
    registry = Registry.find().collect("methods")
    assert registry.metrics.names() == []
    assert registry.collect().metrics.names() == ["toy"]


def test_plugin_that_breaks_later_loses_the_cards_that_were_read_before(install: Install) -> None:
    failing = "\n@hookimpl\ndef register_methods():\n    raise OSError('disk on fire')\n"
    install("toy-plugin", METRIC.format(name="toy") + failing)
    registry = Registry.find().collect("metrics")
    assert registry.metrics.names() == ["toy"]
    assert registry.collect().metrics.names() == []
    assert [broken.cause for broken in registry.broken] == ["OSError: disk on fire"]


def test_registries_are_independent(install: Install) -> None:
    install("toy-plugin", METRIC.format(name="toy"))
    first, second = Registry.load(), Registry.load()
    first.metrics.cards.clear()
    assert second.metrics.names() == ["toy"]


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        ("lazy_value('histobench.data:Predicton')", "'histobench.data' has no attribute 'Predicton'"),
        ("lazy_value('histobench_nowhere:score')", "No module named 'histobench_nowhere'"),
        ("partial(lazy('histobench.data.graphs:neighbors'), k=3)", "has no attribute 'neighbors'"),
    ],
)
def test_lazy_name_that_leads_nowhere_is_reported_with_its_card(install: Install, build: str, cause: str) -> None:
    code = "from functools import partial\nfrom histobench import lazy, lazy_value\n"
    install("toy-plugin", code + METRIC.format(name="toy").replace("build=dict", f"build={build}"))
    with pytest.raises(ContractError, match=f"metric 'toy': '.*' cannot be imported: .*{cause}"):
        check_plugin("toy-plugin")


class TestCommands:
    COMMAND = "import click\nfrom histobench import hookimpl\n@hookimpl\ndef register_commands(cli):\n    {body}"

    def test_plugin_adds_a_command(self, install: Install) -> None:
        install("commanding", self.COMMAND.format(body="cli.add_command(click.Command('hello'))"))
        cli = click.Group()
        Registry.load().add_commands(cli)
        assert list(cli.commands) == ["hello"]

    def test_failing_command_costs_only_itself(self, install: Install) -> None:
        install("bad", self.COMMAND.format(body="raise KeyError('x')"))
        install("good", self.COMMAND.format(body="cli.add_command(click.Command('hello'))"))
        registry, cli = Registry.load(), click.Group()
        registry.add_commands(cli)
        assert list(cli.commands) == ["hello"]
        assert [(b.name, b.cause) for b in registry.broken] == [("bad:main", "register_commands failed: KeyError: 'x'")]


class TestCatalogue:
    def catalogue(self) -> Catalogue[EncoderCard]:
        def card(name: str, **facts: object) -> EncoderCard:
            return EncoderCard(name=name, title="t", build=dict, **facts)  # type: ignore[arg-type]  # never built

        made: Catalogue[EncoderCard] = Catalogue("encoder")
        family = card("timm:<name>", expand=lambda member: card(f"timm:{member}"))
        for one in (card("resnet18.imagenet"), card("resnet18.random"), card("vit-tiny"), family):
            made.cards[one.name] = one
        return made

    def test_cards_come_sorted_by_name(self) -> None:
        names = ["resnet18.imagenet", "resnet18.random", "timm:<name>", "vit-tiny"]
        assert [card.name for card in self.catalogue()] == self.catalogue().names() == names

    def test_unknown_name_gets_a_suggestion(self) -> None:
        with pytest.raises(UnknownNameError, match=r"no encoder named 'vit-tyni'\. Did you mean 'vit-tiny'"):
            self.catalogue().get("vit-tyni")

    def test_family_expands_to_its_member(self) -> None:
        assert self.catalogue().get("timm:convnext_tiny").name == "timm:convnext_tiny"

    @pytest.mark.parametrize("name", ["timm:", "other:member", "vit-tiny:x"])
    def test_what_is_no_family_member_is_unknown(self, name: str) -> None:
        with pytest.raises(UnknownNameError, match="no encoder named"):
            self.catalogue().get(name)

    def test_variants_keep_the_order_of_their_plugin(self) -> None:
        assert [card.name for card in self.catalogue().variants("resnet18")] == ["resnet18.imagenet", "resnet18.random"]
        assert self.catalogue().variants("resnet") == []


def test_plugin_asked_for_by_a_name_that_nothing_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOBENCH_PLUGINS", "histobench:metrics,histobench:metricks")
    registry = Registry.load()
    assert [plugin.name for plugin in registry.plugins] == ["histobench:metrics"]
    assert [(broken.name, broken.cause) for broken in registry.broken] == [
        ("histobench:metricks", "HISTOBENCH_PLUGINS names it, but no installed plugin has this name.")
    ]
