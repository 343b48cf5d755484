"""Plans by shape find what a walk over the attributes of each span finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.otlp import JSON, PROTOBUF, decode_traces
from spantoll.semconv import attributes as keys
from spantoll.semconv import could_be_genai
from spantoll.semconv.genai import SHARED
from spantoll.semconv.kept import metadata_name
from spantoll.semconv.registry import all_dialects
from spantoll.semconv.shapes import MAX_CONSTANTS, MAX_SHAPES, make_plan
from spantoll.semconv.table import TableDialect
from tests.semconv.spans import span as make_span

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
REQUESTS = sorted(CORPUS.glob("*/*/request-*"))[::7]
TABLES = {each.name: each for each in all_dialects() if isinstance(each, TableDialect)}
UNIT = keys.SPANTOLL_USAGE_PREFIX + "web_searches"


def walk(dialect: TableDialect, attributes: Mapping[str, Any]) -> dict[str, object]:
    """Find each field by its keys in order, table by table: the rule in the plainest words."""
    index: dict[str, tuple[str, int]] = {}
    for table in (dialect.keys, keys.ATTRIBUTION, SHARED):
        for field, spellings in table.items():
            for rank, key in enumerate(spellings):
                index.setdefault(key, (field, rank))
    best: dict[str, tuple[int, object]] = {}
    for key, value in attributes.items():
        if value is None or key not in index:
            continue
        field, rank = index[key]
        if field not in best or rank < best[field][0]:
            best[field] = rank, value
    found = {field: value for field, (_, value) in best.items()}
    if attributes.get(UNIT) is not None:
        found["extra"] = {"web_searches": attributes[UNIT]}
    return found


def kept_metadata(attributes: Mapping[str, Any]) -> set[str]:
    named = {metadata_name(key) for key, value in attributes.items() if value is not None}
    return {name for name in named if name is not None}


@st.composite
def spans(draw: st.DrawFn) -> tuple[TableDialect, dict[str, Any]]:
    dialect = TABLES[draw(st.sampled_from(sorted(TABLES)))]
    known = sorted(
        {key for table in (dialect.keys, SHARED) for keys in table.values() for key in keys}
        | {UNIT, "user.id", "enduser.id", "spantoll.user_id", "feature", "http.route"}
    )
    values = st.one_of(st.none(), st.integers(0, 9), st.text(max_size=2))
    values_by_key = st.dictionaries(st.sampled_from(known), values, max_size=8)
    attributes = draw(values_by_key)
    if attributes.get(UNIT) is not None:
        attributes[UNIT] = 2
    return dialect, attributes


@given(spans())
def test_a_plan_finds_what_a_walk_finds(drawn: tuple[TableDialect, dict[str, Any]]) -> None:
    dialect, attributes = drawn

    found, metadata, _ = dialect._find(attributes)

    assert found == walk(dialect, attributes)
    assert metadata.keys() == kept_metadata(attributes)


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_plan_finds_in_captured_spans_what_a_walk_finds(path: Path) -> None:
    media_type = JSON if path.suffix == ".json" else PROTOBUF

    decoded = decode_traces(path.read_bytes(), content_type=media_type, wanted=could_be_genai)

    for span in decoded.spans:
        for dialect in TABLES.values():
            assert dialect._find(span.attributes)[0] == walk(dialect, span.attributes)


def test_shapes_without_end_are_read_and_not_kept() -> None:
    dialect = TableDialect(name="acme", keys={"input": ("acme.input",)})

    found = [
        dialect._find({f"made.up.{number}": 1, "acme.input": number})[0].get("input")
        for number in range(MAX_SHAPES + 10)
    ]

    assert found == list(range(MAX_SHAPES + 10))
    assert 0 < len(dialect._plans) <= MAX_SHAPES


def test_a_shape_that_is_too_large_is_read_and_not_kept() -> None:
    dialect = TableDialect(name="acme", keys={"input": ("acme.input",)})
    attributes = {f"made.up.{number}": 1 for number in range(1_000)}

    found, _, _ = dialect._find({**attributes, "acme.input": 7})

    assert (found, dialect._plans) == ({"input": 7}, {})


def test_a_plan_keeps_the_key_of_the_lowest_rank() -> None:
    plan = make_plan(("b", "a", "x"), {"a": ("input", 0), "b": ("input", 1)})

    assert (plan.fields, plan.pick({"a": 1, "b": 2, "x": 3})) == (("input",), (1,))


ALIKE: tuple[Any, ...] = (
    *(1, 1.0, True, "1", 0, False, "", "chat", "invoke_agent", "api.openai.com", "us.x"),
    *((), (1,), (True,), ("stop",), {}, {"a": (1,)}),
)
"""Values of which several are equal in Python and mean different things, or cannot be hashed."""


@st.composite
def similar_spans(draw: st.DrawFn) -> tuple[TableDialect, list[dict[str, Any]]]:
    """Attributes of spans of one dialect that have few keys, so that their values meet."""
    dialect = TABLES[draw(st.sampled_from(sorted(TABLES)))]
    tables = (dialect.keys, SHARED)
    known = sorted({key for table in tables for spellings in table.values() for key in spellings})
    few = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
    attributes = st.dictionaries(st.sampled_from(few), st.sampled_from(ALIKE))
    return dialect, draw(st.lists(attributes, min_size=2, max_size=6))


@given(similar_spans())
def test_a_span_is_read_the_same_whatever_was_read_before(
    drawn: tuple[TableDialect, list[dict[str, Any]]],
) -> None:
    dialect, several = drawn
    used = replace(dialect)

    after_others = [used.read(make_span(attributes=attributes)) for attributes in several]

    alone = [replace(dialect).read(make_span(attributes=attributes)) for attributes in several]
    assert repr(after_others) == repr(alone)


def test_a_flag_that_equals_a_port_is_no_port() -> None:
    dialect = replace(TABLES["otel"])
    model = {"gen_ai.request.model": "m"}

    ports = [
        call.server_port
        for port in (1, True, 1.0)
        if (call := dialect.read(make_span(attributes={**model, "server.port": port})))
    ]

    assert ports == [1, None, 1]


def test_the_sets_of_constant_values_that_are_kept_are_bounded() -> None:
    dialect = replace(TABLES["otel"])

    for number in range(MAX_CONSTANTS + 10):
        dialect.read(make_span(attributes={"gen_ai.request.model": f"m{number}"}))
    dialect.read(make_span(attributes={"gen_ai.request.model": "m" * 100_000}))

    assert 0 < len(dialect._constants) <= MAX_CONSTANTS
    assert all(len(repr(key)) < 100_000 for key in dialect._constants)
