"""Answers as plain values: what JSON, CSV and REST carry, the same everywhere.

Input: a result or an explanation. Output: dictionaries; records are shown by `plain_records.py`.
Money is a decimal string, time ISO 8601, an id lower-case hex, and what is not known None.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from spantoll.pricing import UnitPrice
from spantoll.query.aggregate import Number
from spantoll.query.dimensions import Value
from spantoll.query.explain import Explanation
from spantoll.query.plain_records import plain_facts, plain_record, plain_records, show_money
from spantoll.query.result import Result, Row
from spantoll.query.trace_url import TraceUrl
from spantoll.query.windows import Window, find_zone, to_local_time

__all__ = [
    "plain_explanation",
    "plain_headers",
    "plain_result",
    "plain_rows",
    "plain_value",
    "plain_window",
]


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
        "price_sets": [each._asdict() for each in result.price_sets],
        "notes": list(result.notes),
    }


def plain_rows(result: Result) -> list[dict[str, Any]]:
    """Show each group as one flat object: window, dimensions, measures, doubts."""
    return [_row(result, row) for row in result.rows]


def plain_headers(result: Result) -> list[str]:
    """Name the columns of `plain_rows`, in order."""
    windows = [] if result.query.window == "total" else ["window_start", "window_end"]
    measures = dict.fromkeys((*result.query.measures, *result.totals.measures))
    doubts = [] if result.totals.cost is None else ["cost_state", "estimated", "lower_bound"]
    others = ["others"] if result.query.others else []
    return [*windows, *result.query.dimensions, *others, *measures, *doubts]


def _row(result: Result, row: Row) -> dict[str, Any]:
    shown = plain_window(row.window, result.query.tz)
    shown.update((name, plain_value(value)) for name, value in row.dimensions.items())
    if result.query.others:
        shown["others"] = row.others
    shown.update((name, plain_value(value)) for name, value in row.measures.items())
    if state := row.cost:
        shown["cost_state"] = state.name
        shown["estimated"] = state.estimated
        shown["lower_bound"] = state.lower_bound
    return shown


def plain_window(window: Window | None, tz: str) -> dict[str, Any]:
    """Show when a window begins and ends, in its zone; nothing without one."""
    if window is None:
        return {}
    zone = find_zone(tz)
    return {
        "window_start": to_local_time(window.start_ns, zone).isoformat(),
        "window_end": to_local_time(window.end_ns, zone).isoformat(),
    }


def plain_value(value: Value | Number) -> Any:
    """Show a dimension or measure: an exact decimal as text, all else as it is."""
    return f"{value:f}" if isinstance(value, Decimal) else value


def plain_explanation(explained: Explanation, links: TraceUrl | None = None) -> dict[str, Any]:
    """Show an explanation: the record, its price row and arithmetic, what it repeats."""
    rate = explained.rate
    return {
        "record": plain_record(explained.listed, links),
        "facts": dict(plain_facts(explained)),
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
                "cost_usd": show_money(line.nano),
            }
            for line in explained.lines
        ],
        "repeats": None if explained.repeats is None else plain_record(explained.repeats, links),
        "repeated_by": plain_records(explained.repeated_by, links),
    }


def _unit_price(price: UnitPrice) -> dict[str, Any]:
    return {"metric": price.metric, "amount_usd": f"{price.amount_usd:f}", "per": price.per}
