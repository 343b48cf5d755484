"""A value over time: it changes at fixed instants, at fixed minutes of the day, and on rest days.

Input: a function of (time, minute, rest day) and where it changes. Output: a table that answers for
any time by two binary searches. Times are UTC nanoseconds since the epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

from spantoll.pricing.calendars import is_rest_day

__all__ = ["DAY_NS", "MINUTE_NS", "Timeline", "instant_ns", "tabulate"]

MINUTE_NS = 60 * 1_000_000_000
DAY_NS = 24 * 60 * MINUTE_NS
_BEGINNING_NS = -(2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
U = TypeVar("U")
Values = tuple[tuple[T, ...], ...]


def instant_ns(text: str) -> int:
    """Read an ISO date or date-time, UTC unless it says otherwise, as epoch nanoseconds."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


class Timeline(NamedTuple, Generic[T]):
    """A value for every time.

    `values[i][j]` holds from `starts_ns[i]` on, in the part of the day from `minutes[j]` on; on a
    rest day of `calendar` it is `rest_values[i][j]`.
    """

    starts_ns: tuple[int, ...]
    minutes: tuple[int, ...]
    values: Values[T]
    calendar: str = ""
    rest_values: Values[T] = ()

    def value_at(self, time_ns: int) -> T:
        """Return what holds at `time_ns`; a start is inclusive, an end exclusive."""
        resting = bool(self.calendar) and is_rest_day(self.calendar, time_ns)
        return self.value_on(time_ns, time_ns % DAY_NS // MINUTE_NS, resting)

    def value_on(self, time_ns: int, minute: int, is_rest_day: bool = False) -> T:
        """Return what holds in the period of `time_ns`, at this minute of a day of this kind."""
        values = self.rest_values if is_rest_day and self.calendar else self.values
        parts = values[bisect_right(self.starts_ns, time_ns) - 1]
        return parts[bisect_right(self.minutes, minute) - 1]

    def map(self, change: Callable[[T], U]) -> Timeline[U]:
        """Apply `change` to every value, once each."""

        def changed(values: Values[T]) -> Values[U]:
            return tuple(tuple(change(value) for value in parts) for parts in values)

        return Timeline(
            self.starts_ns,
            self.minutes,
            changed(self.values),
            self.calendar,
            changed(self.rest_values),
        )

    @property
    def is_constant(self) -> bool:
        """Whether one value holds always."""
        return len(self.starts_ns) == len(self.minutes) == 1 and not self.calendar


def tabulate(
    on: Callable[[int, int, bool], T],
    *,
    starts_ns: Iterable[int] = (),
    minutes: Iterable[int] = (),
    calendar: str = "",
) -> Timeline[T]:
    """Tabulate `on(time_ns, minute, is_rest_day)`, which changes only where the others say."""
    starts = (_BEGINNING_NS, *sorted(set(starts_ns) - {_BEGINNING_NS}))
    marks = (0, *sorted(set(minutes) - {0}))

    def table(*, is_rest_day: bool) -> Values[T]:
        return tuple(tuple(on(start, mark, is_rest_day) for mark in marks) for start in starts)

    rest = table(is_rest_day=True) if calendar else ()
    return Timeline(starts, marks, table(is_rest_day=False), calendar, rest)
