"""The answer to a query as a table for people.

Input: a `Result`, and the result of `doubt_query` where the cost is not exact. Output: lines on
stdout: rows, total, period, price sets, and why the cost is estimated or leaves something out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from spantoll.query import CostState, RecordQuery, Result, Row, Value, Window, list_records
from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage import hide_password
from spantoll.surfaces.cells import UNKNOWN, format_dollars, format_measure, format_number
from spantoll.surfaces.cli.ledger import Opened
from spantoll.surfaces.cli.output import write_line, write_table

__all__ = ["NAMED", "explain_empty", "format_keys", "format_period", "print_report"]

NAMED = 10
"""How many models with a reason the lines under a table name, unless all are asked for."""

LABELS = {"minute": "%Y-%m-%d %H:%M%z", "hour": "%Y-%m-%d %H:%M%z", "month": "%Y-%m", "year": "%Y"}


def print_report(
    result: Result,
    doubts: Result | None = None,
    *,
    named: int | None = NAMED,
    advice: Sequence[str] = (),
) -> None:
    """Write the rows, their total, the period, and why the cost is not exact.

    At most `named` of the reasons are listed, all of them with None; `advice` is that of
    `advise_doubts` on each.
    """
    query = result.query
    keys = [*(["window"] if query.window != "total" else []), *query.dimensions]
    total = None
    if len(result.rows) > 1:
        total = ["total", *[""] * (len(keys) - 1), *_format_measures(result, result.totals)]
    write_table(
        [*keys, *query.measures],
        ([*_format_row_keys(result, row), *_format_measures(result, row)] for row in result.rows),
        numeric=query.measures,
        total=total,
    )
    write_line(format_period(result))
    if len(result.rows) < result.groups:
        write_line(f"{len(result.rows)} of {result.groups} rows; the total is of all.")
    if calls := result.totals.measures.get("requests_without_revenue"):
        write_line(
            f"The revenue of {calls:,} call{'s' * (calls != 1)} is not known: "
            "`--by revenue_reason` says why."
        )
    state = result.totals.cost
    if doubts is not None and state is not None:
        for line in _list_doubts(doubts, state, named=named, advice=advice):
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


def _format_row_keys(result: Result, row: Row) -> list[str]:
    if row.others:
        return [*_format_windows(result, row.window), "others", *[""] * (len(row.dimensions) - 1)]
    return format_keys(result, row.window, row.dimensions)


def format_keys(
    result: Result, window: Window | None, dimensions: Mapping[str, Value]
) -> list[str]:
    """Return the cells that name a group: its window, if there are windows, and dimensions."""
    return [
        *_format_windows(result, window),
        *(
            UNKNOWN
            if value is None
            else str(value).lower()
            if isinstance(value, bool)
            else str(value)
            for value in dimensions.values()
        ),
    ]


def _format_windows(result: Result, window: Window | None) -> list[str]:
    return [] if window is None else [_format_window(result, window)]


def _format_window(result: Result, window: Window) -> str:
    start = to_local_time(window.start_ns, find_zone(result.query.tz))
    if result.query.window == "quarter" and result.query.fiscal_start == 1:
        return f"{start.year}-Q{(start.month + 2) // 3}"
    return start.strftime(LABELS.get(result.query.window, "%Y-%m-%d"))


def _format_measures(result: Result, row: Row) -> list[str]:
    return [format_measure(row, name) for name in result.query.measures]


def format_period(result: Result) -> str:
    """Say which period an answer is of, in which zone, at which prices; and its notes."""
    start = f"{result.start:%Y-%m-%d %H:%M}" if result.start else "the beginning"
    end = f"{result.end:%Y-%m-%d %H:%M}" if result.end else "now"
    used = [f"{each.source} {each.price_set[:12]}".rstrip() for each in result.price_sets]
    prices = f"; prices: {', '.join(used)}" if used else ""
    return " ".join([f"From {start} to {end}, {result.query.tz}{prices}.", *result.notes])


def _list_doubts(
    doubts: Result, state: CostState, *, named: int | None, advice: Sequence[str]
) -> Iterator[str]:
    if state.lower_bound:
        calls = state.partial_requests + state.unpriced_requests
        yield (
            f"+ leaves something out: the cost of {calls:,} call{'s' * (calls != 1)} is not known "
            f"in full ({state.unpriced_tokens:,} tokens have no price); "
            "`spantoll doctor` says what to do."
        )
    if state.estimated:
        calls = state.estimated_requests
        yield (
            f"~ is estimated in part: {format_dollars(state.estimated_usd, estimated=True)} of "
            f"{calls:,} call{'s' * (calls != 1)}; {format_dollars(state.exact_usd)} is exact."
        )
    for row, command in zip(doubts.rows[:named], advice, strict=True):
        mark = "~" if row["pricing_status"] == "estimated" else "+"
        known = "" if row["cost_usd"] is None else f"{format_measure(row, 'cost_usd')} "
        yield (
            f"{format_number(row['requests']):>6} {mark} {known}{row['provider'] or UNKNOWN} "
            f"{row['model'] or UNKNOWN}: {row['pricing_reason'] or row['pricing_status']}"
        )
        if command.startswith("spantoll "):
            yield f"         -> {command}"
    if named is not None and doubts.groups > named:
        yield f"       and {doubts.groups - named:,} more: add --doubts to see all."
