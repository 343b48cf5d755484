"""The table of `docs/configuration.md` is that of the settings and their docstrings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from spantoll.settings import SECTIONS, Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def read_docstrings() -> dict[str, str]:
    """Read what stands below each field; pydantic can, and would at the start of every command."""
    [settings] = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(settings, ast.ClassDef)
    return {
        field.target.id: " ".join(str(below.value.value).split())
        for field, below in pairwise(settings.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def show_default(default: Any) -> str:
    """Show a default as TOML has it; nothing where it is empty or depends on the machine."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, (str, int, float)) and default != "" else ""


def setting_table() -> Iterator[str]:
    yield "| setting | default | what |"
    yield "|---|---|---|"
    docstrings = read_docstrings()
    for name, field in Settings.model_fields.items():
        yield f"| `{name}` | {show_default(field.default)} | {docstrings[name]} |"


def test_the_documented_settings_are_those_there_are() -> None:
    table = "\n".join(setting_table())

    assert table in DOCUMENT.read_text(), f"write this into {DOCUMENT.name}:\n{table}"


def test_every_table_of_the_file_is_documented() -> None:
    text = DOCUMENT.read_text()

    assert [name for name in SECTIONS if f"`[[{name}]]`" not in text] == []
