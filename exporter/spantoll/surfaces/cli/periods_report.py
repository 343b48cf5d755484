"""Closed periods and adjustments as tables, JSON and CSV.

Input: `ClosedPeriod`s and `Adjustment`s. Output: lines on stdout; JSON and CSV have exact dollars,
tables are rounded as elsewhere. Amounts of adjustments are changes and have a sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage.adjustments import Adjusted, Adjustment
from spantoll.storage.periods import ClosedPeriod
from spantoll.surfaces.adjusted import ADJUSTMENT_HEADERS, plain_adjustment
from spantoll.surfaces.cli.options import Format
from spantoll.surfaces.cli.output import (
    UNKNOWN,
    format_number,
    write_csv,
    write_json,
    write_notice,
    write_table,
)
from spantoll.surfaces.periods import PERIOD_HEADERS, format_adjusted, format_change, plain_period

__all__ = ["describe_adjusted", "write_adjustments", "write_periods"]

SHOWN = (
    *("booked_at", "period", "cause", "run", "record", "started_at", "model", "customer_id"),
    *("requests", "cost_usd", "revenue_usd"),
)


def write_periods(periods: Sequence[tuple[ClosedPeriod, Adjusted]], *, format: Format) -> None:
    """Write the closed periods with the sums of their adjustments."""
    if not periods and format is Format.table:
        write_notice("No period is closed: `spantoll periods close 2026-10 --tz ZONE` closes one.")
        return
    rows = [plain_period(period, adjusted) for period, adjusted in periods]
    match format:
        case Format.json:
            write_json(rows)
        case Format.csv:
            write_csv(PERIOD_HEADERS, rows)
        case Format.table:
            for row, (_, adjusted) in zip(rows, periods, strict=True):
                row["adjusted_usd"] = format_adjusted(adjusted)
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
            f"Not in these sums: {format_adjusted(booked)} in {booked.entries:,} "
            f"adjustments of closed periods, of all calls, booked in this time; {command}."
        )
    if later.entries:
        yield (
            f"Closed: {format_adjusted(later)} in {later.entries:,} adjustments of calls "
            f"of this time, of all calls, booked later; {command}."
        )


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
