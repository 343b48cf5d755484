"""Shorten a period to one whose records can be read while somebody waits.

Input: a period. Output: the same, or its last week, day or hour: the longest one of at most so
many records. For pages that show counts which no roll-up has, and say of which time they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, func, select

from spantoll.query.conditions import restrict_period
from spantoll.query.run import reading
from spantoll.records.columns import usage_record

__all__ = ["MOST_READ", "find_recent_start"]

HOUR_NS = 3_600 * 10**9
SHORTENED: Final[Mapping[str, int]] = {
    "7 days": 168 * HOUR_NS,
    "24 hours": 24 * HOUR_NS,
    "hour": HOUR_NS,
}
"""What is left of a long period, in nanoseconds, the longest first."""
MOST_READ = 100_000
"""Records that SQLite reads and groups in about 0.3 s (`benchmarks/pages.py`)."""


def find_recent_start(
    engine: Engine, start_ns: int | None, end_ns: int, *, most: int
) -> tuple[int | None, str]:
    """Return where a period begins that is read, and its name; the same, and "", for a short one.

    Filters make no difference: what is left out is read as well. Raises StoreUnavailable.
    """
    with reading(engine) as connection:
        if _count_up_to(connection, start_ns, end_ns, most + 1) <= most:
            return start_ns, ""
        *longer, shortest = [
            (max(end_ns - length_ns, start_ns or 0), name) for name, length_ns in SHORTENED.items()
        ]
        for recent_ns, name in longer:
            if _count_up_to(connection, recent_ns, end_ns, most + 1) <= most:
                return recent_ns, name
        return shortest


def _count_up_to(connection: Connection, start_ns: int | None, end_ns: int, most: int) -> int:
    """Count records from the index of their times, and no more of them than `most`."""
    period = restrict_period((), start_ns=start_ns, end_ns=end_ns, uncounted=True)
    some = select(usage_record.c.started_ns).where(*period).limit(most).subquery()
    return int(connection.scalar(select(func.count()).select_from(some)) or 0)
