"""The answer to a query as a table for people.

Input: a `Result`, and the result of `unpriced_query` where something is unpriced. Output: lines on
stdout: rows, total, period, price sets, and what the cost leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from spantoll.query import RecordQuery, Result, Row, Window, list_records
from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage import hide_password
from spantoll.surfaces.cli.ledger import Opened
from spantoll.surfaces.cli.output import (
    UNKNOWN,
    format_dollars,
    format_number,
    write_line,
    write_table,
)

__all__ = ["explain_empty", "print_report"]

NAMED = 5
"""How many unpriced models the lines under a table name."""

LABELS = {"hour": "%Y-%m-%d %H:%M%z", "month": "%Y-%m", "year": "%Y"}


def print_report(result: Result, unpriced: Result | None) -> None:
    """Write the rows, their total, the period they are of, and what is not in the cost."""
    query = result.query
    keys = [*(["window"] if query.window != "total" else []), *query.dimensions]
    total = None
    if len(result.rows) > 1:
        total = ["total", *[""] * (len(keys) - 1), *_format_measures(result, result.totals)]
    write_table(
        [*keys, *query.measures],
        ([*_format_keys(result, row), *_format_measures(result, row)] for row in result.rows),
        numeric=query.measures,
        total=total,
    )
    write_line(_format_period(result))
    if len(result.rows) < result.groups:
        write_line(f"{len(result.rows)} of {result.groups} rows; the total is of all.")
    for line in _list_unpriced(unpriced) if unpriced is not None else ():
        write_line(line)


def explain_empty(ledger: Opened) -> str:
    """Return why there is nothing to show, and what to do."""
    page = list_records(ledger.engine, RecordQuery(limit=1, uncounted=True))
    if not page.records:
        place = hide_password(ledger.settings.database)
        return (
            f"No calls in {place} yet: start `spantoll up` and send it spans, or "
            "read files with `spantoll ingest FILE`."
        )
    newest = page.records[0].record
    time = to_local_time(newest.started_ns, find_zone(ledger.settings.tz))
    return (
        f"No counted calls match. The newest record is of {time:%Y-%m-%d %H:%M %Z}, "
        f"{newest.provider or UNKNOWN} {newest.model or UNKNOWN}: "
        "ask for a longer period, fewer --where, or --all."
    )


def _format_keys(result: Result, row: Row) -> list[str]:
    window = [] if row.window is None else [_format_window(result, row.window)]
    return window + [
        UNKNOWN if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for value in row.dimensions.values()
    ]


def _format_window(result: Result, window: Window) -> str:
    start = to_local_time(window.start_ns, find_zone(result.query.tz))
    if result.query.window == "quarter":
        return f"{start.year}-Q{(start.month + 2) // 3}"
    return start.strftime(LABELS.get(result.query.window, "%Y-%m-%d"))


def _format_measures(result: Result, row: Row) -> list[str]:
    return [_format_measure(row, name) for name in result.query.measures]


def _format_measure(row: Row, name: str) -> str:
    value = row.measures[name]
    if name.endswith("_usd") and (value is None or isinstance(value, Decimal)):
        return format_dollars(value, lower_bound=row.lower_bound and name != "reported_cost_usd")
    if name.endswith("_rate") and value is not None:
        return f"{value:.1%}"
    return format_number(value)


def _format_period(result: Result) -> str:
    start = f"{result.start:%Y-%m-%d %H:%M}" if result.start else "the beginning"
    end = f"{result.end:%Y-%m-%d %H:%M}" if result.end else "now"
    used = [f"{each.source} {each.price_set[:12]}" for each in result.price_sets]
    prices = f"; prices: {', '.join(used)}" if used else ""
    return f"From {start} to {end}, {result.query.tz}{prices}."


def _list_unpriced(unpriced: Result) -> Iterator[str]:
    calls = unpriced.totals.requests
    yield (
        f"+ is a lower bound: the cost of {calls:,} call{'s' * (calls != 1)} is not known in full; "
        "`spantoll doctor` says what to do."
    )
    for row in unpriced.rows[:NAMED]:
        reason = row["pricing_reason"] or row["pricing_status"]
        yield (
            f"{format_number(row['requests']):>6}  {row['provider'] or UNKNOWN} "
            f"{row['model'] or UNKNOWN}: {reason}"
        )
    if unpriced.groups > NAMED:
        yield f"        and {unpriced.groups - NAMED:,} more"
