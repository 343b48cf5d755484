from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.errors import QueryError
from spantoll.query.windows import (
    WINDOWS,
    Calendar,
    find_zone,
    join_windows,
    list_windows,
    to_local_time,
)

HOUR_NS = 3600 * 10**9
ZONES = sorted(available_timezones())
YEAR_2100_NS = 4_102_444_800 * 10**9

zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.integers(min_value=0, max_value=YEAR_2100_NS)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def hours_of(kind: str, start: str, end: str, tz: str) -> list[float]:
    found = list_windows(kind, start_ns=ns(start), end_ns=ns(end), tz=ZoneInfo(tz))
    return [(w.end_ns - w.start_ns) / HOUR_NS for w in found]


@pytest.mark.parametrize(
    ("tz", "start", "end", "expected"),
    [
        pytest.param(
            "Europe/Berlin",
            "2026-03-28T00:00+01:00",
            "2026-03-31T00:00+02:00",
            [24, 23, 24],
            id="spring-forward",
        ),
        pytest.param(
            "America/New_York",
            "2026-10-31T00:00-04:00",
            "2026-11-03T00:00-05:00",
            [24, 25, 24],
            id="fall-back",
        ),
        pytest.param(
            "Australia/Lord_Howe",
            "2026-04-05T00:00+11:00",
            "2026-04-06T00:00+10:30",
            [24.5],
            id="half-hour-change",
        ),
        pytest.param(
            "Asia/Kathmandu",
            "2026-11-20T00:00+05:45",
            "2026-11-21T00:00+05:45",
            [24],
            id="quarter-hour-zone",
        ),
        pytest.param(
            "Pacific/Apia",
            "2011-12-29T00:00-10:00",
            "2012-01-01T00:00+14:00",
            [24, 24],
            id="a-date-that-never-was",
        ),
        pytest.param(
            "Asia/Beirut",
            "2022-03-27T01:00+03:00",
            "2022-03-28T00:00+03:00",
            [23],
            id="no-midnight",
        ),
        pytest.param(
            "America/St_Johns",
            "2009-10-31T00:00-02:30",
            "2009-11-02T00:00-03:30",
            [24, 25],
            id="midnight-twice",
        ),
    ],
)
def test_days_are_as_long_as_the_clock_says(
    tz: str, start: str, end: str, expected: list[float]
) -> None:
    assert hours_of("day", start, end, tz) == expected


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        ("hour", "2026-11-20T10:00+01:00", "2026-11-20T11:00+01:00"),
        ("day", "2026-11-20T00:00+01:00", "2026-11-21T00:00+01:00"),
        ("week", "2026-11-16T00:00+01:00", "2026-11-23T00:00+01:00"),
        ("month", "2026-11-01T00:00+01:00", "2026-12-01T00:00+01:00"),
        ("quarter", "2026-10-01T00:00+02:00", "2027-01-01T00:00+01:00"),
        ("year", "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
    ],
)
def test_a_window_is_the_calendar_unit_around_an_instant(kind: str, start: str, end: str) -> None:
    at = ns("2026-11-20T10:30+01:00")

    (window,) = list_windows(kind, start_ns=at, end_ns=at + 1, tz=ZoneInfo("Europe/Berlin"))

    assert window == (ns(start), ns(end))


def test_the_repeated_hour_is_two_windows() -> None:
    found = list_windows(
        "hour",
        start_ns=ns("2026-10-25T01:00+02:00"),
        end_ns=ns("2026-10-25T04:00+01:00"),
        tz=ZoneInfo("Europe/Berlin"),
    )

    starts = [to_local_time(w.start_ns, ZoneInfo("Europe/Berlin")).isoformat()[11:] for w in found]
    assert starts == [
        "01:00:00+02:00",
        "02:00:00+02:00",
        "02:00:00+01:00",
        "03:00:00+01:00",
    ]


def test_a_date_begins_once_where_midnight_comes_twice() -> None:
    tz = ZoneInfo("America/St_Johns")
    midnight = ns("2009-11-01T00:00-02:30")
    at = ns("2009-10-31T23:30-03:30")  # half an hour after, by a clock set back at 00:01

    (window,) = list_windows("day", start_ns=at, end_ns=at + 1, tz=tz)

    assert window.start_ns == midnight


def test_the_total_is_one_window() -> None:
    assert list_windows("total", start_ns=3, end_ns=9, tz=ZoneInfo("UTC")) == ((3, 9),)


@given(
    tz=zones,
    kind=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    start=instants,
    days=st.integers(min_value=0, max_value=400),
)
def test_windows_tile_time_in_every_zone(tz: ZoneInfo, kind: str, start: int, days: int) -> None:
    end = start + days * 24 * HOUR_NS + 1

    found = list_windows(kind, start_ns=start, end_ns=end, tz=tz)

    assert found[0].start_ns <= start < found[0].end_ns
    assert found[-1].start_ns < end <= found[-1].end_ns
    assert all(a.end_ns == b.start_ns for a, b in pairwise(found))
    assert all(w.start_ns < w.end_ns for w in found)


