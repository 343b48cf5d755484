"""When spans arrived, and how far reported costs are from the price list."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from spantoll.query import Query, health_query, measure_drift, run
from spantoll.records import UsageRecord
from tests.support.records import NOON_NS

Make = Callable[..., UsageRecord]
Write = Callable[..., Engine]
SECOND_NS = 10**9
DOLLAR = 10**9


@pytest.mark.parametrize(
    ("delay_s", "expected"),
    [
        (-3_600, (1, 0, 0)),
        (-1.001, (1, 0, 0)),
        (-1, (0, 0, 0)),
        (0, (0, 0, 0)),
        (300, (0, 0, 0)),
        (301, (0, 1, 0)),
        (86_400, (0, 1, 0)),
        (86_401, (0, 1, 1)),
    ],
)
def test_arrival_is_measured_from_the_end_of_the_call(
    ledger: Write, record: Make, delay_s: float, expected: tuple[int, int, int]
) -> None:
    end_ns = NOON_NS + 2 * SECOND_NS
    engine = ledger(
        record(
            started_ns=NOON_NS,
            duration_ns=2 * SECOND_NS,
            received_ns=end_ns + int(delay_s * SECOND_NS),
        )
    )

    totals = run(engine, health_query()).totals

    names = ("ahead_records", "delayed_records", "late_records")
    assert tuple(totals[name] for name in names) == expected


def test_drift_is_of_the_calls_that_have_both_costs(ledger: Write, record: Make) -> None:
    engine = ledger(
        # the list says 2, the span 3
        record(model="a", cost_nano=2 * DOLLAR, reported_cost_nano=3 * DOLLAR),
        # the cost is the reported one, beside that of the list
        record(
            model="a",
            cost_nano=5 * DOLLAR,
            cost_source="reported",
            reported_cost_nano=5 * DOLLAR,
            catalogue_cost_nano=4 * DOLLAR,
        ),
        record(model="b", pricing_status="unpriced", reported_cost_nano=-DOLLAR),
        record(model="c", cost_nano=9 * DOLLAR),
    )

    drift = measure_drift(engine, Query())

    assert drift is not None
    rows = drift.rows
    assert [(row["model"], row["requests"], row["reported_cost_usd"]) for row in rows] == [
        ("a", 2, Decimal(8)),
        ("b", 1, Decimal(-1)),
    ]
    assert [row["reported_difference_usd"] for row in rows] == [Decimal(2), None]
    assert [row["reported_cost_drift"] for row in rows] == [pytest.approx(2 / 6), None]


def test_without_a_reported_cost_there_is_no_drift(ledger: Write, record: Make) -> None:
    assert measure_drift(ledger(record()), Query()) is None
