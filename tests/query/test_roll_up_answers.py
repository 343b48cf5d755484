"""Answers from roll-ups are those of plain Python, after every kind of change of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spantoll.query import Filter, Query, bucket_ends, run
from spantoll.query.percentiles import ERROR
from spantoll.storage import SqlStore, open_store
from spantoll.storage.amend import void_record
from spantoll.storage.roll_up_fill import clear_roll_ups, fill_gaps
from spantoll.storage.roll_up_verify import verify_roll_ups
from spantoll.storage.roll_ups import DAY_NS, open_gap
from tests.query import reference
from tests.query.test_same_answers_everywhere import HOUR_NS
from tests.support.records import NOON_NS, make_record, stored_records
from tests.support.roll_up_changes import CHANGES, DAYS, roll_up_pending

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland")
SUMMED = sorted(name for name in reference.MEASURES if "_p" not in name)


@pytest.fixture(scope="module", params=list(CHANGES))
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SqlStore]:
    """A ledger to which all changes up to one have been made."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/usage.db")
    assert isinstance(opened, SqlStore)
    for name, change in CHANGES.items():
        change(opened)
        if name == request.param:
            break
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def small_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('small')}/usage.db")
    assert isinstance(opened, SqlStore)
    opened.write([make_record(started_ns=NOON_NS - hours * HOUR_NS) for hours in range(4)])
    roll_up_pending(opened)
    yield opened.engine
    opened.close()


filters = st.one_of(
    st.builds(
        Filter,
        st.just("model"),
        st.lists(st.sampled_from(["gpt-4o", "claude", "none"]), max_size=2).map(tuple),
        negate=st.booleans(),
        operator=st.just("="),
    ),
    st.builds(
        Filter,
        st.sampled_from(["customer_id", "user_id"]),
        st.lists(st.sampled_from(["acme", "bob", None]), min_size=1, max_size=2).map(tuple),
        negate=st.booleans(),
        operator=st.just("="),
    ),
    st.builds(
        Filter,
        st.just("pricing_status"),
        st.lists(st.sampled_from(["priced", "free", None]), min_size=1, max_size=2).map(tuple),
        negate=st.booleans(),
        operator=st.just("="),
    ),
)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    minutes = draw(st.none() | st.integers(0, DAYS * 96).map(lambda number: number * 15))
    start_ns = (
        None if minutes is None else NOON_NS - minutes * HOUR_NS // 60 + draw(st.integers(0, 1))
    )
    hours = st.integers(1, DAYS * 24).map(lambda number: number * HOUR_NS)
    length = draw(st.none() | hours | st.integers(1, 3 * DAY_NS))
    return Query(
        measures=draw(st.lists(st.sampled_from(SUMMED), min_size=1, max_size=5)),
        dimensions=draw(
            st.lists(st.sampled_from(["model", "provider", "customer_id", "user_id"]), max_size=2)
        ),
        filters=draw(st.lists(filters, max_size=2)),
        start_ns=start_ns,
        end_ns=None if length is None else (start_ns or NOON_NS - 2 * DAY_NS) + length,
        window=draw(st.sampled_from(["total", "hour", "day", "week", "month"])),
        tz=draw(st.sampled_from(ZONES)),
    )


@settings(max_examples=25)
@given(queries(), st.sampled_from([0, 5, 1_000]))
def test_sums_from_roll_ups_are_those_of_plain_python(
    store: SqlStore, query: Query, most_subtracted: int
) -> None:
    groups, totals = reference.answer_query(stored_records(store.engine), query)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bucket_ends, "MOST_SUBTRACTED", most_subtracted)
        result = run(store.engine, query)

    assert {
        (row.window, *row.dimensions.values()): {name: row[name] for name in query.measures}
        for row in result.rows
    } == groups
    assert {name: result.totals[name] for name in query.measures} == totals
    assert result.price_sets == run(store.engine, replace(query, roll_ups=False)).price_sets


@pytest.mark.parametrize(
    ("window", "tz"),
    [("total", "UTC"), ("day", "UTC"), ("day", "Asia/Tokyo"), ("week", "Asia/Tokyo")],
)
@pytest.mark.parametrize("end_ns", [None, NOON_NS - HOUR_NS])
def test_percentiles_from_roll_ups_are_those_of_records(
    store: SqlStore, window: str, tz: str, end_ns: int | None
) -> None:
    query = Query(
        measures=["latency_p50_ms", "latency_p95_ms", "requests"],
        dimensions=["model"],
        window=window,
        tz=tz,
        start_ns=NOON_NS - 3 * DAY_NS - HOUR_NS,
        end_ns=end_ns,
    )

    result = run(store.engine, query)

    expected = run(store.engine, replace(query, roll_ups=False))
    assert [row.measures for row in result.rows] == [row.measures for row in expected.rows]
    assert result.totals == expected.totals
    assert ERROR < 0.02
    assert result.sources != expected.sources


