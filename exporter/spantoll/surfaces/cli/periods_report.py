"""Closed periods and adjustments as tables, JSON and CSV.

Input: `ClosedPeriod`s and `Adjustment`s. Output: lines on stdout; JSON and CSV have exact dollars,
tables are rounded as elsewhere. Amounts of adjustments are changes and have a sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query import to_usd
from spantoll.query.times import parse_time
from spantoll.query.windows import Window, find_zone, list_windows, to_local_time
from spantoll.storage.adjustments import Adjusted, Adjustment, sum_adjustments
from spantoll.storage.periods import ClosedPeriod
from spantoll.surfaces.adjusted import ADJUSTMENT_HEADERS, plain_adjustment, plain_change
from spantoll.surfaces.cli.options import Format
from spantoll.surfaces.cli.output import (
    UNKNOWN,
    format_dollars,
    format_number,
    write_csv,
    write_json,
    write_notice,
    write_table,
)

__all__ = [
    "describe_adjusted",
    "describe_statement",
    "find_named",
    "format_change",
    "parse_period_name",
    "write_adjustments",
    "write_periods",
]

NAME = re.compile(r"(?P<year>\d{4})(?:-(?P<month>0[1-9]|1[0-2])|-Q(?P<quarter>[1-4]))?")
PERIOD_HEADERS = (
    *("period", "tz", "starts_at", "ends_at", "closed_at", "closed_by"),
    *("adjustments", "adjusted_usd"),
)
SHOWN = (
    *("booked_at", "period", "cause", "run", "record", "started_at", "model", "customer_id"),
    *("requests", "cost_usd", "revenue_usd"),
)


def parse_period_name(name: str, *, tz: str) -> Window:
    """Read `2026-10`, `2026-Q4` or `2026` as its time in a zone. Raises QueryError."""
    matched = NAME.fullmatch(name)
    if matched is None:
        raise QueryError(f"period {name!r}: write 2026-10, 2026-Q4 or 2026", field="period")
    kind, month = "year", 1
    if matched["month"]:
        kind, month = "month", int(matched["month"])
    elif matched["quarter"]:
        kind, month = "quarter", int(matched["quarter"]) * 3 - 2
    zone = find_zone(tz)
    first = f"{matched['year']}-{month:02d}-01T12:00"
    noon_ns = parse_time(first, field="period", tz=zone, now_ns=0)
    return list_windows(kind, start_ns=noon_ns, end_ns=noon_ns + 1, tz=zone)[0]


def find_named(periods: Sequence[ClosedPeriod], name: str) -> ClosedPeriod:
    """Find a closed period by its name. Raises QueryError where none is called so."""
    for period in periods:
        if period.name == name:
            return period
    names = tuple(period.name for period in periods)
    raise QueryError(
        f"{name!r} is not a closed period; closed are: {', '.join(names) or 'none'}",
        field="period",
        allowed=names,
    )


def write_periods(periods: Sequence[tuple[ClosedPeriod, Adjusted]], *, format: Format) -> None:
    """Write the closed periods with the sums of their adjustments."""
    if not periods and format is Format.table:
        write_notice("No period is closed: `spantoll periods close 2026-10 --tz ZONE` closes one.")
        return
    rows = [_plain_period(period, adjusted) for period, adjusted in periods]
    match format:
        case Format.json:
            write_json(rows)
        case Format.csv:
            write_csv(PERIOD_HEADERS, rows)
        case Format.table:
            for row, (_, adjusted) in zip(rows, periods, strict=True):
                row["adjusted_usd"] = format_change(adjusted.cost_nano)
            cells = ([str(row[name]) for name in PERIOD_HEADERS] for row in rows)
            write_table(PERIOD_HEADERS, cells, numeric=("adjustments", "adjusted_usd"))


def write_adjustments(
    adjustments: Sequence[Adjustment],
    periods: Sequence[ClosedPeriod],
    *,
    format: Format,
    tz: str,
) -> None:
    """Write adjustments in the order in which they were booked."""
    names = {period.period_id: period.name for period in periods}
    rows = [plain_adjustment(each, names) for each in adjustments]
    match format:
        case Format.json:
            write_json(rows)
        case Format.csv:
            write_csv(ADJUSTMENT_HEADERS, rows)
        case Format.table if not rows:
            write_notice("Nothing of a closed period was adjusted in this time.")
        case Format.table:
            cells = (_format_row(each, names, tz) for each in adjustments)
            numeric = ("run", "record", "requests", "cost_usd", "revenue_usd")
            write_table(SHOWN, cells, numeric=numeric)


def describe_adjusted(booked: Adjusted, later: Adjusted) -> Iterator[str]:
    """Say what closed periods mean for the sums of a query: what they leave out, and where."""
    command = "`spantoll periods adjustments`"
    if booked.entries:
        yield (
            f"Not in these sums: {format_change(booked.cost_nano)} in {booked.entries:,} "
            f"adjustments of closed periods, of all calls, booked in this time; {command}."
        )
    if later.entries:
        yield (
            f"Closed: {format_change(later.cost_nano)} in {later.entries:,} adjustments of calls "
            f"of this time, of all calls, booked later; {command}."
        )


def describe_statement(
    engine: Engine, customer_id: str, *, start_ns: int, end_ns: int
) -> Iterator[str]:
    """Say what a customer's statement leaves out: adjustments of closed periods."""
    since = sum_adjustments(
        engine,
        customer_id=customer_id,
        started_from_ns=start_ns,
        started_to_ns=end_ns,
        booked_from_ns=end_ns,
    )
    booked = sum_adjustments(
        engine, customer_id=customer_id, booked_from_ns=start_ns, booked_to_ns=end_ns
    )
    said = ((since, "of calls of this period, booked since"), (booked, "of closed periods"))
    for adjusted, which in said:
        if adjusted.entries:
            yield (
                f"Not in the total: {format_change(adjusted.revenue_nano)} in "
                f"{adjusted.entries:,} adjustments {which}: `spantoll periods adjustments`."
            )


def format_change(nano: int | None) -> str:
    """Format a change of a sum of money, with its sign."""
    if nano is None:
        return UNKNOWN
    return f"{'-' if nano < 0 else '+'}{format_dollars(to_usd(abs(nano)))}"


def _plain_period(period: ClosedPeriod, adjusted: Adjusted) -> dict[str, Any]:
    zone = find_zone(period.tz)
    return {
        "period": period.name,
        "tz": period.tz,
        "starts_at": to_local_time(period.start_ns, zone).isoformat(),
        "ends_at": to_local_time(period.end_ns, zone).isoformat(),
        "closed_at": to_local_time(period.closed_ns, zone).isoformat(timespec="seconds"),
        "closed_by": period.closed_by,
        "adjustments": adjusted.entries,
        "adjusted_usd": plain_change(adjusted.cost_nano),
    }


def _format_row(each: Adjustment, names: Mapping[int, str], tz: str) -> list[str]:
    zone = find_zone(tz)
    return [
        f"{to_local_time(each.booked_ns, zone):%Y-%m-%d %H:%M:%S}",
        names.get(each.period_id, UNKNOWN),
        each.cause,
        UNKNOWN if each.run_id is None else str(each.run_id),
        str(each.record_id),
        f"{to_local_time(each.started_ns, zone):%Y-%m-%d %H:%M:%S}",
        each.model or UNKNOWN,
        each.customer_id or UNKNOWN,
        format_number(each.requests),
        format_change(each.cost_nano),
        format_change(each.revenue_nano),
    ]
