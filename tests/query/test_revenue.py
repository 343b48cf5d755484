"""Sums of revenue and margin: exact, and with what they leave out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from spantoll.query import Query, run
from spantoll.records import UsageRecord

Ledger = Callable[..., Engine]
Record = Callable[..., UsageRecord]

REVENUE = ("revenue_usd", "margin_usd", "margin_percent")


def test_margin_is_of_the_calls_whose_cost_and_revenue_are_known(
    ledger: Ledger, record: Record
) -> None:
    engine = ledger(
        record(cost_nano=2_000_000_001, revenue_nano=3_000_000_000),
        record(cost_nano=1_000_000_000, revenue_nano=1_000_000_000),
        record(cost_nano=7_000_000_000),
        record(pricing_status="unpriced", revenue_nano=5_000_000_000),
    )

    totals = run(engine, Query(measures=REVENUE)).totals

    assert totals["revenue_usd"] == Decimal(9)
    assert totals["margin_usd"] == Decimal("0.999999999")
    assert totals["margin_percent"] == pytest.approx(25, abs=1e-6)
    assert totals["requests_without_revenue"] == 1


def test_sums_of_nothing_known_are_unknown(ledger: Ledger, record: Record) -> None:
    totals = run(ledger(record()), Query(measures=REVENUE)).totals

    assert [totals[name] for name in REVENUE] == [None, None, None]
    assert totals["requests_without_revenue"] == 1


def test_margin_orders_customers(ledger: Ledger, record: Record) -> None:
    engine = ledger(
        record(customer_id="loss", cost_nano=3, revenue_nano=1),
        record(customer_id="gain", cost_nano=1, revenue_nano=3),
        record(customer_id="unknown"),
    )
    query = Query(measures=("margin_usd",), dimensions=("customer_id",), order=("-margin_usd",))

    rows = run(engine, query).rows

    assert [row["customer_id"] for row in rows] == ["gain", "loss", "unknown"]
    assert rows[1]["margin_usd"] == Decimal(-2).scaleb(-9)


def test_revenue_beyond_64_bits_is_summed(ledger: Ledger, record: Record) -> None:
    huge = record(cost_nano=2**62, revenue_nano=2**63 - 1), record(cost_nano=1, revenue_nano=2**62)

    totals = run(ledger(*huge), Query(measures=REVENUE)).totals

    assert totals["revenue_usd"] == Decimal(2**63 - 1 + 2**62).scaleb(-9)
    assert totals["margin_usd"] == Decimal(2**63 - 2).scaleb(-9)
