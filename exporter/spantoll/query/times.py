"""Points in time and periods as people write them.

Input: dates, RFC 3339, `-7d`, `today`, `today-6d` and the like, in an IANA zone. Output: UTC
nanoseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from spantoll.errors import QueryError
from spantoll.query.windows import EPOCH, LAST_NS, list_windows, to_local_time

__all__ = ["parse_time", "subtract_period"]

FORMS = (
    "2026-11-20",
    "2026-11-20T09:30",
    "2026-11-20T09:30:00+01:00",
    "-7d",
    "now",
    "today",
    "yesterday",
    "today-6d",
    "this_week",
    "this_month",
    "this_month-1mo",
    "this_quarter",
    "this_year",
)
STARTS = {
    "today": "day",
    "this_week": "week",
    "this_month": "month",
    "this_quarter": "quarter",
    "this_year": "year",
}
"""Names of the window that holds the present; a period may be subtracted from its beginning."""
PERIOD = re.compile(r"(\d{1,6})(min|h|d|w|mo|y)")
EXACT = {"min": timedelta(minutes=1), "h": timedelta(hours=1)}
DAYS = {"d": 1, "w": 7}
MONTHS = {"mo": 1, "y": 12}


def parse_time(text: str, *, field: str, tz: ZoneInfo, now_ns: int) -> int:
    """Read a point in time as UTC nanoseconds; dates and bare times are of the zone `tz`."""
    form = text.strip()
    if form == "now":
        return now_ns
    if form == "yesterday":
        form = "today-1d"
    named, minus, period = form.partition("-")
    if named in STARTS:
        window = list_windows(STARTS[named], start_ns=now_ns, end_ns=now_ns + 1, tz=tz)[0]
        if not minus:
            return window.start_ns
        return subtract_period(period, field=field, tz=tz, now_ns=window.start_ns)
    if form.startswith("-"):
        return subtract_period(form[1:], field=field, tz=tz, now_ns=now_ns)
    try:
        read = datetime.fromisoformat(form)
    except ValueError:
        raise _make_error(field, text) from None
    return _to_ns(read if read.tzinfo else read.replace(tzinfo=tz), field)


def subtract_period(period: str, *, field: str = "last", tz: ZoneInfo, now_ns: int) -> int:
    """Go back by 30min, 24h, 7d, 2w, 1mo or 1y; days and longer keep the time on the clock."""
    matched = PERIOD.fullmatch(period.strip())
    if matched is None:
        raise _make_error(field, period, forms=("30min", "24h", "7d", "2w", "1mo", "1y"))
    count, unit = int(matched[1]), matched[2]
    now = to_local_time(now_ns, tz)
    try:
        if unit in EXACT:
            return _to_ns(now.astimezone(UTC) - count * EXACT[unit], field)
        if unit in DAYS:
            return _to_ns(now - timedelta(days=count * DAYS[unit]), field)
        return _to_ns(_subtract_months(now, count * MONTHS[unit]), field)
    except (OverflowError, ValueError):
        raise QueryError(f"{field}: {period!r} is before 1970", field=field) from None


def _subtract_months(now: datetime, months: int) -> datetime:
    month = now.year * 12 + now.month - 1 - months
    year, month = divmod(month, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last_day = (following - timedelta(days=1)).day
    return now.replace(year=year, month=month + 1, day=min(now.day, last_day))


def _to_ns(time: datetime, field: str) -> int:
    ns = (time - EPOCH) // timedelta(microseconds=1) * 1000
    if not 0 <= ns <= LAST_NS:
        raise QueryError(f"{field}: {time.isoformat()} is not between 1970 and 2262", field=field)
    return ns


def _make_error(field: str, text: str, forms: tuple[str, ...] = FORMS) -> QueryError:
    return QueryError(
        f"{field}: {text!r} is not a time; write {', '.join(forms)}", field=field, allowed=forms
    )
