"""The SQL views mean the same on every database, and survive migrations."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text

from spantoll.storage import SqlStore, Store
from spantoll.storage.roll_ups import open_gap
from spantoll.storage.views import VIEWS
from tests.support.records import make_record
from tests.support.roll_up_changes import roll_up_pending

STARTED_NS = 1_795_176_000_123_456_000
"""2026-11-20T12:00:00.123456Z."""


@pytest.fixture
def filled(store: Store) -> Engine:
    """A call, one that repeats it, and an unpriced one."""
    usual: dict[str, Any] = {"started_ns": STARTED_NS, "model": "a", "input_tokens": 10}
    store.write(
        [
            make_record(cost_nano=1_234_567_890_123_456_789, duration_ns=1_500_000, **usual),
            make_record(cost_nano=1, counted=False, **usual),
            make_record(pricing_status="unpriced", **usual),
        ]
    )
    return store.engine


def read(engine: Engine, statement: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(statement)).all())


def test_a_call_has_its_time_ids_and_exact_cost(filled: Engine) -> None:
    (row, unpriced) = read(filled, "SELECT * FROM v1_call ORDER BY id")

    assert (row.time_s, row.started_ns) == (STARTED_NS // 10**9, STARTED_NS)
    assert (len(row.trace_id), len(row.span_id)) == (32, 16)
    assert row.trace_id == row.trace_id.lower()
    assert float(row.latency_ms) == 1.5
    assert row.cost_nano == 1_234_567_890_123_456_789
    assert (unpriced.cost_nano, unpriced.cost_usd) == (None, None)


def test_dollars_are_exact_where_the_database_has_decimals(filled: Engine) -> None:
    (cost,) = read(filled, "SELECT cost_usd FROM v1_call WHERE cost_nano IS NOT NULL")[0]

    exact = Decimal("1234567890.123456789")
    if filled.dialect.name == "sqlite":
        assert cost == pytest.approx(float(exact), rel=1e-15)
    else:
        assert cost == exact


def test_the_time_of_a_call_is_in_utc(filled: Engine) -> None:
    (started_at,) = read(filled, "SELECT started_at FROM v1_call")[0]

    expected = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=UTC)
    if filled.dialect.name == "sqlite":
        assert started_at == "2026-11-20T12:00:00.123Z"
    else:
        assert started_at.replace(tzinfo=UTC) == expected


def test_what_is_not_counted_is_a_record_and_no_call(filled: Engine) -> None:
    counts = [read(filled, f"SELECT COUNT(*) FROM {name}")[0][0] for name in VIEWS]

    assert counts == [3, 2, 2, 2]


def test_days_add_up_what_is_billed(filled: Engine) -> None:
    rows = read(
        filled,
        "SELECT day, SUM(requests), SUM(input_tokens), SUM(unpriced_requests), SUM(cost_nano) "
        "FROM v1_usage_daily GROUP BY day",
    )

    (day, *sums) = rows[0]
    assert str(day) == str(date(2026, 11, 20))
    assert [int(each) for each in sums] == [2, 20, 1, 1_234_567_890_123_456_789]


QUARTERS = (
    "SELECT started_ns - started_ns % 900000000000, model, pricing_status, SUM(requests), "
    "SUM(input_tokens), SUM(cost_nano) FROM v1_call GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
VIEW = (
    "SELECT started_ns, model, pricing_status, requests, input_tokens, cost_nano "
    "FROM v1_cost_15m ORDER BY 1, 2, 3"
)


@pytest.mark.parametrize("has_gap", [False, True])
def test_quarters_of_an_hour_add_up_what_is_billed(
    store: SqlStore, filled: Engine, has_gap: bool
) -> None:
    if has_gap:  # what roll-ups have there is not read
        with store.transaction() as connection:
            connection.execute(text("DELETE FROM roll_up_model_quarter"))
            open_gap(connection, STARTED_NS, STARTED_NS + 1)

    assert read(filled, VIEW) == read(filled, QUARTERS)
    assert [row[3] for row in read(filled, VIEW)] == [1, 1]


def test_quarters_of_an_hour_are_read_from_roll_ups(store: SqlStore, filled: Engine) -> None:
    roll_up_pending(store)
    with store.transaction() as connection:
        connection.execute(text("DELETE FROM roll_up_model_quarter"))

    assert read(filled, VIEW) == []


def test_a_quarter_of_an_hour_knows_no_cost_of_unpriced_calls(filled: Engine) -> None:
    (row,) = read(filled, "SELECT * FROM v1_cost_15m WHERE pricing_status = 'unpriced'")

    assert (row.cost_nano, row.cost_usd, row.unpriced_requests, row.requests) == (None, None, 1, 1)
    assert row.time_s == row.started_ns // 10**9


def test_the_columns_of_the_contract_are_on_every_database(store: Store) -> None:
    found = {
        name: [column["name"] for column in inspect(store.engine).get_columns(name)]
        for name in VIEWS
    }

    assert found["v1_record"] == found["v1_call"]
    assert found["v1_call"][:5] == ["id", "started_at", "time_s", "started_ns", "latency_ms"]
    assert found["v1_call"][-1] == "revenue_usd"
    assert found["v1_usage_daily"][-3:] == ["cost_nano", "cost_usd", "revenue_usd"]
    assert found["v1_cost_15m"][:4] == ["time_s", "started_ns", "tenant_id", "provider"]
    assert found["v1_cost_15m"][-2:] == ["cost_usd", "revenue_usd"]
