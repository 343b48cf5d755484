"""Explain records: what their own spans reported, which rate priced them, what repeats them.

Input: the id of a record, or a span or trace id in hexadecimal. Output: an `Explanation` for each
record it names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, select

from spantoll.errors import QueryError
from spantoll.pricing import CostLine, Rate, RateCard
from spantoll.query.records import FIELDS, Listed
from spantoll.query.run import reading
from spantoll.records import UsageRecord, to_call
from spantoll.records.columns import usage_record
from spantoll.records.keys import neighbour_keys
from spantoll.storage import Stored
from spantoll.storage.facts import stored
from spantoll.storage.rates import from_row
from spantoll.storage.tables import rate as rate_table

__all__ = ["Explanation", "explain"]

HEX = re.compile(r"(?:([0-9a-f]{32})[/:-])?([0-9a-f]{16})|([0-9a-f]{32})")
RECORD_ID = re.compile(r"\d{1,18}")

r = usage_record.c


class Explanation(NamedTuple):
    """How a record was read, counted and priced."""

    listed: Listed
    facts: UsageRecord
    """The record as its own span reported it, before it was merged with others of its call."""
    rate: Rate | None
    """The price row, None when the cost is unknown, reported, or nothing was called."""
    lines: Sequence[CostLine]
    """The arithmetic of that row; with a reported cost, what the row would have charged."""
    repeats: Listed | None
    """The counted record of the same call."""
    repeated_by: Sequence[Listed]


def explain(engine: Engine, reference: str, *, rate_card: RateCard) -> Sequence[Explanation]:
    """Explain the record of an id or span id, or every record of a trace id, in order of time.

    Raises QueryError when there is none, StoreUnavailable when the database cannot be read.
    """
    wanted = _parse_reference(reference)
    with reading(engine) as connection:
        found = connection.execute(
            select(usage_record).where(*wanted).order_by(r.started_ns, r.id)
        ).all()
        if not found:
            raise QueryError(f"there is no record {reference}", field="record")
        return [_explanation(connection, stored(row), rate_card=rate_card) for row in found]


def _parse_reference(reference: str) -> Sequence[ColumnElement[bool]]:
    text = reference.strip().lower()
    if matched := HEX.fullmatch(text):
        trace_id, span_id, alone = matched.groups()
        wanted = [] if span_id is None else [r.span_id == bytes.fromhex(span_id)]
        if trace := trace_id or alone:
            wanted.append(r.trace_id == bytes.fromhex(trace))
        return wanted
    if RECORD_ID.fullmatch(text):
        return [r.id == int(text)]
    raise QueryError(
        f"record {reference!r}: give an id, or a trace or span id in hexadecimal", field="record"
    )


def _explanation(connection: Connection, found: Stored, *, rate_card: RateCard) -> Explanation:
    record = found.current
    rate = None
    if record.rate_id is not None:
        row = connection.execute(
            select(rate_table).where(rate_table.c.rate_id == record.rate_id)
        ).first()
        rate = from_row(row) if row else None
    return Explanation(
        Listed(found.id, record),
        found.facts,
        rate,
        rate_card.lines(to_call(record), rate) if rate else (),
        _find_repeated(connection, record),
        _find_repetitions(connection, record),
    )


def _find_repeated(connection: Connection, record: UsageRecord) -> Listed | None:
    span = record.repeats_span
    if span is None:
        return None
    row = connection.execute(
        select(*FIELDS.values()).where(
            r.tenant_id == record.tenant_id, r.trace_id == span[:16], r.span_id == span[16:]
        )
    ).first()
    return _read_listed(row) if row else None


def _find_repetitions(connection: Connection, record: UsageRecord) -> Sequence[Listed]:
    """Find what repeats a record: spans of its trace, or of the same answer elsewhere."""
    near = r.trace_id == record.trace_id
    if record.response_key is not None:
        near |= r.response_key == record.response_key
    if record.usage_key is not None:
        near |= r.usage_key.in_(neighbour_keys(record.usage_key, 2))
    found = connection.execute(
        select(*FIELDS.values())
        .where(
            r.tenant_id == record.tenant_id,
            near,
            r.repeats_span == record.trace_id + record.span_id,
        )
        .order_by(r.id)
    )
    return [_read_listed(row) for row in found]


def _read_listed(row: Sequence[Any]) -> Listed:
    return Listed(row[0], UsageRecord._make(row[1 : len(UsageRecord._fields) + 1]))
