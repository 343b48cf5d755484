"""The records that tests write: one builder, so that a new column is filled in one place."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from itertools import count
from typing import Any

from sqlalchemy import Engine, select

from spantoll.query import RECORD_HEADERS, TraceUrl, plain_columns
from spantoll.query.record_parts import Stored
from spantoll.records import UsageRecord, usage_record

__all__ = [
    "NOON_NS",
    "make_record",
    "record_of_response",
    "show_parts",
    "stored_records",
    "with_response_key",
]

NOON_NS = 1_795_176_000 * 10**9
"""2026-11-20T12:00:00Z"""

USUAL: dict[str, Any] = dict.fromkeys(UsageRecord._fields) | {
    "tenant_id": "default",
    "source": "otlp_trace",
    "started_ns": NOON_NS,
    "received_ns": NOON_NS,
    "role": "inference",
    "counted": True,
    "counted_reason": "sole",
    "operation": "chat",
    "provider": "openai",
    "model": "gpt-4o",
    "batch": False,
    "status": "success",
    "requests": 1,
    "usage_quality": "exact",
    "dialect": "opentelemetry",
    "pricing_status": "priced",
    "cost_nano": 1_000_000,
}

_spans = count(1)


def make_record(**given: Any) -> UsageRecord:
    """Make a counted, priced record of a span in a trace of its own; give what matters by name."""
    number = next(_spans)
    values = {**USUAL, "trace_id": number.to_bytes(16), "span_id": number.to_bytes(8), **given}
    if values["pricing_status"] == "unpriced":
        values["cost_nano"] = None
    return UsageRecord(**values)


def record_of_response(response_id: str | None, **given: Any) -> UsageRecord:
    """Make a record whose response id, however short, connects it."""
    return with_response_key(make_record(response_id=response_id, **given))


def with_response_key(record: UsageRecord) -> UsageRecord:
    """Return the record with the response key of its tenant and response id."""
    named = f"{record.tenant_id} {record.response_id}".encode()
    return record._replace(response_key=zlib.crc32(named) if record.response_id else None)


def stored_records(engine: Engine) -> list[UsageRecord]:
    """Read every record, in the order of identity."""
    columns = [usage_record.c[name] for name in UsageRecord._fields]
    with engine.connect() as connection:
        found: Iterable[Any] = connection.execute(select(*columns).order_by(*columns[:3]))
        return [UsageRecord._make(row) for row in found]


def show_parts(parts: Iterable[Stored], links: TraceUrl | None = None) -> list[dict[str, Any]]:
    """Show the records of an export's parts as `plain_records` does those of a listing."""
    return [
        dict(zip(RECORD_HEADERS, row, strict=True))
        for part in parts
        for row in zip(*(column.values for column in plain_columns(part, links)), strict=True)
    ]
