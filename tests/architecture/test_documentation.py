"""Everything public is declared, documented, and says the shapes of its arrays; every hook is told of and tested."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from histobench.contracts import hookspecs

HOOKS = [name for name in vars(hookspecs) if name.startswith("register_")]
ARRAYS = re.compile(r"\b(Float|Int|UInt8|NDArray|Patches)\b")
SHAPE = re.compile(r"\((?:[a-z0-9_]+(?: [-+*] [a-z0-9_]+)?,\s*)+[a-z0-9_ +*-]*\)|\d+-vector|scalar|rows?\b|patches")


def module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def is_public(path: Path) -> bool:
    return not any(part.startswith("_") and part != "__init__.py" for part in path.parts)


def declared(tree: ast.Module) -> bool:
    """Tell whether a module says what is public in it; one that holds nothing has nothing to say."""
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    holds = any(not isinstance(node, ast.Expr) for node in tree.body)
    return not holds or any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def public_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Yield the public functions at the top of a module."""
    for node in module(path).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def annotations(function: ast.FunctionDef) -> str:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    parts = [argument.annotation for argument in given] + [function.returns]
    return " ".join(ast.unparse(part) for part in parts if part is not None)


def test_every_public_module_declares_what_is_public(repository: Path, sources: list[Path]) -> None:
    product = [path for path in sources if path.parts[0] != "benchmarks" and path.name != "__main__.py"]
    silent = [str(path) for path in product if is_public(path) and not declared(module(repository / path))]
    assert silent == []


def test_every_module_says_what_it_is_for(repository: Path, sources: list[Path]) -> None:
    assert [str(path) for path in sources if not ast.get_docstring(module(repository / path))] == []


def test_functions_over_arrays_say_their_shapes(repository: Path, sources: list[Path]) -> None:
    product = [path for path in sources if path.parts[0] not in ("benchmarks", "examples")]
    found = [(path, f) for path in product for f in public_functions(repository / path)]
    silent = [
        f"{path}:{function.name}"
        for path, function in found
        if ARRAYS.search(annotations(function)) and not SHAPE.search(ast.get_docstring(function) or "")
    ]
    assert silent == []


def test_there_are_five_hooks() -> None:
    assert HOOKS == [
        "register_encoders",
        "register_methods",
        "register_datasets",
        "register_metrics",
        "register_commands",
    ]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(repository: Path, hook: str) -> None:
    assert getattr(hookspecs, hook).__doc__
    assert hook in (repository / "ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_tested(repository: Path, hook: str) -> None:
    elsewhere = [path for path in (repository / "tests").rglob("test_*.py") if path != Path(__file__)]
    assert [path for path in elsewhere if hook in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "register_commands"])
def test_every_hook_for_cards_is_shown_in_the_example(repository: Path, hook: str) -> None:
    example = repository / "examples" / "histobench-example" / "src" / "histobench_example" / "__init__.py"
    assert f"def {hook}()" in example.read_text(encoding="utf-8")
