"""Files and functions stay small enough to be read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

LINES_PER_FILE = 300
LINES_PER_FUNCTION = 40
PARAMETERS = 6

LONG_FILES: dict[str, str] = {}
"""File → why it may be longer."""

MANY_PARAMETERS = {
    "core/histobench/provenance.py:keep": "overrides warnings.showwarning, whose parameters Python fixes",
}
"""Function → why it may take more."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of_code(function: Function) -> int:
    """Count a function's lines without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def parameters(function: Function) -> int:
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def is_command(function: Function) -> bool:
    """Tell a click command, whose parameters are the options that a user sees."""
    return any("command" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_files_keep_their_budget(repository: Path, sources: list[Path]) -> None:
    lengths = {str(path): len((repository / path).read_text(encoding="utf-8").splitlines()) for path in sources}
    long = {path: n for path, n in lengths.items() if n > LINES_PER_FILE}
    assert set(long) == set(LONG_FILES), long


def test_functions_keep_their_budget(repository: Path, sources: list[Path]) -> None:
    lengths = {f"{path}:{f.name}": lines_of_code(f) for path in sources for f in functions(repository / path)}
    assert {name: n for name, n in lengths.items() if n > LINES_PER_FUNCTION} == {}


def test_functions_take_few_parameters(repository: Path, sources: list[Path]) -> None:
    found = [(path, f) for path in sources for f in functions(repository / path) if not is_command(f)]
    many = {f"{path}:{f.name}": parameters(f) for path, f in found if parameters(f) > PARAMETERS}
    assert set(many) <= set(MANY_PARAMETERS), many
