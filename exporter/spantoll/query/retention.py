"""What an answer says of a period whose records are deleted, and where such a period begins.

Input: the mark of retention and the plans of a query. Output: notes of an answer, and the bounds of
what the roll-ups still have of the time before the mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, func, select

from spantoll.query.plan import Plan, Span
from spantoll.query.windows import Window, find_zone, to_local_time
from spantoll.storage.retention import is_whole, read_deleted_before
from spantoll.storage.roll_ups import ROLL_UPS

__all__ = ["answer_whole", "describe_deleted", "drop_missing_windows", "read_deleted_bounds"]

_T = TypeVar("_T")


def answer_whole(connection: Connection, answer: Callable[[int], _T]) -> _T:
    """Return what `answer` reads of a ledger with the mark that it is given.

    Where a database shows no snapshot, records may be deleted meanwhile: then it is read again.
    """
    while True:
        deleted_before_ns = read_deleted_before(connection)
        found = answer(deleted_before_ns)
        if is_whole(connection, deleted_before_ns):
            return found


def describe_deleted(
    period: Span, plans: Iterable[Plan], deleted_before_ns: int, *, tz: str
) -> list[str]:
    """Describe what of a period is deleted; nothing where the period begins after the mark."""
    if (period.start_ns or 0) >= deleted_before_ns:
        return []
    zone = find_zone(tz)

    def show(time_ns: int) -> str:
        return f"{to_local_time(time_ns, zone):%Y-%m-%d %H:%M}"

    note = f"Records before {show(deleted_before_ns)} ({tz}) are deleted"
    spans = [span for plan in plans for span in plan.missing]
    if not spans:
        return [f"{note}: what is earlier comes from roll-ups, and is exact."]
    start_ns = min(span.start_ns or 0 for span in spans)
    end_ns = max(span.end_ns or deleted_before_ns for span in spans)
    start = f"from {show(start_ns)} to" if start_ns else "before"
    return [f"{note}, and no roll-up answers this: calls {start} {show(end_ns)} are missing."]


def drop_missing_windows(windows: Sequence[Window], missing: Sequence[Span]) -> list[Window]:
    """Leave out the windows of which nothing is known, which are not windows without calls."""
    return [
        window
        for window in windows
        if not any(
            (span.start_ns or 0) <= window.start_ns and window.end_ns <= (span.end_ns or 0)
            for span in missing
        )
    ]


def read_deleted_bounds(connection: Connection, deleted_before_ns: int) -> Span | None:
    """Read when the first and last bucket before the mark begin and end; None without one."""
    if not deleted_before_ns:
        return None
    t = ROLL_UPS[0].table.c
    bounds = select(func.min(t.bucket_ns), func.max(t.bucket_ns) + ROLL_UPS[0].width_ns)
    first, end = connection.execute(bounds.where(t.bucket_ns < deleted_before_ns)).one()
    return None if first is None else Span(first, end)
