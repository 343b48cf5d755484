"""What is exported: named columns, rows that are read as they are written, and how to read them.

Input: a query and its plain rows. Output: an `Export`, which `formats.py` writes. What a cell holds
follows from the name of its column: `_usd` is money, `_at`, `window_start` and `window_end` are
times, as everywhere else; so are the names of FOCUS that end in Cost, PeriodStart and PeriodEnd.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from spantoll.query import (
    RECORD_HEADERS,
    RECORD_SOURCES,
    Filter,
    Query,
    RecordQuery,
    Result,
    TraceUrl,
    iterate_parts,
    plain_columns,
)
from spantoll.query.windows import find_zone, to_local_time
from spantoll.surfaces.record_lines import LINE_FORMATS, SPACED_JSON_LINES, iterate_lines

__all__ = [
    "Export",
    "describe_query",
    "describe_result",
    "format_nested",
    "is_money",
    "is_time",
    "iterate_plain_records",
    "make_record_export",
]


WINDOW = ("window_start", "window_end")


@dataclass(frozen=True, slots=True)
class Export:
    """Columns, rows and what a reader has to know of them."""

    headers: Sequence[str]
    rows: Iterable[Mapping[str, Any]]
    about: Sequence[tuple[str, str]] = ()
    """Names and values: the period, the zone, filters, what is not priced."""
    lines: Mapping[str, Iterable[str]] = field(default_factory=dict)
    """By the names of formats: what `rows` are in them, where that is written faster."""


def make_record_export(
    engine: Engine, query: RecordQuery, *, tz: str, links: TraceUrl | None = None
) -> Export:
    """Export the records of a query, newest first; they are read when they are written.

    Writing raises StoreUnavailable.
    """
    return Export(
        RECORD_HEADERS,
        iterate_plain_records(engine, query, links),
        describe_query(query, tz=tz),
        {
            name: iterate_lines(engine, query, format, links)
            for name, format in (("csv", LINE_FORMATS["csv"]), ("jsonl", SPACED_JSON_LINES))
        },
    )


def iterate_plain_records(
    engine: Engine, query: RecordQuery, links: TraceUrl | None = None
) -> Iterator[dict[str, Any]]:
    """Read records as plain values, newest first, a part at a time. Raises StoreUnavailable."""
    for part in iterate_parts(engine, query, RECORD_SOURCES):
        columns = plain_columns(part, links)
        for row in zip(*(column.values for column in columns), strict=True):
            yield dict(zip(RECORD_HEADERS, row, strict=True))


def is_money(header: str) -> bool:
    """Return whether a column holds dollars, or a change of them."""
    return header.endswith("Cost") or ("_usd" in header and not header.endswith("_growth"))


def is_time(header: str) -> bool:
    """Return whether a column holds a time."""
    return header.endswith(("_at", "PeriodStart", "PeriodEnd")) or header in WINDOW


def format_nested(value: Any) -> Any:
    """Write an object or array as JSON; leave any other value as it is."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False) if value else None
    return value


def describe_query(query: Query | RecordQuery, *, tz: str) -> list[tuple[str, str]]:
    """Say which records an export is of."""
    return [
        ("from", _describe_time(query.start_ns, tz, "the beginning")),
        ("to", _describe_time(query.end_ns, tz, "now")),
        ("time zone", tz),
        ("filters", "; ".join(map(_describe_filter, query.filters)) or "none"),
        ("also what is not counted", "yes" if query.uncounted else "no"),
        ("currency", "USD"),
    ]


def describe_result(result: Result) -> list[tuple[str, str]]:
    """Say which records sums are of, at which prices, and what they leave out."""
    about = describe_query(result.query, tz=result.query.tz)
    state = result.totals.cost
    if state is not None:
        about += [
            ("cost is", state.name or "unknown"),
            ("exact USD", f"{Decimal(state.exact_usd or 0):f}"),
            ("estimated USD", f"{Decimal(state.estimated_usd or 0):f}"),
            ("calls without a price", f"{state.unpriced_requests}"),
        ]
    prices = "; ".join(f"{each.source} {each.price_set}" for each in result.price_sets)
    notes = [("note", note) for note in result.notes]
    return [*about, ("price sets", prices or "none"), *notes]


def _describe_time(ns: int | None, tz: str, otherwise: str) -> str:
    return otherwise if ns is None else to_local_time(ns, find_zone(tz)).isoformat()


def _describe_filter(wanted: Filter) -> str:
    values = ", ".join("unknown" if value is None else str(value) for value in wanted.values)
    return f"{wanted.field} {'not ' if wanted.negate else ''}{wanted.operator} {values}"
