"""The floor plan of core: few packages, few arrows between them, none up, no circle."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

MOST_ROOMS = 16
MOST_ARROWS = 60
MOST_LAYERS = 10

MOVED = ("adapters", "graphs", "pretrained", "published", "spatial")
"""Old public names: thin modules that warn, and no part of the plan."""


def layers(repository: Path) -> list[set[str]]:
    """Return the layers of core as import-linter holds them, highest first."""
    contracts = (repository / ".importlinter").read_text(encoding="utf-8")
    listed = re.search(r"^layers =\n((?:    .*\n)+)", contracts, re.MULTILINE)
    assert listed is not None
    return [set(re.findall(r"\w+", line)) for line in listed.group(1).splitlines()]


def imported_rooms(path: Path) -> Iterator[str]:
    """Yield the package of core that each import of a file leads to."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "histobench":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("histobench."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("histobench."))


@pytest.fixture(scope="module")
def rooms(repository: Path) -> dict[str, list[Path]]:
    """Return the files of each package or module directly below core."""
    core = repository / "core" / "histobench"
    found: dict[str, list[Path]] = {}
    for path in sorted(core.rglob("*.py")):
        room = path.relative_to(core).parts[0].removesuffix(".py")
        if room not in ("__init__", *MOVED):
            found.setdefault(room, []).append(path)
    return found


@pytest.fixture(scope="module")
def arrows(rooms: dict[str, list[Path]]) -> set[tuple[str, str]]:
    """Return the pairs of packages of which the first imports the second."""
    pairs = {(room, other) for room, paths in rooms.items() for path in paths for other in imported_rooms(path)}
    return {(room, other) for room, other in pairs if room != other and other in rooms}


def test_core_has_few_rooms(repository: Path, rooms: dict[str, list[Path]]) -> None:
    assert len(rooms) <= MOST_ROOMS
    assert set(rooms) == set().union(*layers(repository))


def test_core_has_few_layers(repository: Path) -> None:
    assert len(layers(repository)) <= MOST_LAYERS


def test_few_arrows_join_the_rooms(arrows: set[tuple[str, str]]) -> None:
    assert len(arrows) <= MOST_ARROWS


def test_no_arrow_points_up(repository: Path, arrows: set[tuple[str, str]]) -> None:
    floor = {room: number for number, layer in enumerate(reversed(layers(repository))) for room in layer}
    assert [(room, other) for room, other in arrows if floor[other] > floor[room]] == []


def test_no_two_rooms_import_each_other(arrows: set[tuple[str, str]]) -> None:
    assert [(room, other) for room, other in arrows if (other, room) in arrows] == []
