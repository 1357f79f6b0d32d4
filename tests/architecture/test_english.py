"""The prose is plain English: a list of phrases that a newcomer would have to translate keeps the worst out.

The list is that of the style guide's table "instead of / write". It reads docstrings, comments and texts of the
product's Python files, the site's templates, and the pages of the project. Code in back quotes is left out.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

PHRASES = {
    r"\bto be had\b|\bcan(?:not)? be had\b": "is not available",
    r"(?<!\b[Tt]here )\b(?:is|are) no (?!longer\b|more\b|less\b|fewer\b|better\b|worse\b|one\b)[a-z]": "is not a",
    r"\bbeside\b": "with, next to, in addition to",
    r"\b(?:stand|stands|stood) (?:in(?! for)|beside|on|at|under|there|alone|twice|here|above|below)\b": "is, are",
    r"\b(?:tell|tells|told) of\b": "reports, names",
    r", for (?:it|they|he|she|these|those)\b": "because",
    r"\bnobody\b|\bstrangers?\b": "no one, a third party",
    r"\bwithout more words\b": "by default",
    r"\bwhat is to go\b": "choose what to remove",
    r"\bgoes? on where\b": "resumes",
    r"\bof the very\b|\bthe very (?:same|group|spot|name)\b": "the same",
    r"\blies? (?:in|at|on|there|here|under|beside)\b": "is in",
    r"\bof what was asked for\b": "none of the requested",
    r"\bOne of them\b|\bmade ready\b|\bby heart\b": "name the thing",
}
"""Phrase, as a pattern → what to write instead."""

FACTS = frozenset({"beside"})
"""Names of fields that a line may consist of: numpydoc puts them on lines of their own."""

PAGES = ("README.md", "ARCHITECTURE.md", "examples/histobench-example/README.md", "benchmarks/RESULTS.md")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments and the text of a Python file, with the line on which each begins."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def prose(text: str) -> str:
    """Drop what is code: back quotes, fenced blocks, markup, names on lines of their own."""
    plain = re.sub(r"```.*?```|``[^`]*``|`[^`]*`|<[^>]*>|\{[{%].*?[%}]\}", " ", text, flags=re.DOTALL)
    return "\n".join(line for line in plain.splitlines() if line.strip() not in FACTS)


def found_in(text: str) -> list[str]:
    words = " ".join(prose(text).split())
    if " " not in words:  # a name, a key or a path
        return []
    return [match.group(0) for phrase in PHRASES for match in re.finditer(phrase, words)]


@pytest.mark.parametrize("root", ["core", "plugins", "leaderboard", "examples", "benchmarks"])
def test_code_is_written_in_plain_english(repository: Path, sources: list[Path], root: str) -> None:
    paths = [path for path in sources if path.parts[0] == root]
    hits = [
        f"{path}:{line}: {phrase}"
        for path in paths
        for line, text in texts(repository / path)
        for phrase in found_in(text)
    ]
    assert hits == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_written_in_plain_english(repository: Path, page: str) -> None:
    assert found_in((repository / page).read_text(encoding="utf-8")) == []


def test_the_site_is_written_in_plain_english(repository: Path) -> None:
    templates = sorted((repository / "leaderboard").rglob("*.html"))
    assert templates
    assert {path.name: hits for path in templates if (hits := found_in(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize("phrase", ["weights that cannot be had", "this is no graph", "one stands beside the other"])
def test_the_list_finds_the_dialect(phrase: str) -> None:
    assert found_in(phrase)


@pytest.mark.parametrize("phrase", ["there is no image here", "it is no longer read", "the field `beside` of a record"])
def test_the_list_lets_english_pass(phrase: str) -> None:
    assert found_in(phrase) == []
