"""Names of periods, and closed periods as plain values.

Input: `2026-10`, `2026-Q4` or `2026`, or `ClosedPeriod`s. Output: the time of a period in a zone,
and one dictionary for each closed period, as JSON and CSV carry it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query import to_usd
from spantoll.query.times import parse_time
from spantoll.query.windows import Window, find_zone, list_windows, to_local_time
from spantoll.storage.adjustments import Adjusted, sum_adjustments
from spantoll.storage.periods import ClosedPeriod, list_periods
from spantoll.surfaces.adjusted import plain_change
from spantoll.surfaces.cells import UNKNOWN, format_dollars

__all__ = [
    "PERIOD_HEADERS",
    "find_closed_period",
    "format_adjusted",
    "format_adjusted_revenue",
    "format_change",
    "list_adjusted_periods",
    "parse_period_name",
    "plain_period",
]

NAME = re.compile(r"(?P<year>\d{4})(?:-(?P<month>0[1-9]|1[0-2])|-Q(?P<quarter>[1-4]))?")
PERIOD_HEADERS = (
    *("period", "tz", "starts_at", "ends_at", "closed_at", "closed_by"),
    *("adjustments", "unknown_adjustments", "adjusted_usd"),
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


def find_closed_period(periods: Sequence[ClosedPeriod], name: str) -> ClosedPeriod:
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


def list_adjusted_periods(engine: Engine) -> list[tuple[ClosedPeriod, Adjusted]]:
    """List the closed periods, oldest first, with the sum of what was adjusted of their calls."""
    return [
        (
            period,
            sum_adjustments(engine, started_from_ns=period.start_ns, started_to_ns=period.end_ns),
        )
        for period in list_periods(engine)
    ]


def plain_period(period: ClosedPeriod, adjusted: Adjusted) -> dict[str, Any]:
    """Show a closed period, in its zone, with the sum of its adjustments."""
    zone = find_zone(period.tz)
    return {
        "period": period.name,
        "tz": period.tz,
        "starts_at": to_local_time(period.start_ns, zone).isoformat(),
        "ends_at": to_local_time(period.end_ns, zone).isoformat(),
        "closed_at": to_local_time(period.closed_ns, zone).isoformat(timespec="seconds"),
        "closed_by": period.closed_by,
        "adjustments": adjusted.entries,
        "unknown_adjustments": adjusted.unknown,
        "adjusted_usd": plain_change(adjusted.known_cost_nano),
    }


def format_adjusted(adjusted: Adjusted) -> str:
    """Format the cost of adjustments: `+$2.50+` leaves entries out whose cost is not known."""
    return _mark_partial(adjusted.known_cost_nano, adjusted.unknown)


def format_adjusted_revenue(adjusted: Adjusted) -> str:
    """Format the revenue of adjustments, marked as their cost is."""
    return _mark_partial(adjusted.known_revenue_nano, adjusted.unknown_revenue)


def _mark_partial(nano: int | None, unknown: int) -> str:
    text = format_change(nano)
    return f"{text}+" if unknown and nano is not None else text


def format_change(nano: int | None) -> str:
    """Format a change of a sum of money, with its sign."""
    if nano is None:
        return UNKNOWN
    return f"{'-' if nano < 0 else '+'}{format_dollars(to_usd(abs(nano)))}"
