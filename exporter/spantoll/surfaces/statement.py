"""What every surface says of a customer's statement: its month, and what its total leaves out.

Input: a month as text, or a `Statement`. Output: the bounds of the month in UTC nanoseconds, and
sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spantoll.customers.statement import Statement
from spantoll.errors import QueryError
from spantoll.query.times import parse_time
from spantoll.query.windows import find_zone, list_windows

__all__ = ["list_doubts", "read_month"]


def read_month(month: str, zone: str, *, now_ns: int) -> tuple[int, int]:
    """Read `2026-10` as its first and its following instant in a zone. Raises QueryError."""
    if not re.fullmatch(r"\d{4}-\d{2}", month):
        raise QueryError(f"month {month!r}: write a month such as 2026-10", field="month")
    tz = find_zone(zone)
    start_ns = parse_time(f"{month}-01", field="month", tz=tz, now_ns=now_ns)
    (window,) = list_windows("month", start_ns=start_ns, end_ns=start_ns + 1, tz=tz)
    return window.start_ns, window.end_ns


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