@pytest.mark.parametrize(
    ("asked", "sources"),
    [
        ({}, ["roll_up_model_day: 1 period"]),
        ({"dimensions": ["user_id"]}, ["roll_up_user_day: 1 period"]),
        ({"dimensions": ["team", "model"]}, ["roll_up_attribution_day: 1 period"]),
        (
            {"window": "day", "tz": "Europe/Berlin", "start_ns": NOON_NS - 3 * DAY_NS},
            ["roll_up_model_day: 1 period", "roll_up_model_quarter: 4 periods"],
        ),
        (
            {"window": "month", "tz": "Europe/Berlin", "start_ns": NOON_NS - 60 * DAY_NS},
            ["roll_up_model_day: 1 period", "roll_up_model_quarter: 4 periods"],
        ),
        (
            {
                "window": "day",
                "tz": "Asia/Kolkata",
                "dimensions": ["user_id"],
                "start_ns": NOON_NS - 3 * DAY_NS,
            },
            ["roll_up_user_day: 1 period", "records: 4 periods"],
        ),
        (
            {"window": "hour", "tz": "Asia/Kolkata", "start_ns": NOON_NS - 3 * DAY_NS},
            ["roll_up_model_quarter: 1 period"],
        ),
        ({"measures": ["margin_usd", "cache_savings_usd"]}, ["roll_up_model_day: 1 period"]),
        ({"measures": ["success_rate", "unpriced_tokens"]}, ["roll_up_model_day: 1 period"]),
        ({"dimensions": ["session_id"]}, ["records: 1 period"]),
        ({"dimensions": ["user_id", "team"]}, ["records: 1 period"]),
        (
            {"measures": ["requests", "latency_max_ms"], "dimensions": ["model"]},
            ["roll_up_model_day: 1 period", "records: 1 period"],
        ),
        ({"measures": ["latency_max_ms"], "dimensions": ["model"]}, ["records: 1 period"]),
        (
            {"measures": ["distinct_users"]},
            ["roll_up_model_day: 1 period", "roll_up_user_day: 1 period"],
        ),
        ({"measures": ["distinct_users"], "dimensions": ["model"]}, ["records: 1 period"]),
        ({"measures": ["distinct_sessions"]}, ["records: 1 period"]),
        ({"dimensions": ["owner_team"]}, ["records: 1 period"]),
        ({"uncounted": True}, ["records: 1 period"]),
        ({"window": "minute"}, ["records: 1 period"]),
        (
            {"start_ns": NOON_NS - 2 * DAY_NS - 1, "end_ns": NOON_NS + 1},
            [
                "records: 1 period",
                "roll_up_model_quarter: 1 period",
                "roll_up_model_day: 1 period",
            ],
        ),
        ({"end_ns": NOON_NS + 1}, ["roll_up_model_day: 1 period"]),
        (
            {"end_ns": NOON_NS - HOUR_NS - 1, "dimensions": ["user_id"]},
            ["roll_up_user_day: 1 period", "records: 1 period"],
        ),
        (
            {"end_ns": NOON_NS - 2 * HOUR_NS - 1, "dimensions": ["model"]},
            ["roll_up_model_day: 1 period", "roll_up_model_quarter: 1 period"],
        ),
        (
            {"end_ns": NOON_NS - 2 * HOUR_NS - 1, "window": "day", "tz": "Europe/Berlin"},
            ["roll_up_model_quarter: 1 period"],
        ),
    ],
)
def test_a_query_reads_roll_ups_only_where_they_have_the_answer(
    small_ledger: Engine,
    asked: dict[str, Any],
    sources: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bucket_ends, "MOST_SUBTRACTED", 2)

    result = run(small_ledger, Query(**asked))

    assert sorted(result.sources) == sorted(sources)


def test_roll_ups_equal_records_after_every_change(store: SqlStore) -> None:
    verified = verify_roll_ups(store.engine)

    assert verified.differences == []
    assert verified.days


def test_gaps_are_filled_from_records(store: SqlStore) -> None:
    before = run(store.engine, Query(dimensions=["model"]))
    with store.transaction() as connection:
        open_gap(connection)

    assert run(store.engine, Query(dimensions=["model"])).sources == ["records: 1 period"]
    assert fill_gaps(store)
    assert run(store.engine, Query(dimensions=["model"])).rows == before.rows
    assert verify_roll_ups(store.engine).differences == []


@pytest.fixture(scope="module", params=[1, 2, 30], ids="{}-calls".format)
def few_calls(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Calls seven hours apart: one of them is all of its window."""
    opened = open_store("memory:")
    opened.write(
        [make_record(started_ns=NOON_NS - each * 7 * HOUR_NS) for each in range(request.param)]
    )
    yield opened.engine
    opened.close()


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("window", ["hour", "day", "week", "month", "quarter", "year"])
def test_windows_from_roll_ups_are_those_of_records(
    few_calls: Engine, window: str, tz: str
) -> None:
    query = Query(measures=["requests", "cost_usd"], window=window, tz=tz)

    rows = run(few_calls, query).rows

    assert rows == run(few_calls, replace(query, roll_ups=False)).rows
    assert all(row.window is not None for row in rows)


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("window", ["hour", "day", "week", "month"])
def test_a_call_before_the_first_window_that_is_void_is_in_none(window: str, tz: str) -> None:
    store = open_store("memory:")
    assert isinstance(store, SqlStore)
    old = make_record(started_ns=NOON_NS - 40 * DAY_NS, customer_id="acme")
    store.write([old, make_record(started_ns=NOON_NS, customer_id="acme")])
    clear_roll_ups(store)
    fill_gaps(store)
    void_record(store, 1, why="test", by="test", now_ns=NOON_NS)
    query = Query(measures=["requests"], dimensions=["customer_id"], window=window, tz=tz)

    rows = run(store.engine, query).rows

    assert [row["requests"] for row in rows] == [1]
    assert rows == run(store.engine, replace(query, roll_ups=False)).rows
    store.close()
