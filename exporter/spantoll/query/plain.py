"""Answers as plain values: what JSON, CSV and REST carry, the same everywhere.

Money is a decimal string, time ISO 8601, an id lower-case hex, and what is not known None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spantoll.query.dimensions import Value
from spantoll.query.measures import Number, usd
from spantoll.query.records import Listed
from spantoll.query.result import Result, Row
from spantoll.query.windows import moment, zone

__all__ = ["Plain", "plain_record", "plain_result", "plain_rows"]

Plain = Mapping[str, Any]

UTC = zone("UTC")


def plain_result(result: Result) -> dict[str, Any]:
    """Show an answer with the period, zone and doubts it has to be read with."""
    query = result.query
    return {
        "from": result.start.isoformat() if result.start else None,
        "to": result.end.isoformat() if result.end else None,
        "tz": query.tz,
        "window": query.window,
        "currency": "USD",
        "group_by": list(query.dimensions),
        "measures": list(query.measures),
        "rows": plain_rows(result),
        "groups": result.groups,
        "totals": _row(result, result.totals),
        "price_lists": [each._asdict() for each in result.price_lists],
    }


def plain_rows(result: Result) -> list[dict[str, Any]]:
    """Show each group as one flat object: window, dimensions, measures, doubts."""
    return [_row(result, row) for row in result.rows]


def plain_record(listed: Listed) -> dict[str, Any]:
    """Show a record: inclusive totals, their parts, whom it is for, and what it cost and why."""
    record = listed.record
    units = json.loads(record.extra_units) if record.extra_units else {}
    return {
        "id": listed.id,
        "started_at": moment(record.started_ns, UTC).isoformat(),
        "provider": record.provider,
        "operation": record.operation,
        "request_model": record.request_model,
        "response_model": record.response_model,
        "response_id": record.response_id,
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        "cached_read": record.cache_read_tokens,
        "cache_creation": record.cache_write_tokens,
        "cache_creation_1h": record.cache_write_1h_tokens,
        "reasoning": record.reasoning_tokens,
        "audio_in": record.input_audio_tokens,
        "audio_out": record.output_audio_tokens,
        "image_input_tokens": record.input_image_tokens,
        "image_output_tokens": record.output_image_tokens,
        "images": record.images,
        "audio_seconds": _seconds(record.audio_ms),
        "video_seconds": _seconds(record.video_ms),
        "characters": record.characters,
        "web_search_requests": units.get("web_searches", units.get("web_search_requests")),
        "search_units": units.get("search_units"),
        "units": units,
        "requests": record.requests,
        "cost_usd": _money(record.cost_nano),
        "pricing_status": record.pricing_status,
        "pricing_reason": record.pricing_reason,
        "cost_source": record.cost_source,
        "reported_cost_usd": _money(record.reported_cost_nano),
        "rate_id": record.rate_id,
        "status": record.status,
        "error": record.error_type,
        "error_message": record.error_message,
        "latency_ms": _milliseconds(record.duration_ns),
        "time_to_first_chunk_ms": _milliseconds(record.time_to_first_chunk_ns),
        "stream": record.stream,
        "batch": record.batch,
        "service_tier": record.service_tier,
        "cache_hit": record.cache_hit,
        "tenant": record.tenant_id,
        "customer_id": record.customer_id,
        "organisation": record.organisation,
        "project": record.project,
        "workspace_id": record.workspace_id,
        "team": record.team,
        "user": record.user_id,
        "user_email": record.user_email,
        "session": record.session_id,
        "purpose": record.purpose,
        "task_type": record.task_type,
        "channel": record.channel,
        "environment": record.environment,
        "service_name": record.service_name,
        "metadata": json.loads(record.metadata) if record.metadata else {},
        "role": record.role,
        "counted": record.counted,
        "counted_reason": record.counted_reason,
        "repeats": _span(record.repeats_span),
        "usage_quality": record.usage_quality,
        "dialect": record.dialect,
        "scope": record.scope_name,
        "scope_version": record.scope_version,
        "trace_id": record.trace_id.hex(),
        "span_id": record.span_id.hex(),
        "parent_span_id": record.parent_span_id.hex() if record.parent_span_id else None,
        "request_id": record.request_id,
        "source": record.source,
    }


def _row(result: Result, row: Row) -> dict[str, Any]:
    tz = zone(result.query.tz)
    shown: dict[str, Any] = {}
    if row.window is not None:
        shown["window_start"] = moment(row.window.start_ns, tz).isoformat()
        shown["window_end"] = moment(row.window.end_ns, tz).isoformat()
    shown.update((name, _plain(value)) for name, value in row.dimensions.items())
    shown.update((name, _plain(value)) for name, value in row.measures.items())
    shown["lower_bound"] = row.lower_bound
    return shown


def _plain(value: Value | Number) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def _money(nano: int | None) -> str | None:
    dollars = usd(nano)
    return None if dollars is None else f"{dollars:f}"


def _seconds(milliseconds: int | None) -> int | float | None:
    if milliseconds is None:
        return None
    return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000


def _milliseconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1_000_000


def _span(span: bytes | None) -> dict[str, str] | None:
    return None if span is None else {"trace_id": span[:16].hex(), "span_id": span[16:].hex()}
