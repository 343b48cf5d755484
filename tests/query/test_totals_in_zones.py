from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spantoll.query import Query, Window, run
from spantoll.query.windows import find_zone, list_windows
from spantoll.records import UsageRecord
from spantoll.storage import open_store

HOUR_NS = 3600 * 10**9
START_NS = 1_735_689_600 * 10**9
"""2025-01-01T00:00:00Z"""
YEARS_NS = 2 * 365 * 24 * HOUR_NS
END_OF_TIME = 2**63
EDGES = range(START_NS, START_NS + YEARS_NS, HOUR_NS // 4)
"""Every quarter of an hour of two years: wherever a window of any zone could begin."""

zones = st.sampled_from(sorted(available_timezones()))


@pytest.fixture(scope="module")
def costs() -> Mapping[int, int]:
    """What calls cost in nano-USD by when they began: just before, at and after window edges."""
    random = Random(20261120)
    edges = random.sample(EDGES, 300)
    return {edge + off: random.randrange(10**12) for edge in edges for off in (-1, 0, 1)}


@pytest.fixture(scope="module")
def engine(
    costs: Mapping[int, int], record: Callable[..., UsageRecord], tmp_path_factory: Any
) -> Iterator[Engine]:
    path: Path = tmp_path_factory.mktemp("zones") / "usage.db"
    store = open_store(f"sqlite:///{path}")
    store.write([record(started_ns=at, cost_nano=nano) for at, nano in costs.items()])
    yield store.engine
    store.close()


def nano(value: Any) -> int:
    return int(value.scaleb(9))


@settings(max_examples=60, deadline=None)
@given(
    tz=zones,
    window=st.sampled_from(["minute", "hour", "day", "week", "month", "quarter", "year"]),
    week_start=st.integers(0, 6),
    fiscal_start=st.integers(1, 12),
)
def test_every_window_sums_what_began_in_it(
    engine: Engine,
    costs: Mapping[int, int],
    tz: str,
    window: str,
    week_start: int,
    fiscal_start: int,
) -> None:
    span = {"minute": 5 * 24 * HOUR_NS, "hour": 300 * 24 * HOUR_NS}.get(window, YEARS_NS)
    asked = Query(
        measures=["cost"],
        start_ns=START_NS,
        end_ns=START_NS + span,
        window=window,
        tz=tz,
        week_start=week_start,
        fiscal_start=fiscal_start,
    )

    found = {row.window: nano(row["cost_usd"]) for row in run(engine, asked).rows}

    starts = list_windows(
        window,
        start_ns=START_NS,
        end_ns=START_NS + span,
        tz=find_zone(tz),
        calendar=asked.calendar,
    )
    expected: dict[Window | None, int] = {}
    for at, cost in costs.items():
        if START_NS <= at < START_NS + span:
            inside = starts[bisect_right(starts, (at, END_OF_TIME)) - 1]
            expected[inside] = expected.get(inside, 0) + cost
    assert found == expected


@settings(max_examples=60, deadline=None)
@given(tz=zones, start=st.integers(0, YEARS_NS - 1), days=st.integers(1, 400))
def test_days_weeks_and_months_sum_to_the_period(
    engine: Engine, tz: str, start: int, days: int
) -> None:
    start_ns = START_NS + start
    end_ns = start_ns + days * 24 * HOUR_NS

    sums = set()
    for window in ("total", "day", "week", "month"):
        asked = Query(measures=["cost"], start_ns=start_ns, end_ns=end_ns, window=window, tz=tz)
        rows = run(engine, asked).rows
        sums.add(sum(nano(row["cost_usd"]) for row in rows if row["cost_usd"] is not None))

    assert len(sums) == 1
