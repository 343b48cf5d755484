"""What every surface says of a customer's statement: its period, and what its total leaves out.

Input: a period as text, or a `Statement`. Output: the bounds of its months in UTC nanoseconds, and
sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from spantoll.customers.statement import Statement
from spantoll.errors import QueryError
from spantoll.query import parse_period
from spantoll.query.times import parse_time
from spantoll.query.windows import find_zone, list_windows, to_local_time
from spantoll.storage.customers_statement import Part
from spantoll.surfaces.cli.periods_report import parse_period_name

__all__ = ["list_doubts", "read_month", "read_period"]


def read_month(month: str, zone: str, *, now_ns: int) -> tuple[int, int]:
    """Read `2026-10` as its first and its following instant in a zone. Raises QueryError."""
    if not re.fullmatch(r"\d{4}-\d{2}", month):
        raise QueryError(f"month {month!r}: write a month such as 2026-10", field="month")
    tz = find_zone(zone)
    start_ns = parse_time(f"{month}-01", field="month", tz=tz, now_ns=now_ns)
    (window,) = list_windows("month", start_ns=start_ns, end_ns=start_ns + 1, tz=tz)
    return window.start_ns, window.end_ns


def read_period(
    period: str | None, start: str | None, end: str | None, zone: str, *, now_ns: int
) -> tuple[str, Sequence[Part]]:
    """Read `2026-Q4`, or two times, as a name and calendar months, or as one part of time.

    Raises QueryError.
    """
    tz = find_zone(zone)
    if period is not None and start is None and end is None:
        name, (start_ns, end_ns) = period, parse_period_name(period, tz=zone)
    elif period is None and start is not None and end is not None:
        first, last = parse_period(start=start, end=end, last=None, tz=zone, now_ns=now_ns)
        name, start_ns, end_ns = f"{start} to {end}", first or 0, last or 0
    else:
        raise QueryError(
            "give --month 2026-10, --period 2026-Q4, or both --from and --to", field="period"
        )
    months = list_windows("month", start_ns=start_ns, end_ns=end_ns, tz=tz)
    if not months or (months[0].start_ns, months[-1].end_ns) != (start_ns, end_ns):
        return name, [Part(name, start_ns, end_ns, is_month=False)]
    return name, [
        Part(f"{to_local_time(month.start_ns, tz):%Y-%m}", month.start_ns, month.end_ns)
        for month in months
    ]


def list_doubts(statement: Statement) -> Iterator[str]:
    """Say what the total leaves out or may change."""
    for reason, calls in statement.unknown.items():
        yield f"{_count(calls)} not charged: {reason}."
    if calls := statement.doubtful_requests:
        yield f"{_count(calls)} charged by a cost that is estimated or known only in part."
    if calls := statement.unlisted_requests:
        yield f"{_count(calls)} not split by unit: no included quantity was taken off."
    if calls := statement.outdated_requests:
        yield (
            f"{_count(calls)} charged otherwise than by today's customer prices: "
            "`spantoll reprice`."
        )


def _count(calls: int) -> str:
    return f"{calls:,} call{'s' * (calls != 1)}"
