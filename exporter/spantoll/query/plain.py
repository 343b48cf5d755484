"""Answers as plain values: what JSON, CSV and REST carry, the same everywhere.

Input: a result, a listed record or an explanation. Output: dictionaries. The columns of a record
and their names are those declared in `records/record.py`. Money is a decimal string, time ISO 8601,
an id lower-case hex, and what is not known None.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Text

from spantoll.pricing import UnitPrice
from spantoll.query.aggregate import Number
from spantoll.query.cost_state import COST_STATES
from spantoll.query.dimensions import Value
from spantoll.query.explain import Explanation
from spantoll.query.records import Listed
from spantoll.query.result import Result, Row
from spantoll.query.trace_url import TraceUrl
from spantoll.query.windows import EPOCH, Window, find_zone, to_local_time
from spantoll.records.column_spec import ColumnSpec, Merge, Unit
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.records.reported import reported_difference_nano

__all__ = [
    "RECORD_HEADERS",
    "plain_explanation",
    "plain_facts",
    "plain_headers",
    "plain_record",
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


def plain_record(listed: Listed, links: TraceUrl | None = None) -> dict[str, Any]:
    """Show a record: every column that is declared to be shown.

    `links` makes `trace_url`, which is None without them.
    """
    shown: dict[str, Any] = {"id": listed.id}
    for (name, _, show), value in zip(SHOWN, pick_shown(listed.record), strict=True):
        shown[name] = value if show is None or value is None else show(value)
    difference = reported_difference_nano(listed.record)
    shown["reported_difference_usd"] = None if difference is None else _money(difference)
    shown["margin_usd"] = _show_margin(listed.record)
    shown["cost_state"] = COST_STATES[listed.record.pricing_status]
    units = shown["extra_units"] or {}
    shown.update((unit, units.get(unit)) for unit in UNITS)
    shown["trace_url"] = links.format_url(listed.record) if links is not None else None
    return shown


def _show_margin(record: UsageRecord) -> str | None:
    """Show revenue less cost; None unless both are known."""
    if record.revenue_nano is None or record.cost_nano is None:
        return None
    return _money(record.revenue_nano - record.cost_nano)


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


def _money(nano: int) -> str:
    """Write nano-USD as dollars with nine places: an export does so ten times a record."""
    dollars, rest = divmod(abs(nano), 10**9)
    return f"{'-' if nano < 0 else ''}{dollars}.{rest:09d}"


def _time(ns: int) -> str:
    return (EPOCH + timedelta(microseconds=ns // 1000)).isoformat()


def _seconds(milliseconds: int) -> int | float:
    return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000


def _milliseconds(ns: int) -> float:
    return ns / 1_000_000


def _span(span: bytes) -> dict[str, str]:
    return {"trace_id": span[:16].hex(), "span_id": span[16:].hex()}


SHOW_UNIT: Mapping[Unit, Callable[[Any], Any]] = {
    Unit.NANO_USD: _money,
    Unit.TIME_NS: _time,
    Unit.DURATION_NS: _milliseconds,
    Unit.MILLISECONDS: _seconds,
}


def _show_column(name: str, spec: ColumnSpec) -> Callable[[Any], Any] | None:
    """Choose how the values of a column are shown; None: as they are."""
    if name == "repeats_span":
        return _span
    if spec.unit is not None:
        return SHOW_UNIT.get(spec.unit)
    if isinstance(spec.type, LargeBinary):
        return bytes.hex
    if isinstance(spec.type, BigInteger):
        return str  # an id: JavaScript reads integers up to 2**53 only
    return json.loads if isinstance(spec.type, Text) else None


SHOWN = tuple(
    (spec.outside, name, _show_column(name, spec)) for name, spec in COLUMNS.items() if spec.shown
)
"""Name outside, column, and how it is shown if not as it is."""

pick_shown = itemgetter(*(list(COLUMNS).index(column) for _, column, _ in SHOWN))
"""The shown columns of a record, in their order: a listing spends most of its time here."""

UNITS = ("web_searches", "search_units")
"""Members of `extra_units` that are shown beside it: a spreadsheet does not read JSON."""

RECORD_HEADERS = (
    "id",
    *(name for name, _, _ in SHOWN),
    *("reported_difference_usd", "margin_usd", "cost_state"),
    *UNITS,
    "trace_url",
)


def plain_facts(explained: Explanation) -> Iterator[tuple[str, Any]]:
    """Show where the own span of a record reported something else than the merged record has."""
    for name, column, show in SHOWN:
        value = getattr(explained.facts, column)
        derived = COLUMNS[column].merge is Merge.DERIVED
        if not derived and value != getattr(explained.listed.record, column):
            yield name, value if show is None or value is None else show(value)


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
                "cost_usd": _money(line.nano),
            }
            for line in explained.lines
        ],
        "repeats": None if explained.repeats is None else plain_record(explained.repeats, links),
        "repeated_by": [plain_record(each, links) for each in explained.repeated_by],
    }


def _unit_price(price: UnitPrice) -> dict[str, Any]:
    return {"metric": price.metric, "amount_usd": f"{price.amount_usd:f}", "per": price.per}
