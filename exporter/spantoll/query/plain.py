"""Answers as plain values: what JSON, CSV and REST carry, the same everywhere.

Money is a decimal string, time ISO 8601, an id lower-case hex, and what is not known None.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from spantoll.pricing import UnitPrice
from spantoll.query.aggregate import Number, usd
from spantoll.query.dimensions import Value
from spantoll.query.explain import Explanation
from spantoll.query.records import Listed
from spantoll.query.result import Result, Row
from spantoll.query.trace_url import TraceUrl
from spantoll.query.windows import moment, zone

__all__ = ["RECORD_HEADERS", "plain_headers", "plain_record", "plain_result", "plain_rows"]

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


def plain_headers(result: Result) -> list[str]:
    """Name the columns of `plain_rows`, in order."""
    windows = [] if result.query.window == "total" else ["window_start", "window_end"]
    asked = (*result.query.dimensions, *result.query.measures, "unpriced_requests")
    return [*windows, *dict.fromkeys(asked), "lower_bound"]


def plain_record(listed: Listed, links: TraceUrl | None = None) -> dict[str, Any]:
    """Show a record: inclusive totals, their parts, whom it is for, and what it cost and why.

    `links` makes `trace_url`, which is None without them.
    """
    shown: dict[str, Any] = {"id": listed.id}
    for name, column, show in COLUMNS:
        value = getattr(listed.record, column)
        shown[name] = value if show is None or value is None else show(value)
    shown["trace_url"] = links.of(listed.record) if links is not None else None
    return shown


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


def _money(nano: int) -> str:
    return f"{usd(nano):f}"


def _time(ns: int) -> str:
    return moment(ns, UTC).isoformat()


def _seconds(milliseconds: int) -> int | float:
    return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000


def _milliseconds(ns: int) -> float:
    return ns / 1_000_000


def _unit(*names: str) -> Callable[[str], Any]:
    def quantity(units: str) -> Any:
        found = json.loads(units)
        return next((found[name] for name in names if name in found), None)

    return quantity


def _span(span: bytes) -> dict[str, str]:
    return {"trace_id": span[:16].hex(), "span_id": span[16:].hex()}


COLUMNS: tuple[tuple[str, str, Callable[[Any], Any] | None], ...] = (
    ("started_at", "started_ns", _time),
    ("provider", "provider", None),
    ("operation", "operation", None),
    ("request_model", "request_model", None),
    ("response_model", "response_model", None),
    ("response_id", "response_id", None),
    ("input_tokens", "input_tokens", None),
    ("output_tokens", "output_tokens", None),
    ("cached_read", "cache_read_tokens", None),
    ("cache_creation", "cache_write_tokens", None),
    ("cache_creation_1h", "cache_write_1h_tokens", None),
    ("reasoning", "reasoning_tokens", None),
    ("audio_in", "input_audio_tokens", None),
    ("audio_out", "output_audio_tokens", None),
    ("image_input_tokens", "input_image_tokens", None),
    ("image_output_tokens", "output_image_tokens", None),
    ("images", "images", None),
    ("audio_seconds", "audio_ms", _seconds),
    ("video_seconds", "video_ms", _seconds),
    ("characters", "characters", None),
    ("web_search_requests", "extra_units", _unit("web_searches", "web_search_requests")),
    ("search_units", "extra_units", _unit("search_units")),
    ("units", "extra_units", json.loads),
    ("requests", "requests", None),
    ("cost_usd", "cost_nano", _money),
    ("pricing_status", "pricing_status", None),
    ("pricing_reason", "pricing_reason", None),
    ("cost_source", "cost_source", None),
    ("rate_id", "rate_id", str),
    ("reported_cost_usd", "reported_cost_nano", _money),
    ("catalogue_cost_usd", "catalogue_cost_nano", _money),
    ("status", "status", None),
    ("error", "error_type", None),
    ("error_message", "error_message", None),
    ("latency_ms", "duration_ns", _milliseconds),
    ("time_to_first_chunk_ms", "time_to_first_chunk_ns", _milliseconds),
    ("stream", "stream", None),
    ("batch", "batch", None),
    ("service_tier", "service_tier", None),
    ("cache_hit", "cache_hit", None),
    ("finish_reasons", "finish_reasons", None),
    ("tenant", "tenant_id", None),
    ("customer_id", "customer_id", None),
    ("organisation", "organisation", None),
    ("project", "project", None),
    ("workspace_id", "workspace_id", None),
    ("team", "team", None),
    ("user", "user_id", None),
    ("user_email", "user_email", None),
    ("session", "session_id", None),
    ("purpose", "purpose", None),
    ("task_type", "task_type", None),
    ("channel", "channel", None),
    ("environment", "environment", None),
    ("service_name", "service_name", None),
    ("metadata", "metadata", json.loads),
    ("role", "role", None),
    ("counted", "counted", None),
    ("counted_reason", "counted_reason", None),
    ("repeats", "repeats_span", _span),
    ("usage_quality", "usage_quality", None),
    ("flaws", "flaws", None),
    ("dialect", "dialect", None),
    ("scope", "scope_name", None),
    ("scope_version", "scope_version", None),
    ("trace_id", "trace_id", bytes.hex),
    ("span_id", "span_id", bytes.hex),
    ("parent_span_id", "parent_span_id", bytes.hex),
    ("request_id", "request_id", None),
    ("source", "source", None),
)
"""Name, column, and how it is shown if not as it is."""

RECORD_HEADERS = ("id", *(name for name, _, _ in COLUMNS), "trace_url")


def plain_explanation(explained: Explanation, links: TraceUrl | None = None) -> dict[str, Any]:
    """Show an explanation: the record, its price row and arithmetic, what it repeats."""
    rate = explained.rate
    assumptions = explained.listed.record.assumptions
    return {
        "record": plain_record(explained.listed, links),
        "assumptions": json.loads(assumptions) if assumptions else [],
        "facts": dict(explained.facts),
        "rate": None
        if rate is None
        else {
            **rate._asdict(),
            "rate_id": str(rate.rate_id),
            "prices": [_unit_price(price) for price in rate.prices],
        },
        "lines": [
            {
                "quantity": str(line.quantity),
                **_unit_price(line.unit_price),
                "metric": line.metric,
                "cost_usd": _money(line.nano),
            }
            for line in explained.lines
        ],
        "repeats": None if explained.repeats is None else plain_record(explained.repeats, links),
        "repeated_by": [plain_record(each, links) for each in explained.repeated_by],
    }


def _unit_price(price: UnitPrice) -> dict[str, Any]:
    return {"metric": price.metric, "amount_usd": f"{price.amount_usd:f}", "per": price.per}
