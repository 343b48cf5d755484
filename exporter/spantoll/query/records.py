"""List records page by page, newest first.

Input: a `RecordQuery`. Output: a `Page` with the cursor of the next one. A cursor is the start time
and id of the last record, so records that arrive meanwhile neither shift nor repeat a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Engine, or_, select

from spantoll.errors import QueryError
from spantoll.query.conditions import restrict_period
from spantoll.query.dimensions import find_field
from spantoll.query.newest import read_newest
from spantoll.query.query import Filter, refuse_text
from spantoll.query.run import reading
from spantoll.records import UsageRecord
from spantoll.records.columns import usage_record

__all__ = ["Listed", "Page", "RecordQuery", "list_records", "read_page"]

CURSOR = re.compile(r"(\d{1,19})\.(\d{1,19})")
LAST = 2**63 - 1

r = usage_record.c
FIELDS = {name: r[name] for name in ("id", *UsageRecord._fields)}


class Listed(NamedTuple):
    """A stored record with its surrogate id."""

    id: int
    record: UsageRecord


class Page(NamedTuple):
    """Some records, and where the rest begins."""

    records: Sequence[Listed]
    cursor: str | None
    """For `RecordQuery.after`; None when there is nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordQuery:
    """Which records to list, newest first. Raises QueryError on any name unknown."""

    filters: Sequence[Filter] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    limit: int | None = 50
    after: str | None = None
    """The cursor of the page before. Records that arrive meanwhile neither shift nor repeat it."""
    uncounted: bool = False

    def __post_init__(self) -> None:
        for wanted in self.filters:
            find_field(wanted.field)
            refuse_text(f"filter {wanted.field}", wanted.values)
        if self.limit is not None and self.limit < 1:
            raise QueryError("limit must be at least 1", field="limit")
        if self.after is not None:
            _parse_cursor(self.after)


def list_records(engine: Engine, query: RecordQuery) -> Page:
    """List records, newest first. Raises StoreUnavailable when the database cannot be read."""
    rows, cursor = read_page(engine, query, FIELDS)
    return Page([Listed(row[0], UsageRecord._make(row[1:])) for row in rows], cursor)


def read_page(
    engine: Engine, query: RecordQuery, fields: Mapping[str, ColumnElement[Any]]
) -> tuple[Sequence[Sequence[Any]], str | None]:
    """Read fields of the records of a page, and the cursor of the next one if there is more.

    `id` and `started_ns` must be among the fields. Raises StoreUnavailable.
    """
    conditions = [
        *restrict_period(
            query.filters, start_ns=query.start_ns, end_ns=query.end_ns, uncounted=query.uncounted
        ),
        *_restrict_to_page(query.after),
    ]
    statement = select(*fields.values()).where(*conditions)
    statement = statement.order_by(r.started_ns.desc(), r.id.desc())
    end_ns = query.end_ns if query.after is None else _parse_cursor(query.after)[0] + 1
    with reading(engine) as connection:
        if query.limit is None:
            rows: Sequence[Sequence[Any]] = connection.execute(statement).all()
        else:
            rows = read_newest(
                connection, statement.limit(query.limit + 1), end_ns=end_ns, count=query.limit + 1
            )
    if query.limit is None or len(rows) <= query.limit:
        return rows, None
    *kept, _ = rows
    last = dict(zip(fields, kept[-1], strict=True))
    return kept, f"{last['started_ns']}.{last['id']}"


def _restrict_to_page(cursor: str | None) -> list[ColumnElement[bool]]:
    if cursor is None:
        return []
    started_ns, record_id = _parse_cursor(cursor)
    earlier = or_(r.started_ns < started_ns, r.id < record_id)
    return [r.started_ns <= started_ns, earlier]


def _parse_cursor(cursor: str) -> tuple[int, int]:
    matched = CURSOR.fullmatch(cursor)
    position = (int(matched[1]), int(matched[2])) if matched else (LAST, LAST)
    if max(position) >= LAST:
        raise QueryError("cursor: not one that a page answered with", field="cursor")
    return position
