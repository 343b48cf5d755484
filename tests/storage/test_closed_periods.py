"""Records of a closed period stay as they are; what would change them is booked, on every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from spantoll.errors import RepriceError
from spantoll.records import UsageRecord, usage_record
from spantoll.storage import SqlStore, Store, open_store
from spantoll.storage.adjustments import Adjustment, Cause, list_adjustments, sum_adjustments
from spantoll.storage.periods import ClosedPeriod, close_period, list_periods
from spantoll.storage.tables import (
    adjustment,
    closed_period,
    reprice_change,
    reprice_run,
)
from tests.pipeline.calls import EPOCH_NS, SECOND, call, used
from tests.storage.conftest import rows
from tests.storage.test_repricing import (
    CHEAP,
    DEAR,
    OPENAI,
    WITHOUT,
    Case,
    content,
    ledgers,
    reprice,
    undo,
    write,
    write_case,
)

DAY_NS = 86_400 * SECOND
START_NS, END_NS = EPOCH_NS - DAY_NS, EPOCH_NS + DAY_NS
MILLION = used(1_000_000, 0)


@pytest.fixture
def sql_store(store: Store) -> SqlStore:
    assert isinstance(store, SqlStore)
    return store


def close(store: SqlStore, start_ns: int = START_NS, end_ns: int = END_NS) -> ClosedPeriod:
    return close_period(
        store, "2026-11", tz="UTC", start_ns=start_ns, end_ns=end_ns, by="ann", now_ns=END_NS
    )


def booked(store: SqlStore) -> list[Adjustment]:
    return list_adjustments(store.engine)


def counted_sums(store: SqlStore) -> tuple[int, int]:
    """Requests and cost of what is counted."""
    counted = [record for record in rows(store) if record.counted]
    return len(counted), sum(record.cost_nano or 0 for record in counted)


def adjusted_sums(store: SqlStore) -> tuple[int, int]:
    """The same with all adjustments."""
    requests, cost_nano = counted_sums(store)
    adjusted = sum_adjustments(store.engine)
    return requests + adjusted.requests, cost_nano + adjusted.cost_nano


def test_a_period_is_closed_once_and_listed(sql_store: SqlStore) -> None:
    closed = close(sql_store)

    assert list_periods(sql_store.engine) == [closed]
    assert (closed.name, closed.tz, closed.closed_by) == ("2026-11", "UTC", "ann")


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "reason"),
    [
        (START_NS, END_NS, "overlaps 2026-11"),
        (END_NS - 1, END_NS, "overlaps 2026-11"),
        (START_NS, END_NS + 1, "not over yet"),
    ],
)
def test_a_period_that_overlaps_or_is_not_over_is_refused(
    sql_store: SqlStore, start_ns: int, end_ns: int, reason: str
) -> None:
    closed = close(sql_store)

    with pytest.raises(RepriceError, match=reason):
        close(sql_store, start_ns, end_ns)

    assert list_periods(sql_store.engine) == [closed]


def test_a_late_record_is_booked_and_not_summed(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, [call("a", **OPENAI, **MILLION)])
    period = close(sql_store)
    late = call("b", trace="b", customer_id="acme", **OPENAI, **MILLION)

    write(sql_store, CHEAP, [late])

    assert counted_sums(sql_store) == (1, 10**9)
    (entry,) = booked(sql_store)
    assert (entry.cause, entry.period_id, entry.customer_id) == (
        Cause.LATE_RECORD,
        period.period_id,
        "acme",
    )
    assert (entry.trace_id, entry.span_id, entry.started_ns) == (
        late.trace_id,
        late.span_id,
        late.started_ns,
    )
    assert (entry.requests, entry.input_tokens, entry.cost_nano) == (1, 1_000_000, 10**9)
    assert entry.booked_ns >= period.end_ns
    stored = next(record for record in rows(sql_store) if record.span_id == late.span_id)
    assert (stored.counted, stored.counted_reason) == (False, "closed_period")


def test_a_record_of_open_time_and_a_duplicate_are_not_adjusted(sql_store: SqlStore) -> None:
    early = call("a", **OPENAI, **MILLION)
    write(sql_store, CHEAP, [early])
    close(sql_store)
    later = END_NS // SECOND - EPOCH_NS // SECOND

    write(sql_store, CHEAP, [early, call("b", later, later + 1, trace="b", **OPENAI, **MILLION)])

    assert booked(sql_store) == []
    assert counted_sums(sql_store) == (2, 2 * 10**9)


def test_a_late_record_without_a_price_is_booked_as_unknown(sql_store: SqlStore) -> None:
    close(sql_store)

    write(sql_store, WITHOUT, [call("a", **OPENAI, **MILLION)])

    (entry,) = booked(sql_store)
    assert (entry.cost_nano, entry.pricing_status, entry.requests) == (None, "unpriced", 1)
    assert sum_adjustments(sql_store.engine).unknown == 1


def test_a_late_duplicate_of_a_closed_call_costs_nothing(sql_store: SqlStore) -> None:
    outer = call("outer", 0, 10, scope_name="framework", **OPENAI, **MILLION)
    inner = call("inner", 1, 9, under="outer", user_id="ann", **OPENAI, **MILLION)
    write(sql_store, CHEAP, [inner])
    before = rows(sql_store)
    close(sql_store)

    write(sql_store, CHEAP, [outer])

    assert [record for record in rows(sql_store) if record.span_id == inner.span_id] == before
    assert counted_sums(sql_store) == adjusted_sums(sql_store) == (1, 10**9)
    write(sql_store, CHEAP, [call("tool", 2, 3, role="tool", under="outer", counted=False)])
    assert adjusted_sums(sql_store) == (1, 10**9)


def test_a_late_merge_that_finds_the_customer_moves_the_cost_to_it(sql_store: SqlStore) -> None:
    inner = call("inner", 1, 9, under="outer", user_id="ann", **OPENAI, **MILLION)
    write(sql_store, CHEAP, [inner])
    close(sql_store)
    named = {"customer_id": "acme", "scope_name": "framework"}

    write(sql_store, CHEAP, [call("outer", 0, 10, **named, **OPENAI, **MILLION)])

    by_customer: dict[str | None, int] = {}
    for entry in booked(sql_store):
        name = entry.customer_id
        by_customer[name] = by_customer.get(name, 0) + (entry.cost_nano or 0)
    assert by_customer == {None: -(10**9), "acme": 10**9}


def test_a_repricing_of_a_closed_period_is_booked_and_its_undo_too(sql_store: SqlStore) -> None:
    write(sql_store, CHEAP, [call("a", **OPENAI, **MILLION)])
    close(sql_store)
    before = content(sql_store)

    run = reprice(sql_store, DEAR)
    again = reprice(sql_store, DEAR)
    entries = booked(sql_store)
    undo(sql_store, run)

    assert (run.changed, again.changed) == (1, 0)
    assert [(e.cause, e.run_id, e.requests, e.cost_nano) for e in entries] == [
        (Cause.REPRICE, run.run_id, 0, 9 * 10**9)
    ]
    assert [(e.cause, e.cost_nano) for e in booked(sql_store)[1:]] == [(Cause.UNDO, -9 * 10**9)]
    assert content(sql_store) == before


def test_a_record_keeps_its_period_when_merging_moves_its_start(sql_store: SqlStore) -> None:
    request = call("request", 0, 1, under="app", **OPENAI)
    event = call("event", 9, 9, under="app", **OPENAI, **MILLION)
    write(sql_store, CHEAP, [event])
    close(sql_store, START_NS, EPOCH_NS + 5 * SECOND)

    write(sql_store, CHEAP, [request])

    found = next(record for record in rows(sql_store) if record.span_id == event.span_id)
    assert found.started_ns == event.started_ns
    assert found.counted


@pytest.fixture(scope="module")
def emptied() -> Iterator[Callable[[], SqlStore]]:
    """Empty one of two ledgers in memory: making one takes longer than an example."""
    stores = [open_store("memory:") for _ in range(2)]
    turns = cycle(stores)
    tables = (usage_record, reprice_run, reprice_change, adjustment, closed_period)

    def empty() -> SqlStore:
        store = next(turns)
        assert isinstance(store, SqlStore)
        with store.transaction() as connection:
            for table in tables:
                connection.execute(delete(table))
        return store

    yield empty
    for store in stores:
        store.close()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(case=ledgers(), closed_after=st.integers(0, 8))
def test_closed_records_stay_and_their_sums_with_adjustments_are_as_if_open(
    emptied: Callable[[], SqlStore], case: Case, closed_after: int
) -> None:
    closed, opened = emptied(), emptied()
    first, rest = case.calls[:closed_after], case.calls[closed_after:]
    write(closed, CHEAP, first)
    before = {record[:3]: record for record in rows(closed)}
    close(closed)

    for record in rest:
        write(closed, CHEAP, [record])
    reprice(closed, DEAR)
    write_case(opened, case, CHEAP)
    reprice(opened, DEAR)

    kept = {record[:3]: record for record in rows(closed) if record[:3] in before}
    assert kept == before
    assert not any(r.counted for r in rows(closed) if r[:3] not in before)
    assert adjusted_sums(closed) == counted_sums(opened)


def test_what_a_record_should_be_is_read_beside_what_it_is(sql_store: SqlStore) -> None:
    from spantoll.storage.facts import stored

    record: UsageRecord = call("a", **OPENAI, **MILLION)
    write(sql_store, CHEAP, [record])
    close(sql_store)
    reprice(sql_store, DEAR)

    with sql_store.engine.connect() as connection:
        row: Any = connection.execute(select(usage_record)).one()
    assert row.cost_nano == 10**9
    assert stored(row).current.cost_nano == 10 * 10**9
