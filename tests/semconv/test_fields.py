"""Fields of dialects are declared once, and no other name passes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from spantoll.records import UsageRecord
from spantoll.semconv import Attribution, ModelCall, Usage, dialects
from spantoll.semconv.fields import FIELDS, Field, UnknownField, check_fields
from spantoll.semconv.registry import all_dialects
from spantoll.semconv.table import TableDialect

PARTS = {
    "core": (*ModelCall._fields, *Usage._fields),
    "call": ModelCall._fields,
    "usage": Usage._fields,
    "attribution": Attribution._fields,
}
COLUMNS = {"tenant": "tenant_id", "reported_cost": "reported_cost_nano", "extra": "extra_units"}
FILES = sorted(Path(next(iter(dialects.__path__))).glob("[a-z]*.py"))
ENDING = [field for field in FIELDS.values() if field.target]


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [
        ("inptu", "input"),
        ("cached_read", "cache_read"),
        ("reponse_model", "response_model"),
        ("input_tokens", "input"),
        ("finish_reason", "finish_reasons"),
        ("time_to_first_chunk", "time_to_first_chunk_s"),
    ],
)
def test_a_misspelt_field_names_the_nearest(misspelt: str, nearest: str) -> None:
    with pytest.raises(UnknownField, match=f"dialect acme.*'{misspelt}'.*'{nearest}'"):
        TableDialect(name="acme", keys={"output": ("out",), misspelt: ("key",)})


def test_a_field_that_a_function_makes_up_is_refused() -> None:
    with pytest.raises(UnknownField, match="did you mean 'operation'"):
        FIELDS["operations"]


@pytest.mark.parametrize("field", ENDING, ids=lambda field: field.name)
def test_a_field_ends_in_a_field_of_the_call_and_a_column(field: Field) -> None:
    assert field.target in PARTS[field.part]
    assert COLUMNS.get(field.target, field.target) in UsageRecord._fields


def test_every_counter_and_person_of_a_call_has_a_field() -> None:
    targets = {field.target for field in FIELDS.values()}

    assert {*Usage._fields} - {"requests"} <= targets
    assert {*Attribution._fields} - {"metadata"} <= targets


def names_in(tree: ast.AST) -> Iterator[str]:
    """The constants by which functions subscript, ask or change what was found."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Subscript(ast.Name("found"), ast.Constant(name))
                | ast.Call(ast.Attribute(ast.Name("found")), [ast.Constant(name), *_])
                | ast.Compare(ast.Constant(name), [ast.In() | ast.NotIn()], [ast.Name("found")])
            ):
                yield str(name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_functions_of_a_dialect_name_declared_fields(file: Path) -> None:
    check_fields(names_in(ast.parse(file.read_text())), f"dialect {file.stem}")


def test_a_field_that_a_function_misspells_is_noticed() -> None:
    source = 'found["outptu"] = 1\nif "inptu" in found: found.get("totla")'

    assert sorted(names_in(ast.parse(source))) == ["inptu", "outptu", "totla"]


@pytest.mark.parametrize("dialect", all_dialects(), ids=lambda dialect: dialect.name)
def test_an_attribute_key_belongs_to_one_field_of_a_dialect(dialect: TableDialect) -> None:
    keys = [key for spellings in dialect.keys.values() for key in spellings]

    assert len(keys) == len(set(keys))
