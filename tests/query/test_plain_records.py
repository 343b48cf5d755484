from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spantoll.query import (
    RECORD_HEADERS,
    RECORD_SOURCES,
    Listed,
    RecordQuery,
    TraceUrl,
    iterate_parts,
    list_records,
    plain_columns,
    plain_record,
    plain_records,
)
from spantoll.surfaces.csv_rows import escape_cell, write_csv_rows
from spantoll.surfaces.record_lines import LINE_FORMATS
from tests.support.records import make_record, show_parts

Write = Callable[..., Engine]

LINKS = TraceUrl("https://t.example/100%/{trace_id}")

WORDS = st.none() | st.sampled_from(
    [
        "",
        "a",
        "50%",
        "%s",
        'say "hi"',
        "a,b",
        "two\nlines",
        "=1+1",
        "-1+1",
        "-7",
        "ü",
        "back\\slash",
        "@sum",
        "carriage\rreturn",
        "\rreturn",
        "\ttab",
        "\x7f",
    ]
)
VALUES = st.fixed_dictionaries(
    {
        "customer_id": WORDS,
        "user_id": WORDS,
        "error_message": WORDS,
        "metadata": st.sampled_from([None, '{"k":"v, \\"w\\""}', "{}"]),
        "extra_units": st.sampled_from([None, '{"web_searches":2}', '{"pages":1.5}']),
        "assumptions": st.sampled_from([None, '["input: cached"]']),
        "stream": st.none() | st.booleans(),
        "duration_ns": st.none() | st.integers(0, 2**40),
        "audio_ms": st.none() | st.integers(0, 10**5),
        "input_tokens": st.none() | st.integers(0, 2**62),
        "cost_nano": st.none() | st.integers(0, 10**12),
        "revenue_nano": st.none() | st.integers(-(10**12), 10**12),
        "reported_cost_nano": st.none() | st.integers(0, 10**12),
        "rate_id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "started_ns": st.integers(0, 2**62),
        "repeats_span": st.none() | st.binary(min_size=24, max_size=24),
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, min_size=1, max_size=6))
def test_an_export_has_what_a_listing_shows(given: list[dict[str, Any]]) -> None:
    records = [make_record(**values) for values in given]
    rows = [(1, *record) for record in records]
    names = ("id", *records[0]._fields)
    stored = {name: [row[names.index(name)] for row in rows] for name in RECORD_SOURCES}

    lines = {
        name: format.write_header(RECORD_HEADERS)
        + "".join(
            format.write_rows(
                RECORD_HEADERS, plain_columns(stored, LINKS, encoding=format.encoding)
            )
        )
        for name, format in LINE_FORMATS.items()
    }

    expected = show_parts([stored], LINKS)
    table = io.StringIO()
    write_csv_rows(table, RECORD_HEADERS, expected)
    cells = [
        ["" if value is None else str(escape_cell(value)) for value in row.values()]
        for row in expected
    ]
    for text in (lines["csv"], table.getvalue()):
        assert list(csv.reader(io.StringIO(text, newline=""))) == [list(RECORD_HEADERS), *cells]
    assert list(map(json.loads, lines["jsonl"].splitlines())) == expected


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (999_999_999, "1970-01-01T00:00:00.999999+00:00"),
        (10**9, "1970-01-01T00:00:01+00:00"),
        (10**9 + 1_999, "1970-01-01T00:00:01.000001+00:00"),
        (1_795_377_343_105_650_263, "2026-11-22T19:55:43.105650+00:00"),
        (1_795_377_343_000_000_999, "2026-11-22T19:55:43+00:00"),
    ],
)
def test_times_have_the_microseconds_there_are(ns: int, shown: str) -> None:
    record = plain_record(Listed(1, make_record(started_ns=ns)))

    assert record["started_at"] == shown


@pytest.mark.parametrize("limit", [None, 3, 5, 7])
@pytest.mark.parametrize(
    "values",
    [
        [{}] * 6,
        [{"stream": at % 2 == 0} for at in range(6)],
        [{"images": 7 if at > 3 else None} for at in range(6)],
        [{"images": 7 if at < 2 else 8, "batch": at == 0} for at in range(6)],
        [{"images": 7 if at == 2 else None, "user_id": "a " if at else "a"} for at in range(6)],
    ],
    ids=["all the same", "alternating", "known first", "another value", "one of a part"],
)
def test_parts_have_the_records_of_a_listing(
    ledger: Write,
    monkeypatch: pytest.MonkeyPatch,
    limit: int | None,
    values: list[dict[str, Any]],
) -> None:
    monkeypatch.setattr("spantoll.query.record_parts.PART", 2)
    engine = ledger(*(make_record(started_ns=at // 2, **each) for at, each in enumerate(values)))
    query = RecordQuery(limit=limit)

    parts = list(iterate_parts(engine, query, RECORD_SOURCES))

    assert show_parts(parts) == plain_records(list_records(engine, query).records)
    assert max(len(part["id"]) for part in parts) <= 2
