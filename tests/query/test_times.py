from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from spantoll.errors import QueryError
from spantoll.query.times import parse_time, subtract_period

BERLIN = ZoneInfo("Europe/Berlin")
NOW = "2026-11-20T13:30:00+01:00"


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("today", "2026-11-20T00:00:00+01:00"),
        ("yesterday", "2026-11-19T00:00:00+01:00"),
        ("today-6d", "2026-11-14T00:00:00+01:00"),
        ("today-30d", "2026-10-21T00:00:00+02:00"),
        ("this_week", "2026-11-16T00:00:00+01:00"),
        ("this_month", "2026-11-01T00:00:00+01:00"),
        ("this_week-1w", "2026-11-09T00:00:00+01:00"),
        ("this_month-1mo", "2026-10-01T00:00:00+02:00"),
        ("this_quarter", "2026-10-01T00:00:00+02:00"),
        ("this_year", "2026-01-01T00:00:00+01:00"),
        ("2026-07-01", "2026-07-01T00:00:00+02:00"),
        ("2026-07-01T09:30", "2026-07-01T09:30:00+02:00"),
        ("2026-07-01T09:30:00Z", "2026-07-01T09:30:00+00:00"),
        ("2026-07-01T09:30:00-05:00", "2026-07-01T09:30:00-05:00"),
        ("-24h", "2026-11-19T13:30:00+01:00"),
        (" -7d ", "2026-11-13T13:30:00+01:00"),
    ],
)
def test_a_time_is_read_in_its_zone(text: str, expected: str) -> None:
    assert parse_time(text, field="from", tz=BERLIN, now_ns=ns(NOW)) == ns(expected)


@pytest.mark.parametrize(
    ("span", "now", "expected"),
    [
        pytest.param("30min", NOW, "2026-11-20T13:00:00+01:00", id="minutes"),
        pytest.param(
            "1d", "2026-03-29T12:00:00+02:00", "2026-03-28T12:00:00+01:00", id="a-day-of-23-hours"
        ),
        pytest.param(
            "24h", "2026-03-29T12:00:00+02:00", "2026-03-28T11:00:00+01:00", id="24-hours"
        ),
        pytest.param("2w", NOW, "2026-11-06T13:30:00+01:00", id="weeks"),
        pytest.param("1mo", "2026-03-31T00:00:00+02:00", "2026-02-28T00:00:00+01:00", id="short"),
        pytest.param("14mo", "2026-01-31T00:00:00+01:00", "2024-11-30T00:00:00+01:00", id="years"),
        pytest.param(
            "1mo", "2026-12-15T00:00:00+01:00", "2026-11-15T00:00:00+01:00", id="december"
        ),
        pytest.param("1y", "2024-02-29T00:00:00+01:00", "2023-02-28T00:00:00+01:00", id="leap-day"),
    ],
)
def test_a_span_goes_back_by_the_calendar(span: str, now: str, expected: str) -> None:
    assert subtract_period(span, tz=BERLIN, now_ns=ns(now)) == ns(expected)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-13-01", "-7", "-d", "--7d", "7d", "-999999y", "1969-12-31", "2300-01-01"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="from") as caught:
        parse_time(text, field="from", tz=BERLIN, now_ns=ns(NOW))

    assert caught.value.field == "from"
