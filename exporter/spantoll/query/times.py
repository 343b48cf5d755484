from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from spantoll.errors import QueryError
from spantoll.query.windows import EPOCH, moment, windows

__all__ = ["ago", "instant"]

FORMS = (
    "2026-11-20",
    "2026-11-20T09:30",
    "2026-11-20T09:30:00+01:00",
    "-7d",
    "now",
    "today",
    "yesterday",
    "this_week",
    "this_month",
    "this_quarter",
    "this_year",
)
SPAN = re.compile(r"(\d{1,6})(min|h|d|w|mo|y)")
EXACT = {"min": timedelta(minutes=1), "h": timedelta(hours=1)}
DAYS = {"d": 1, "w": 7}
MONTHS = {"mo": 1, "y": 12}
LAST_NS = 2**63 - 1
"""The end of what a column of nanoseconds holds, in the year 2262."""


def instant(text: str, *, field: str, tz: ZoneInfo, now_ns: int) -> int:
    """Read a point in time as UTC nanoseconds; dates and bare times are of the zone `tz`."""
    word = text.strip()
    if word == "now":
        return now_ns
    if word in ("today", "yesterday"):
        today = windows("day", start_ns=now_ns, end_ns=now_ns + 1, tz=tz)[0]
        return today.start_ns if word == "today" else ago("1d", tz=tz, now_ns=today.start_ns)
    if word.startswith("this_") and word in FORMS:
        kind = word.removeprefix("this_")
        return windows(kind, start_ns=now_ns, end_ns=now_ns + 1, tz=tz)[0].start_ns
    if word.startswith("-"):
        return ago(word[1:], field=field, tz=tz, now_ns=now_ns)
    try:
        read = datetime.fromisoformat(word)
    except ValueError:
        raise _unreadable(field, text) from None
    return _ns(read if read.tzinfo else read.replace(tzinfo=tz), field)


def ago(span: str, *, field: str = "last", tz: ZoneInfo, now_ns: int) -> int:
    """Go back by 30min, 24h, 7d, 2w, 1mo or 1y; days and longer keep the time on the clock."""
    matched = SPAN.fullmatch(span.strip())
    if matched is None:
        raise _unreadable(field, span, forms=("30min", "24h", "7d", "2w", "1mo", "1y"))
    count, unit = int(matched[1]), matched[2]
    now = moment(now_ns, tz)
    try:
        if unit in EXACT:
            return _ns(now.astimezone(UTC) - count * EXACT[unit], field)
        if unit in DAYS:
            return _ns(now - timedelta(days=count * DAYS[unit]), field)
        return _ns(_months_before(now, count * MONTHS[unit]), field)
    except (OverflowError, ValueError):
        raise QueryError(f"{field}: {span!r} is before 1970", field=field) from None


def _months_before(now: datetime, months: int) -> datetime:
    month = now.year * 12 + now.month - 1 - months
    year, month = divmod(month, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last_day = (following - timedelta(days=1)).day
    return now.replace(year=year, month=month + 1, day=min(now.day, last_day))


def _ns(at: datetime, field: str) -> int:
    ns = (at - EPOCH) // timedelta(microseconds=1) * 1000
    if not 0 <= ns <= LAST_NS:
        raise QueryError(f"{field}: {at.isoformat()} is not between 1970 and 2262", field=field)
    return ns


def _unreadable(field: str, text: str, forms: tuple[str, ...] = FORMS) -> QueryError:
    return QueryError(
        f"{field}: {text!r} is not a time; write {', '.join(forms)}", field=field, allowed=forms
    )
