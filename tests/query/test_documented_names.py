"""The tables of `docs/querying.md` are those of the query module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from spantoll.query import DIMENSIONS, MEASURES, QUESTIONS
from spantoll.query.dimensions import ALIASES as DIMENSION_ALIASES
from spantoll.query.dimensions import NUMBERS
from spantoll.query.measures import ALIASES as MEASURE_ALIASES

DOCUMENT = Path(__file__).parents[2] / "docs" / "querying.md"


def short_names(aliases: Mapping[str, str], name: str) -> str:
    return ", ".join(f"`{alias}`" for alias in sorted(aliases) if aliases[alias] == name)


def measure_table() -> Iterator[str]:
    yield "| measure | also | unit | what |"
    yield "|---|---|---|---|"
    for each in MEASURES.values():
        also = short_names(MEASURE_ALIASES, each.name)
        yield f"| `{each.name}` | {also} | {each.unit} | {' '.join(each.help.split())} |"


def dimension_table() -> Iterator[str]:
    yield "| dimension | also |"
    yield "|---|---|"
    for name in DIMENSIONS:
        yield f"| `{name}` | {short_names(DIMENSION_ALIASES, name)} |"


def number_table() -> Iterator[str]:
    yield "| number | also a measure |"
    yield "|---|---|"
    for name in NUMBERS:
        yield f"| `{name}` | {'yes' if name in MEASURES else ''} |"


def question_table() -> Iterator[str]:
    yield "| question | answer |"
    yield "|---|---|"
    for name, question in QUESTIONS.items():
        text = " ".join((question.__doc__ or "").split()).removeprefix("Return ")
        yield f"| `{name}` | {text[:1].upper()}{text[1:]} |"


TABLES = {
    "measures": measure_table,
    "dimensions": dimension_table,
    "numbers": number_table,
    "questions": question_table,
}


@pytest.mark.parametrize("name", TABLES)
def test_the_documented_table_is_the_one_of_the_module(name: str) -> None:
    table = "\n".join(TABLES[name]())

    assert table in DOCUMENT.read_text(), f"write this into {DOCUMENT.name}:\n{table}"
