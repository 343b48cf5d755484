"""Working-day calendars that prices depend on (DeepSeek bills peak hours on working days only).

Input: UTC nanoseconds. Output: whether that UTC day is a rest day. Peak hours lie within one UTC
day, 01:00-10:00, which is the same date in Beijing; no other zone is needed yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType

__all__ = ["CALENDARS", "is_rest_day"]

_DAY_NS = 86_400 * 1_000_000_000
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday."""


def _days(first: str, last: str) -> set[int]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    epoch = date(1970, 1, 1)
    return {(start + timedelta(n) - epoch).days for n in range((end - start).days + 1)}


CALENDARS: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        # Public holidays of China as the State Council announces them each November; weekends
        # worked in exchange stay weekends for DeepSeek ("Monday to Friday, excluding holidays").
        "cn_workdays": frozenset(
            _days("2026-01-01", "2026-01-03")
            | _days("2026-02-15", "2026-02-23")
            | _days("2026-04-04", "2026-04-06")
            | _days("2026-05-01", "2026-05-05")
            | _days("2026-06-19", "2026-06-21")
            | _days("2026-09-25", "2026-09-27")
            | _days("2026-10-01", "2026-10-07")
        )
    }
)
"""Calendar to its holidays, as days since 1970-01-01. Saturdays and Sundays rest in each."""


def is_rest_day(calendar: str, time_ns: int) -> bool:
    """Return True if the UTC day of `time_ns` is a weekend or holiday. Raises KeyError."""
    return _is_rest_day(calendar, time_ns // _DAY_NS)


@lru_cache(maxsize=512)
def _is_rest_day(calendar: str, day: int) -> bool:
    return (day + _EPOCH_WEEKDAY) % 7 >= 5 or day in CALENDARS[calendar]
