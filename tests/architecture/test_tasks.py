"""What differs between kinds of task is written in two places: `contracts/tasks.py` and `study/tasks/`."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from histobench.contracts.tasks import TASKS
from histobench.data import Kind
from histobench.study.tasks import task_module

KINDS = frozenset(get_args(Kind))
ALLOWED = 9


def names_kind(node: ast.expr) -> bool:
    """Return whether an expression is a kind, or a literal collection with one."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(names_kind, node.elts))
    return isinstance(node, ast.Constant) and node.value in KINDS


def compares_kinds(node: ast.AST) -> bool:
    """Return whether a node compares something with a kind, holds a set of kinds, or is a table by kind."""
    if isinstance(node, ast.Compare):
        return any(map(names_kind, (node.left, *node.comparators)))
    if isinstance(node, ast.Dict):
        return sum(key is not None and names_kind(key) for key in node.keys) >= 2
    return isinstance(node, ast.Set) and names_kind(node)


def comparisons(repository: Path) -> Iterator[str]:
    core = repository / "core" / "histobench"
    for path in sorted(core.rglob("*.py")):
        if path.relative_to(core).parts[0] != "testing":  # the contract kit knows every kind by nature
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if compares_kinds(node):
                    yield f"{path.relative_to(repository)}:{getattr(node, 'lineno', 0)}"


def test_core_seldom_compares_kinds(repository: Path) -> None:
    found = list(comparisons(repository))
    assert len(found) <= ALLOWED, found


def test_every_kind_has_a_module_with_the_same_three_functions() -> None:
    for kind in TASKS:
        module = task_module(kind)
        assert all(callable(getattr(module, name)) for name in ("make_samples", "ask", "read"))
