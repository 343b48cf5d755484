from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

__all__ = ["DAY_NS", "MINUTE_NS", "Timeline", "instant_ns", "tabulate"]

MINUTE_NS = 60 * 1_000_000_000
DAY_NS = 24 * 60 * MINUTE_NS
_BEGINNING_NS = -(2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
U = TypeVar("U")


def instant_ns(text: str) -> int:
    """Read an ISO date or date-time, UTC unless it says otherwise, as epoch nanoseconds."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


class Timeline(NamedTuple, Generic[T]):
    """A value for every moment: it changes at fixed instants and at fixed minutes of the UTC day.

    `values[i][j]` holds from `starts_ns[i]` on, in the part of the day from `minutes[j]` on.
    """

    starts_ns: tuple[int, ...]
    minutes: tuple[int, ...]
    values: tuple[tuple[T, ...], ...]

    def at(self, time_ns: int) -> T:
        """Return what holds at `time_ns`; a start is inclusive, an end exclusive."""
        return self.on(time_ns, time_ns % DAY_NS // MINUTE_NS)

    def on(self, time_ns: int, minute: int) -> T:
        """Return what holds in the period of `time_ns`, at this minute of the day."""
        parts = self.values[bisect_right(self.starts_ns, time_ns) - 1]
        return parts[bisect_right(self.minutes, minute) - 1]

    def map(self, change: Callable[[T], U]) -> Timeline[U]:
        """Apply `change` to every value, once each."""
        values = tuple(tuple(change(value) for value in parts) for parts in self.values)
        return Timeline(self.starts_ns, self.minutes, values)


def tabulate(
    on: Callable[[int, int], T], *, starts_ns: Iterable[int] = (), minutes: Iterable[int] = ()
) -> Timeline[T]:
    """Tabulate `on(time_ns, minute)`, which changes only at `starts_ns` and at `minutes`."""
    starts = (_BEGINNING_NS, *sorted(set(starts_ns) - {_BEGINNING_NS}))
    marks = (0, *sorted(set(minutes) - {0}))
    return Timeline(starts, marks, tuple(tuple(on(s, m) for m in marks) for s in starts))
