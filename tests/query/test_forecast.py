"""The forecast of a month, against arithmetic by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from spantoll.query import Filter, Query, forecast_month, plain_forecast
from spantoll.records import UsageRecord

Make = Callable[..., UsageRecord]
Write = Callable[..., Engine]
DOLLAR = 10**9
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""9.5 days before the end of the month."""


def ns(time: datetime) -> int:
    return int(time.timestamp()) * 10**9


def list_costs(record: Make, days: int, dollars: int, **more: object) -> list[UsageRecord]:
    """Make a call at noon of each of the last days, today included."""
    return [
        record(started_ns=ns(NOW - timedelta(days=ago)), cost_nano=dollars * DOLLAR, **more)
        for ago in range(days)
    ]


def test_the_rest_of_the_month_costs_as_much_as_the_mean_of_seven_days(
    ledger: Write, record: Make
) -> None:
    # 15th to 20th and half of the 14th's call are whole days; today costs 14 as well
    engine = ledger(*list_costs(record, 30, 14))

    forecast = forecast_month(engine, Query(), now_ns=ns(NOW) + 1)

    # 21 days of November at 14, and 9.5 days (less a nanosecond) at 14
    assert forecast.spent.measures["cost_usd"] == 21 * 14
    assert forecast.daily_cost_usd == 14
    assert forecast.cost_usd is not None
    assert forecast.cost_usd.quantize(Decimal("1e-6")) == Decimal(294 + 133)
    assert (forecast.reason, forecast.lower_bound) == ("", False)


def test_days_without_a_call_cost_nothing(ledger: Write, record: Make) -> None:
    times = (NOW - timedelta(days=20), NOW - timedelta(days=3))
    engine = ledger(*(record(started_ns=ns(time), cost_nano=7 * DOLLAR) for time in times))

    forecast = forecast_month(engine, Query(), now_ns=ns(NOW))

    assert forecast.daily_cost_usd == 1
    assert forecast.cost_usd == Decimal("14") + Decimal("9.5")


@pytest.mark.parametrize(("days", "known"), [(8, False), (9, True)])
def test_it_is_unknown_with_too_few_days(
    ledger: Write, record: Make, days: int, known: bool
) -> None:
    # the first of the whole days is that of seven days ago, the call before it that of eight
    engine = ledger(*list_costs(record, days, 1))

    forecast = forecast_month(engine, Query(), now_ns=ns(NOW))

    assert (forecast.cost_usd is not None) == known
    assert forecast.reason == (
        "" if known else "there are fewer than 7 whole days since the first call"
    )


def test_it_is_unknown_where_no_call_has_a_price(ledger: Write, record: Make) -> None:
    unpriced = {"pricing_status": "unpriced", "pricing_reason": "unknown_model"}
    engine = ledger(
        *(each._replace(cost_nano=None) for each in list_costs(record, 9, 1, **unpriced))
    )

    shown = plain_forecast(forecast_month(engine, Query(), now_ns=ns(NOW)))

    assert shown["forecast_cost_usd"] is shown["daily_cost_usd"] is shown["cost_usd"] is None
    assert shown["reason"] == "no call of this month has a price"


def test_a_call_without_a_price_makes_it_a_lower_bound(ledger: Write, record: Make) -> None:
    unpriced = record(
        started_ns=ns(NOW - timedelta(days=2)),
        cost_nano=None,
        pricing_status="unpriced",
        pricing_reason="unknown_model",
    )
    engine = ledger(*list_costs(record, 9, 1), unpriced)

    forecast = forecast_month(engine, Query(), now_ns=ns(NOW))

    assert forecast.cost_usd is not None
    assert forecast.lower_bound


def test_months_and_days_are_those_of_the_zone_and_the_filters_hold(
    ledger: Write, record: Make
) -> None:
    # 31 October 20:00 UTC is 1 November in Kolkata
    first = datetime(2026, 10, 31, 20, tzinfo=UTC)
    engine = ledger(
        record(started_ns=ns(first), cost_nano=DOLLAR, team="a"),
        record(started_ns=ns(first), cost_nano=DOLLAR, team="b"),
    )
    wanted = Query(filters=[Filter("team", ("a",))], tz="Asia/Kolkata")

    shown = plain_forecast(forecast_month(engine, wanted, now_ns=ns(NOW)))

    assert (shown["from"], shown["to"]) == (
        "2026-11-01T00:00:00+05:30",
        "2026-12-01T00:00:00+05:30",
    )
    assert (shown["basis_from"], shown["basis_to"]) == (
        "2026-11-14T00:00:00+05:30",
        "2026-11-21T00:00:00+05:30",
    )
    assert (shown["cost_usd"], shown["forecast_cost_usd"]) == ("1.000000000", "1.000000000")
