"""Values over time: dates, minutes of the day and rest days."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.pricing.calendars import CALENDARS, is_rest_day
from spantoll.pricing.selector import Selector
from spantoll.pricing.timeline import DAY_NS, MINUTE_NS, instant_ns, tabulate

NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
CLOCK = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02}:{t[1]:02}")
SELECTORS = st.builds(
    Selector,
    batch=st.booleans(),
    service_tier=st.just("") | NAMES,
    speed=st.just("") | NAMES,
    min_input_tokens=st.integers(0, 10**7),
    utc=st.just("") | st.tuples(CLOCK, CLOCK).map("-".join),
    place=st.just("") | NAMES,
    deployment=st.just("") | NAMES,
    thinking=st.sampled_from(["", "on", "off"]),
    days=st.sampled_from(["", *CALENDARS]),
)


@given(selector=SELECTORS)
def test_a_selector_is_read_back_from_its_text(selector: Selector) -> None:
    assert Selector.parse(str(selector)) == selector


@given(
    starts=st.lists(st.integers(-(10**18), 10**19), max_size=4),
    minutes=st.lists(st.integers(0, 1439), max_size=4),
    time_ns=st.integers(-(10**18), 10**19),
)
def test_a_timeline_answers_what_it_was_tabulated_from(
    starts: list[int], minutes: list[int], time_ns: int
) -> None:
    def on(moment_ns: int, minute: int, is_rest: bool) -> tuple[int, int, bool]:
        return (
            sum(start <= moment_ns for start in set(starts)),
            sum(mark <= minute for mark in set(minutes)),
            is_rest,
        )

    table = tabulate(on, starts_ns=starts, minutes=minutes, calendar="cn_workdays")

    is_rest = is_rest_day("cn_workdays", time_ns)
    assert table.value_at(time_ns) == on(time_ns, time_ns % DAY_NS // MINUTE_NS, is_rest)
    assert table.map(str).value_at(time_ns) == str(table.value_at(time_ns))


def test_an_instant_is_utc_unless_it_says_otherwise() -> None:
    instants = [
        instant_ns(text)
        for text in (
            "1970-01-02",
            "1970-01-02T00:00:00.000001",
            "1970-01-02T02:00+02:00",
            "1969-12-31",
        )
    ]

    assert instants == [DAY_NS, DAY_NS + 1_000, DAY_NS, -DAY_NS]


@pytest.mark.parametrize(
    ("day", "rests"),
    [
        ("2026-11-20", False),  # a Friday
        ("2026-11-21", True),
        ("2026-11-22", True),
        ("2026-11-23", False),
        ("2026-10-01", True),  # National Day, a Thursday
        ("2026-10-07", True),
        ("2026-10-08", False),
        ("2026-10-10", True),  # worked in exchange, and still a Saturday
    ],
)
def test_weekends_and_public_holidays_rest(day: str, rests: bool) -> None:
    assert is_rest_day("cn_workdays", instant_ns(f"{day}T23:59:59")) is rests
