from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query import Change, Query, measure_growth, plain_growth
from spantoll.query.growth import shift_period
from spantoll.records import UsageRecord

Make = Callable[..., UsageRecord]
Write = Callable[..., Engine]
DOLLAR = 10**9


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("start", "end", "against", "expected"),
    [
        pytest.param(
            "2026-11-01T00:00+01:00",
            "2026-12-01T00:00+01:00",
            "previous",
            ("2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
            id="a-month-before-a-month",
        ),
        pytest.param(
            "2026-10-01T00:00+02:00",
            "2027-01-01T00:00+01:00",
            "previous",
            ("2026-07-01T00:00+02:00", "2026-10-01T00:00+02:00"),
            id="a-quarter-before-a-quarter",
        ),
        pytest.param(
            "2026-10-24T00:00+02:00",
            "2026-10-31T00:00+01:00",
            "previous",
            ("2026-10-17T00:00+02:00", "2026-10-24T00:00+02:00"),
            id="days-before-days-of-another-length",
        ),
        pytest.param(
            "2026-11-20T10:00+01:00",
            "2026-11-20T12:30+01:00",
            "previous",
            ("2026-11-20T07:30+01:00", "2026-11-20T10:00+01:00"),
            id="hours-before-hours",
        ),
        pytest.param(
            "2026-11-01T00:00+01:00",
            "2026-11-21T00:00+01:00",
            "month",
            ("2026-10-01T00:00+02:00", "2026-10-21T00:00+02:00"),
            id="the-same-days-last-month",
        ),
        pytest.param(
            "2026-03-01T00:00+01:00",
            "2026-03-31T00:00+02:00",
            "month",
            ("2026-02-01T00:00+01:00", "2026-02-28T00:00+01:00"),
            id="a-shorter-month",
        ),
        pytest.param(
            "2026-11-01T00:00+01:00",
            "2026-11-21T00:00+01:00",
            "year",
            ("2025-11-01T00:00+01:00", "2025-11-21T00:00+01:00"),
            id="last-year",
        ),
    ],
)
def test_a_period_is_compared_with_the_earlier_one(
    start: str, end: str, against: str, expected: tuple[str, str]
) -> None:
    found = shift_period(ns(start), ns(end), against=against, tz="Europe/Berlin")

    assert found == (ns(expected[0]), ns(expected[1]))


@pytest.mark.parametrize(
    ("now", "before", "difference", "ratio"),
    [
        pytest.param(15, 10, 5, 0.5, id="more"),
        pytest.param(5, 10, -5, -0.5, id="less"),
        pytest.param(5, 0, 5, None, id="from-nothing"),
        pytest.param(0, 5, -5, -1.0, id="to-nothing"),
        pytest.param(None, 5, None, None, id="unknown-now"),
        pytest.param(5, None, None, None, id="unknown-before"),
        pytest.param(Decimal("0.3"), Decimal("0.2"), Decimal("0.1"), 0.5, id="money-is-exact"),
        pytest.param(Decimal(-1), Decimal(-2), Decimal(1), 0.5, id="a-smaller-loss-is-growth"),
    ],
)
def test_a_change_is_absolute_and_relative(
    now: Any, before: Any, difference: Any, ratio: float | None
) -> None:
    change = Change(now, before)

    assert (change.difference, change.ratio) == (difference, ratio)


def test_groups_of_either_period_are_compared(ledger: Write, record: Make) -> None:
    november, october = ns("2026-11-05T00:00+00:00"), ns("2026-10-05T00:00+00:00")
    engine = ledger(
        record(model="kept", started_ns=november, cost_nano=3 * DOLLAR),
        record(model="kept", started_ns=october, cost_nano=2 * DOLLAR),
        record(model="new", started_ns=november, cost_nano=DOLLAR),
        record(model="gone", started_ns=october, cost_nano=DOLLAR),
    )
    query = Query(
        measures=["cost_usd", "success_rate"],
        dimensions=["model"],
        start_ns=ns("2026-11-01T00:00+00:00"),
        end_ns=ns("2026-12-01T00:00+00:00"),
    )

    growth = measure_growth(engine, query)

    shown = {
        row["model"]: (
            row["cost_usd"] and Decimal(row["cost_usd"]),
            row["cost_usd_before"] and Decimal(row["cost_usd_before"]),
            row["cost_usd_growth"],
            row["success_rate_before"],
        )
        for row in plain_growth(growth)["rows"]
    }
    assert shown == {
        "kept": (3, 2, 0.5, 1.0),
        "new": (1, 0, None, None),
        "gone": (0, 1, -1.0, 1.0),
    }
    assert growth.totals.change("cost_usd") == (4, 3)


def test_an_unknown_cost_has_no_growth(ledger: Write, record: Make) -> None:
    november, october = ns("2026-11-05T00:00+00:00"), ns("2026-10-05T00:00+00:00")
    engine = ledger(
        record(started_ns=november), record(started_ns=october, pricing_status="unpriced")
    )
    query = Query(start_ns=ns("2026-11-01T00:00+00:00"), end_ns=ns("2026-12-01T00:00+00:00"))

    totals = plain_growth(measure_growth(engine, query))["totals"]

    assert (totals["cost_usd_before"], totals["cost_usd_change"]) == (None, None)
    assert (totals["cost_state"], totals["cost_state_before"]) == ("exact", "unpriced")


def test_each_window_is_compared_with_the_one_before(ledger: Write, record: Make) -> None:
    months = {"2026-08": 5, "2026-09": 4, "2026-11": 2}
    engine = ledger(
        *(
            record(started_ns=ns(f"{month}-05T00:00+00:00"), cost_nano=dollars * DOLLAR)
            for month, dollars in months.items()
        )
    )
    query = Query(
        measures=["cost_usd"],
        start_ns=ns("2026-09-01T00:00+00:00"),
        end_ns=ns("2026-12-01T00:00+00:00"),
        window="month",
    )

    rows = plain_growth(measure_growth(engine, query))["rows"]

    assert [(row["window_start"][:7], row["cost_usd_growth"]) for row in rows] == [
        ("2026-09", -0.2),
        ("2026-10", -1.0),
        ("2026-11", None),
    ]


@pytest.mark.parametrize(
    ("asked", "against"),
    [
        pytest.param({}, "previous", id="no-period"),
        pytest.param({"start_ns": 1, "end_ns": 2}, "tomorrow", id="no-such-period"),
        pytest.param({"start_ns": 1, "end_ns": 2, "window": "day"}, "year", id="windows-and-years"),
        pytest.param(
            {"start_ns": 1, "end_ns": 2, "dimensions": ["model"], "limit": 1, "others": True},
            "previous",
            id="others",
        ),
    ],
)
def test_a_growth_that_has_no_meaning_is_refused(
    ledger: Write, asked: dict[str, Any], against: str
) -> None:
    with pytest.raises(QueryError):
        measure_growth(ledger(), Query(**asked), against=against)
