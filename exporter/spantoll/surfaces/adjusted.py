"""Adjustments of closed periods as plain values: what JSON and CSV carry.

Input: the period of a query, or `Adjustment`s. Output: their sums, or one dictionary each. Amounts
are changes and have a sign; money is a decimal string.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from spantoll.query import Query, to_usd
from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage.adjustments import NO_ADJUSTMENTS, Adjusted, Adjustment, sum_adjustments

__all__ = [
    "ADJUSTMENT_HEADERS",
    "plain_adjusted",
    "plain_adjustment",
    "plain_change",
    "read_adjusted",
]

ADJUSTMENT_HEADERS = (
    *("booked_at", "period", "cause", "run", "record", "trace_id", "span_id", "started_at"),
    *("provider", "model", "customer_id", "pricing_status", "requests", "input_tokens"),
    *("output_tokens", "cost_usd", "revenue_usd"),
)


def read_adjusted(
    engine: Engine,
    query: Query,
    *,
    customer_id: str | None = None,
    tenant_id: str | None = None,
) -> tuple[Adjusted, Adjusted]:
    """Sum what was booked in the time of a query, and what was booked later for calls of it.

    Of all calls of a customer and tenant, or of everybody, whatever else the query filters.
    """
    booked = sum_adjustments(
        engine,
        booked_from_ns=query.start_ns,
        booked_to_ns=query.end_ns,
        customer_id=customer_id,
        tenant_id=tenant_id,
    )
    if query.end_ns is None:
        return booked, NO_ADJUSTMENTS
    return booked, sum_adjustments(
        engine,
        started_from_ns=query.start_ns,
        started_to_ns=query.end_ns,
        booked_from_ns=query.end_ns,
        customer_id=customer_id,
        tenant_id=tenant_id,
    )


def plain_adjusted(booked: Adjusted, later: Adjusted) -> dict[str, Any]:
    """Show both sums of `read_adjusted`."""
    return {
        name: {
            "entries": each.entries,
            "unknown": each.unknown,
            "cost_usd": plain_change(each.known_cost_nano),
        }
        for name, each in (("booked", booked), ("booked_later", later))
    }


def plain_adjustment(each: Adjustment, names: Mapping[int, str]) -> dict[str, Any]:
    """Show one adjustment; `names` are those of the closed periods, by id."""
    utc = find_zone("UTC")
    return {
        "booked_at": to_local_time(each.booked_ns, utc).isoformat(),
        "period": names.get(each.period_id),
        "cause": str(each.cause),
        "run": each.run_id,
        "record": each.record_id,
        "trace_id": each.trace_id.hex(),
        "span_id": each.span_id.hex(),
        "started_at": to_local_time(each.started_ns, utc).isoformat(),
        "provider": each.provider,
        "model": each.model,
        "customer_id": each.customer_id,
        "pricing_status": each.pricing_status,
        "requests": each.requests,
        "input_tokens": each.input_tokens,
        "output_tokens": each.output_tokens,
        "cost_usd": plain_change(each.cost_nano),
        "revenue_usd": plain_change(each.revenue_nano),
    }


def plain_change(nano: int | None) -> str | None:
    """Write dollars exactly, as a decimal string."""
    dollars = to_usd(nano)
    return None if dollars is None else f"{dollars:f}"
