"""Methods are rooms of their own: they import frames, never each other."""

import ast
from pathlib import Path

import pytest

MOST_ARROWS = 45


@pytest.fixture(scope="module")
def arrows(repository: Path) -> set[tuple[str, str]]:
    """Return the pairs of folders, or modules at the top, of which the first imports the second; frames are one."""
    heads = repository / "plugins" / "heads" / "histobench_heads"
    pairs = set()
    for path in heads.rglob("*.py"):
        room = path.relative_to(heads).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("histobench_heads."):
                pairs.add((room, node.module.split(".")[1]))
    return {(room, other) for room, other in pairs if room != other}


def test_methods_never_import_each_other(arrows: set[tuple[str, str]]) -> None:
    apart = [(room, other) for room, other in arrows if room not in ("catalogue", "__init__")]
    assert [(room, other) for room, other in apart if other != "frames"] == []


def test_few_arrows_join_the_rooms(arrows: set[tuple[str, str]]) -> None:
    assert len(arrows) <= MOST_ARROWS
