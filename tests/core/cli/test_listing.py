"""What is installed, told at once and without torch."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

Say = Callable[..., object]

WATCH = """
import resource, sys
from histobench.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
heavy = {"torch", "lightning_fabric", "mlflow", "pandas", "sklearn"} & set(sys.modules)
print("HEAVY", sorted(heavy))
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "methods"], ["list", "encoders", "--json"], ["run", "--help"]]
)
def test_listing_imports_nothing_heavy(arguments: list[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", WATCH, *arguments], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("methods", "hist2cell"), ("encoders", "vit-tiny"), ("datasets", "her2st"), ("metrics", "pearson")],
)
def test_list_names_the_built_in_cards(say: Say, kind: str, name: str) -> None:
    listed = json.loads(say("list", kind, "--json").out)
    assert name in {entry["name"] for entry in listed}
    assert all(entry["plugin"].startswith("histobench:") for entry in listed)


def test_show_spells_out_options_and_their_defaults(say: Say) -> None:
    facts = json.loads(say("show", "cuca", "--json").out)["method"]
    assert facts["options"]["lr"] == 0.002
    assert facts["encoder"]["default"] == "virchow2"


def test_plugins_are_listed_with_their_versions(say: Say) -> None:
    plugins = json.loads(say("list", "plugins", "--json").out)
    assert {"name": "histobench:heads", "version": "0.1.0", "status": "loaded"} in plugins


def test_nothing_installed_is_said(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTOBENCH_PLUGINS", "none")
    assert "no plugins installed" in say("list", "methods").out


def test_names_complete_in_the_shell() -> None:
    from click.shell_completion import ShellComplete

    from histobench.cli import cli

    complete = ShellComplete(cli, {}, "histobench", "_HISTOBENCH_COMPLETE")
    found = complete.get_completions(["run", "--methods"], "mean,hist2c")
    assert [item.value for item in found] == ["mean,hist2cell"]


def test_doctor_tells_versions_weights_and_data(say: Say) -> None:
    said = say("doctor")
    for word in ("torch", "virchow2", "her2st", "GiB free"):
        assert word in said.out