@given(tz=zones, start=instants, hours=st.integers(min_value=1, max_value=60))
def test_hours_tile_time_and_begin_on_the_hour_or_at_a_change(
    tz: ZoneInfo, start: int, hours: int
) -> None:
    found = list_windows("hour", start_ns=start, end_ns=start + hours * HOUR_NS, tz=tz)

    assert found[0].start_ns <= start < found[0].end_ns
    assert all(a.end_ns == b.start_ns for a, b in pairwise(found))
    assert all(0 < w.end_ns - w.start_ns <= HOUR_NS for w in found)
    for window in found:
        before, at = (to_local_time(window.start_ns - d, tz) for d in (10**9, 0))
        assert (at.minute, at.second) == (0, 0) or before.utcoffset() != at.utcoffset()


@given(tz=zones, year=st.integers(min_value=1971, max_value=2099), month=st.integers(1, 12))
def test_days_of_a_month_begin_and_end_with_the_month(tz: ZoneInfo, year: int, month: int) -> None:
    middle = int(datetime(year, month, 15, tzinfo=UTC).timestamp()) * 10**9
    (whole,) = list_windows("month", start_ns=middle, end_ns=middle + 1, tz=tz)

    days = list_windows("day", start_ns=whole.start_ns, end_ns=whole.end_ns, tz=tz)

    assert (days[0].start_ns, days[-1].end_ns) == whole
    assert 27 <= len(days) <= 31


@given(tz=zones, start=instants, days=st.integers(1, 800), offset=st.integers(min_value=0))
def test_a_run_finds_the_window_of_any_instant(
    tz: ZoneInfo, start: int, days: int, offset: int
) -> None:
    end = start + days * 24 * HOUR_NS
    found = list_windows("day", start_ns=start, end_ns=end, tz=tz)
    at = start + offset % (end - start)

    (run,) = [r for r in join_windows(found) if r.start_ns <= at < r.end_ns]

    window_start = at - (at - run.start_ns) % run.width_ns
    assert next(w for w in found if w.start_ns <= at < w.end_ns).start_ns == window_start


def test_a_year_of_days_is_five_runs_where_clocks_change_twice() -> None:
    tz = ZoneInfo("Europe/Berlin")
    start, end = ns("2026-01-01T00:00+01:00"), ns("2027-01-01T00:00+01:00")

    assert len(join_windows(list_windows("day", start_ns=start, end_ns=end, tz=tz))) == 5


def test_an_empty_period_has_no_windows() -> None:
    for kind in WINDOWS:
        assert list_windows(kind, start_ns=5, end_ns=5, tz=ZoneInfo("UTC")) == ()


def test_an_unknown_zone_names_the_nearest() -> None:
    with pytest.raises(QueryError, match="did you mean 'Europe/Berlin'") as caught:
        find_zone("europe/berlim")

    assert caught.value.field == "tz"


@pytest.mark.parametrize("name", ["", "../etc/passwd", "/etc/passwd", "Europe", "a\0b", "x" * 300])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(QueryError):
        find_zone(name)


def test_an_unknown_window_names_what_there_is() -> None:
    with pytest.raises(QueryError, match="did you mean 'month'") as caught:
        list_windows("monht", start_ns=0, end_ns=1, tz=ZoneInfo("UTC"))

    assert caught.value.allowed == WINDOWS


def test_too_many_windows_name_the_wider_ones() -> None:
    with pytest.raises(QueryError, match="wider window") as caught:
        list_windows("hour", start_ns=0, end_ns=YEAR_2100_NS, tz=ZoneInfo("UTC"))

    assert caught.value.allowed[0] == "day"


def test_a_day_after_the_day_before_new_year_is_new_year() -> None:
    tz = ZoneInfo("Asia/Tokyo")
    found = list_windows(
        "day", start_ns=ns("2026-12-31T12:00+09:00"), end_ns=ns("2027-01-01T12:00+09:00"), tz=tz
    )

    assert [to_local_time(w.start_ns, tz).date() for w in found] == [
        date(2026, 12, 31),
        date(2026, 12, 31) + timedelta(days=1),
    ]


@pytest.mark.parametrize(
    ("kind", "calendar", "expected"),
    [
        pytest.param("week", Calendar(), "2026-11-16", id="week-from-monday"),
        pytest.param("week", Calendar(week_start=6), "2026-11-15", id="week-from-sunday"),
        pytest.param("week", Calendar(week_start=4), "2026-11-20", id="week-from-friday"),
        pytest.param("quarter", Calendar(), "2026-10-01", id="quarter"),
        pytest.param("quarter", Calendar(fiscal_start=2), "2026-11-01", id="quarter-from-february"),
        pytest.param(
            "quarter", Calendar(fiscal_start=12), "2026-09-01", id="quarter-from-december"
        ),
        pytest.param("year", Calendar(fiscal_start=4), "2026-04-01", id="year-from-april"),
        pytest.param("year", Calendar(fiscal_start=12), "2025-12-01", id="year-from-december"),
    ],
)
def test_weeks_quarters_and_years_begin_where_the_calendar_says(
    kind: str, calendar: Calendar, expected: str
) -> None:
    day = ns("2026-11-20T00:00+01:00")

    (found,) = list_windows(
        kind, start_ns=day, end_ns=day + 1, tz=ZoneInfo("Europe/Berlin"), calendar=calendar
    )

    assert f"{to_local_time(found.start_ns, ZoneInfo('Europe/Berlin')):%Y-%m-%d}" == expected
