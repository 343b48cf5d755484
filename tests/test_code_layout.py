"""The layout rules that no linter knows, over the product code.

Input: every module below `semconv/`, `instrumentation/` and `exporter/`. A migration is exempt from
the limits of length: it is a list of columns, and it is never edited again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULE_LINES = 400
FUNCTION_LINES = 60
SHORT_MODULE_LINES = 60
"""A module up to this length needs no docstring: its names are on one screen."""
OPENING_LINES = 2
"""What comes in, what goes out, the rule or specification that is followed: two to four lines."""

MODULES = [
    path
    for folder in ("semconv", "instrumentation", "exporter")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def is_migration(path: Path) -> bool:
    return "versions" in path.parts


def long_functions(source: str) -> Iterator[str]:
    """Yield name and length of each function over FUNCTION_LINES, decorators not counted."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name}, line {node.lineno}: {lines} lines"


def violations(source: str, *, migration: bool = False) -> list[str]:
    """Return what a module with this source does against the layout rules."""
    found = []
    lines = len(source.splitlines())
    opening = (ast.get_docstring(ast.parse(source)) or "").splitlines()
    if lines > SHORT_MODULE_LINES and len([line for line in opening if line]) < OPENING_LINES:
        found.append(f"{lines} lines that do not open with input, output and rule")
    if migration:
        return found
    if lines > MODULE_LINES:
        found.append(f"{lines} lines")
    return found + list(long_functions(source))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_follows_the_layout_rules(path: Path) -> None:
    assert violations(path.read_text(), migration=is_migration(path)) == []


OPENING = "lines that do not open with input, output and rule"
DOCUMENTED = '"""Input and output.\n\nRule.\n"""\n'
FUNCTION = "def f():\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\n" * 60, []),
        ("x = 1\n" * 61, [f"61 {OPENING}"]),
        ('"""One line."""\n' + "x = 1\n" * 60, [f"61 {OPENING}"]),
        (DOCUMENTED + "x = 1\n" * 396, []),
        (DOCUMENTED + "x = 1\n" * 397, ["401 lines"]),
        (DOCUMENTED + FUNCTION + "    x = 1\n" * 59, []),
        (DOCUMENTED + FUNCTION + "    x = 1\n" * 60, ["f, line 5: 61 lines"]),
    ],
)
def test_each_rule_has_its_limit(source: str, expected: list[str]) -> None:
    assert violations(source) == expected
