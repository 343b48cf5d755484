"""Calendar windows as half-open intervals of UTC nanoseconds.

A window begins at the first instant at which the wall clock of its zone shows the window's first
local time or later. That is defined in every IANA zone: windows follow each other without gap or
overlap where clocks jump, repeat an hour or skip a whole date, so days always sum to their month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from spantoll.errors import QueryError
from spantoll.query.names import find_nearest, make_unknown_name_error

__all__ = [
    "MAX_WINDOWS",
    "WINDOWS",
    "Calendar",
    "Window",
    "WindowRun",
    "find_zone",
    "join_windows",
    "list_windows",
    "to_local_time",
]

SECOND_NS = 1_000_000_000
MAX_WINDOWS = 10_000
"""More windows than this are a mistake, not a report."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_NS = 2**63 - 1
"""The end of what a column of nanoseconds holds, in the year 2262."""


class Window(NamedTuple):
    """From `start_ns` inclusive to `end_ns` exclusive."""

    start_ns: int
    end_ns: int


class WindowRun(NamedTuple):
    """Adjacent windows of one width: all that SQL needs to find the window of an instant."""

    start_ns: int
    end_ns: int
    width_ns: int


class Calendar(NamedTuple):
    """Where weeks, quarters and years begin."""

    week_start: int = 0
    """0 is Monday (ISO 8601), 6 Sunday."""
    fiscal_start: int = 1
    """The month in which the fiscal year begins, from 1."""


ISO = Calendar()


def find_zone(name: str) -> ZoneInfo:
    """Look an IANA zone up; raise QueryError with the nearest name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = sorted(available_timezones())
        guess = find_nearest(name, known)
        hint = f"did you mean {guess!r}?" if guess else "give an IANA name such as 'Europe/Berlin'"
        raise QueryError(f"unknown tz {name!r}: {hint}", field="tz", allowed=known) from None


def to_local_time(ns: int, tz: ZoneInfo) -> datetime:
    """Show an instant on the wall clock of `tz`, to the microsecond."""
    return (EPOCH + timedelta(microseconds=ns // 1000)).astimezone(tz)


def list_windows(
    kind: str, *, start_ns: int, end_ns: int, tz: ZoneInfo, calendar: Calendar = ISO
) -> tuple[Window, ...]:
    """List the windows that cover [start_ns, end_ns), the first and last in full."""
    if kind not in WINDOWS:
        raise make_unknown_name_error(kind, field="window", allowed=WINDOWS)
    if start_ns >= end_ns:
        return ()
    if kind == "total":
        return (Window(start_ns, end_ns),)
    edges: list[int] = []
    for edge in EDGES[kind](start_ns // SECOND_NS, tz, calendar):
        if edges and edges[-1] == edge * SECOND_NS:
            continue  # a date that does not exist there, e.g. 2011-12-30 in Samoa
        edges.append(min(edge * SECOND_NS, LAST_NS))
        if edges[-1] >= min(end_ns, LAST_NS):
            return tuple(Window(*pair) for pair in pairwise(edges))
        if len(edges) > MAX_WINDOWS:
            break
    wider = WINDOWS[WINDOWS.index(kind) + 1 :]
    raise QueryError(
        f"more than {MAX_WINDOWS} windows of one {kind}: ask for a shorter period or "
        f"a wider window ({', '.join(wider)})",
        field="window",
        allowed=wider,
    )


def join_windows(covering: Sequence[Window]) -> tuple[WindowRun, ...]:
    """Join neighbours of equal width: a year of days is five runs where clocks change twice."""
    joined: list[WindowRun] = []
    for start_ns, end_ns in covering:
        width_ns = end_ns - start_ns
        if joined and joined[-1].width_ns == width_ns:
            joined[-1] = joined[-1]._replace(end_ns=end_ns)
        else:
            joined.append(WindowRun(start_ns, end_ns, width_ns))
    return tuple(joined)


def _local(second: int, tz: ZoneInfo) -> datetime:
    return (EPOCH + timedelta(seconds=second)).astimezone(tz)


def _first_instant(day: date, tz: ZoneInfo) -> int:
    """Find the first UTC second at which the clock shows midnight of `day` or later."""
    wall = datetime(day.year, day.month, day.day)  # noqa: DTZ001  compared with wall clocks only
    first, second = (
        int((wall.replace(tzinfo=tz, fold=fold) - EPOCH).total_seconds()) for fold in (0, 1)
    )
    if _local(first, tz).replace(tzinfo=None) == wall:
        return first
    return _bisect(second, first, lambda t: _local(t, tz).replace(tzinfo=None) >= wall)


def _bisect(low: int, high: int, reached: Callable[[int], bool]) -> int:
    """Find the first second in (low, high] that satisfies `reached`; `high` does."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _change(low: int, high: int, tz: ZoneInfo) -> int | None:
    """Find where the offset of `tz` changes within the hour (low, high], if it does."""
    before = _local(low, tz).utcoffset()
    if _local(high, tz).utcoffset() == before:
        return None
    return _bisect(low, high, lambda second: _local(second, tz).utcoffset() != before)


def _split_clock(width_s: int) -> Edges:
    """Cut the clock of a zone every `width_s` seconds, a minute or an hour, and where it jumps."""

    def edges(second: int, tz: ZoneInfo, calendar: Calendar) -> Iterator[int]:
        edge = second - _seconds_into(second, tz) % width_s
        edge = _change(edge, second, tz) or edge
        while True:
            yield edge
            following = edge + width_s - _seconds_into(edge, tz) % width_s
            edge = _change(edge, following, tz) or following

    return edges


def _seconds_into(second: int, tz: ZoneInfo) -> int:
    local = _local(second, tz)
    return local.minute * 60 + local.second


def _split_dates(floor: Callable[[date, Calendar], date], step: Callable[[date], date]) -> Edges:
    def edges(second: int, tz: ZoneInfo, calendar: Calendar) -> Iterator[int]:
        day = floor(_local(second, tz).date(), calendar)
        edge, following = _first_instant(day, tz), _first_instant(step(day), tz)
        while following <= second:  # the clock went back over midnight: the new date has begun
            day = step(day)
            edge, following = following, _first_instant(step(day), tz)
        yield edge
        while True:
            day = step(day)
            yield _first_instant(day, tz)

    return edges


def _add_months(day: date, months: int) -> date:
    month = day.month - 1 + months
    return date(day.year + month // 12, month % 12 + 1, 1)


def _begin_week(day: date, calendar: Calendar) -> date:
    return day - timedelta(days=(day.weekday() - calendar.week_start) % 7)


def _begin_months(months: int) -> Callable[[date, Calendar], date]:
    """Begin a span of so many months, counted from the first month of the fiscal year."""
    return lambda day, calendar: _add_months(day, -((day.month - calendar.fiscal_start) % months))


Edges = Callable[[int, ZoneInfo, Calendar], Iterator[int]]
EDGES: dict[str, Edges] = {
    "minute": _split_clock(60),
    "hour": _split_clock(3600),
    "day": _split_dates(lambda day, calendar: day, lambda day: day + timedelta(days=1)),
    "week": _split_dates(_begin_week, lambda day: day + timedelta(days=7)),
    "month": _split_dates(_begin_months(1), lambda day: _add_months(day, 1)),
    "quarter": _split_dates(_begin_months(3), lambda day: _add_months(day, 3)),
    "year": _split_dates(_begin_months(12), lambda day: _add_months(day, 12)),
}
WINDOWS = (*EDGES, "total")
