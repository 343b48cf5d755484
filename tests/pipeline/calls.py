from __future__ import annotations

from typing import Any

from spantoll.records import UsageRecord
from spantoll.records.keys import response_key, usage_key
from spantoll.records.reported import end_ns, is_billable, reports_usage

SECOND = 1_000_000_000
EPOCH_NS = 1_795_000_000 * SECOND
"""November 2026: prices have dates."""
DEFAULTS: dict[str, Any] = dict.fromkeys(UsageRecord._fields) | {
    "tenant_id": "default",
    "source": "otlp_trace",
    "received_ns": 1,
    "role": "inference",
    "counted": True,
    "counted_reason": "sole",
    "batch": False,
    "status": "success",
    "requests": 1,
    "usage_quality": "exact",
    "dialect": "otel",
    "scope_name": "sdk",
    "pricing_status": "unpriced",
    "request_model": "gpt-4o",
}


def call(
    name: str, at: float = 0, to: float = 10, *, under: str = "", trace: str = "t", **fields: Any
) -> UsageRecord:
    """A record by a short name; `under` names its parent, times are seconds."""
    values: dict[str, Any] = {
        "trace_id": trace.encode().ljust(16, b"."),
        "span_id": name.encode().ljust(8, b"."),
        "parent_span_id": under.encode().ljust(8, b".") if under else None,
        "started_ns": EPOCH_NS + int(at * SECOND),
        "duration_ns": int((to - at) * SECOND),
    }
    record = UsageRecord(**DEFAULTS)._replace(**values)._replace(**fields)
    if record.response_id:
        record = record._replace(response_key=response_key("default", record.response_id))
    if not reports_usage(record) and "usage_quality" not in fields:
        record = record._replace(usage_quality="missing")
    return keyed(record)


def keyed(record: UsageRecord) -> UsageRecord:
    """Give a record of a call its usage key."""
    if not is_billable(record):
        return record
    key = usage_key(
        record,
        tenant=record.tenant_id,
        trace_id=record.trace_id,
        end_ns=end_ns(record),
        provider=record.provider,
        has_extra=record.extra_units is not None,
        status=record.status,
        request_model=record.request_model,
    )
    return record._replace(usage_key=key)


def used(input_tokens: int, output_tokens: int, **more: Any) -> dict[str, Any]:
    return {"input_tokens": input_tokens, "output_tokens": output_tokens, **more}
