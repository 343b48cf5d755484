"""Retention: records before a day are deleted, their sums stay, and nothing is billed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from spantoll.errors import AmendError, CopyError, RecordRejected, RetentionError
from spantoll.pipeline.retain import retain_records
from spantoll.query import Query, run
from spantoll.records import usage_record
from spantoll.storage import SqlStore, Store, open_store
from spantoll.storage.amend import erase_user, void_record
from spantoll.storage.audit_events import list_audit_events
from spantoll.storage.copy import copy_ledger
from spantoll.storage.customers_statement import read_statement
from spantoll.storage.facts import store_changes, stored
from spantoll.storage.reprice import Selection, count_selected
from spantoll.storage.retention import read_deleted_before
from spantoll.storage.retention_run import Deletion, plan_retention
from spantoll.storage.roll_up_fill import clear_roll_ups, fill_gaps
from spantoll.storage.roll_up_merge import merge_roll_ups
from spantoll.storage.roll_up_verify import verify_roll_ups
from spantoll.storage.roll_ups import DAY_NS, ROLL_UPS
from spantoll.storage.tables import unsettled
from tests.storage.conftest import settle_repeats
from tests.support.records import NOON_NS, make_record, record_of_response, stored_records
from tests.support.roll_up_changes import CHANGES, roll_up_pending

MARK_NS = NOON_NS - NOON_NS % DAY_NS - DAY_NS
OLD_NS, NEW_NS = MARK_NS - DAY_NS, MARK_NS + DAY_NS

QUERIES = (
    Query(dimensions=["model", "status"]),
    Query(dimensions=["customer_id"], window="day", measures=["requests", "output_tokens"]),
    Query(dimensions=["user_id"], measures=["requests", "unpriced_requests", "cache_savings_usd"]),
    Query(dimensions=["session_id"], window="hour", start_ns=MARK_NS),
)


@pytest.fixture
def sql_store(store: Store) -> SqlStore:
    assert isinstance(store, SqlStore)
    return store


@pytest.fixture
def memory_store() -> Iterator[SqlStore]:
    with closing(open_store("memory:")) as opened:
        assert isinstance(opened, SqlStore)
        yield opened


def retain(store: SqlStore, *, before_ns: int = MARK_NS) -> Deletion:
    return retain_records(
        store,
        before_ns,
        by="test",
        now_ns=NOON_NS,
        settle_pending=lambda: store.settle_pending(settle_repeats),
    )


def requests(store: Store, *, end_ns: int | None = None) -> object:
    return run(store.engine, Query(measures=["requests"], end_ns=end_ns)).totals["requests"]


def test_answers_stay_when_old_records_are_deleted(sql_store: SqlStore) -> None:
    for change in CHANGES.values():
        change(sql_store)
    fill_gaps(sql_store)
    before = [run(sql_store.engine, query) for query in QUERIES]
    count = len(stored_records(sql_store.engine))

    done = retain(sql_store, before_ns=MARK_NS + 3600)

    after = [run(sql_store.engine, query) for query in QUERIES]
    left = stored_records(sql_store.engine)
    assert 0 < done.deleted == count - len(left)
    assert [(each.rows, each.totals) for each in after] == [
        (each.rows, each.totals) for each in before
    ]
    assert verify_roll_ups(sql_store.engine).differences == []
    assert retain(sql_store).deleted == 0
    [event] = [each for each in list_audit_events(sql_store.engine) if each.action == "retain"]
    assert event.done_by == "test"


def test_what_comes_for_a_deleted_time_is_refused_and_all_else_stored(
    sql_store: SqlStore,
) -> None:
    old = make_record(started_ns=OLD_NS)
    sql_store.write([old, make_record(started_ns=NEW_NS)])
    retain(sql_store)

    with pytest.raises(RecordRejected, match="whose records are deleted") as refused:
        sql_store.write([make_record(started_ns=NEW_NS), old], settle=settle_repeats)

    assert (refused.value.indexes, refused.value.inserted) == ((1,), 1)
    assert requests(sql_store) == 3
    assert requests(sql_store, end_ns=MARK_NS) == 1
    assert verify_roll_ups(sql_store.engine).differences == []


def test_a_call_whose_first_report_is_deleted_is_not_counted_in_its_place(
    sql_store: SqlStore,
) -> None:
    first = record_of_response("r", started_ns=OLD_NS, trace_id=bytes(16))
    repeat = record_of_response("r", started_ns=OLD_NS + 1)
    sql_store.write([first, repeat, make_record(started_ns=NEW_NS, trace_id=repeat.trace_id)])
    kept = record_of_response("r", started_ns=NEW_NS)
    sql_store.write([kept], settle=settle_repeats)

    done = retain(sql_store)
    sql_store.write([record_of_response("r", started_ns=NEW_NS)], settle=settle_repeats)

    assert done == (0, 2)  # a later call has the response id
    assert requests(sql_store) == 2
    assert verify_roll_ups(sql_store.engine).differences == []


def test_a_repeat_of_a_deleted_record_stays_uncounted(sql_store: SqlStore) -> None:
    first = make_record(started_ns=OLD_NS)
    repeat = make_record(
        started_ns=NEW_NS, counted=False, repeats_span=first.trace_id + first.span_id
    )
    sql_store.write([first, repeat])
    retain(sql_store)

    with sql_store.transaction() as connection:
        rows = connection.execute(select(usage_record)).all()
        members = [stored(row) for row in rows]
        changes = [
            (each, each._replace(current=each.current._replace(counted=True))) for each in members
        ]
        store_changes(connection, changes)

    assert [each.counted for each in stored_records(sql_store.engine)] == [False]


def test_a_merge_moves_no_call_to_a_deleted_time(sql_store: SqlStore) -> None:
    sql_store.write([make_record(started_ns=OLD_NS), make_record(started_ns=NEW_NS)])
    retain(sql_store)

    with sql_store.transaction() as connection:
        for row in connection.execute(select(usage_record)).all():
            member = stored(row)
            moved = member.current._replace(started_ns=OLD_NS, cost_nano=7)
            store_changes(connection, [(member, member._replace(current=moved))])

    [left] = stored_records(sql_store.engine)
    assert (left.started_ns, left.cost_nano) == (NEW_NS, 7)


KEPT = {
    "its trace goes on": {"trace_id": bytes(15) + b"\1"},
    "a later record has its response id": {"response_key": 5},
}


@pytest.mark.parametrize("shared", KEPT.values(), ids=KEPT)
def test_an_old_record_stays_while_later_ones_are_connected_with_it(
    sql_store: SqlStore, shared: dict[str, object]
) -> None:
    sql_store.write([make_record(started_ns=OLD_NS, **shared), make_record(started_ns=OLD_NS)])
    sql_store.write([make_record(started_ns=NEW_NS, **shared)])

    done = retain(sql_store)

    assert done == (1, 2)
    assert requests(sql_store) == 3


def test_the_highest_id_stays_so_that_no_id_is_given_twice(sql_store: SqlStore) -> None:
    sql_store.write([make_record(started_ns=NEW_NS)])
    sql_store.write([make_record(started_ns=OLD_NS), make_record(started_ns=OLD_NS)])

    retain(sql_store)
    sql_store.write([make_record(started_ns=NEW_NS)])

    with sql_store.engine.connect() as connection:
        assert connection.scalars(select(usage_record.c.id).order_by(usage_record.c.id)).all() == [
            1,
            3,
            4,
        ]


def test_a_rebuild_keeps_the_sums_whose_records_are_deleted(sql_store: SqlStore) -> None:
    sql_store.write([make_record(started_ns=time_ns) for time_ns in (OLD_NS, NEW_NS, NEW_NS)])
    retain(sql_store)

    clear_roll_ups(sql_store)
    while_cleared = requests(sql_store)
    fill_gaps(sql_store)

    assert (while_cleared, requests(sql_store), requests(sql_store, end_ns=MARK_NS)) == (
        3,
        3,
        1,
    )


def test_merging_loses_no_sum_that_exceeds_64_bits_and_has_no_records(
    memory_store: SqlStore,
) -> None:
    most = 2**62
    memory_store.write([make_record(started_ns=NEW_NS)])
    for _ in range(2):
        memory_store.write([make_record(started_ns=OLD_NS, input_tokens=most)])
        roll_up_pending(memory_store)
    memory_store.write([make_record(started_ns=NEW_NS)])
    retain(memory_store)

    merge_roll_ups(memory_store)

    t = ROLL_UPS[0].table.c
    old = select(t.input_tokens).where(t.bucket_ns < MARK_NS)
    with memory_store.engine.connect() as connection:
        assert connection.scalars(old).all() == [most, most]


def test_a_day_that_only_records_answer_for_is_not_deleted(sql_store: SqlStore) -> None:
    most = 2**63 - 1
    for started_ns in (OLD_NS, OLD_NS, NEW_NS):
        sql_store.write([make_record(started_ns=started_ns, input_tokens=most)])
    merge_roll_ups(sql_store)

    with pytest.raises(RetentionError, match="no valid roll-ups"):
        retain(sql_store)

    assert len(stored_records(sql_store.engine)) == 3
    assert plan_retention(sql_store.engine, MARK_NS).records == 2


def test_an_erased_user_is_erased_from_the_sums_of_deleted_records(sql_store: SqlStore) -> None:
    for started_ns in (OLD_NS, NEW_NS):
        sql_store.write([make_record(started_ns=started_ns, user_id=user) for user in ("ann", "b")])
    retain(sql_store)

    erase_user(sql_store, "ann", why="asked", by="test", now_ns=NOON_NS)

    result = run(sql_store.engine, Query(measures=["requests"], dimensions=["user_id"]))
    assert {row["user_id"]: row["requests"] for row in result.rows} == {None: 2, "b": 2}
    assert verify_roll_ups(sql_store.engine).differences == []


def test_what_is_before_the_mark_is_neither_void_nor_priced_again(sql_store: SqlStore) -> None:
    sql_store.write([make_record(started_ns=MARK_NS - 1), make_record(started_ns=NEW_NS)])
    sql_store.write([make_record(started_ns=OLD_NS), make_record(started_ns=NEW_NS)])
    retain(sql_store)

    with pytest.raises(AmendError, match="whose records are deleted"):
        void_record(sql_store, 1, why="test", by="test", now_ns=NOON_NS)

    assert count_selected(sql_store.engine, Selection()) == (2, 4)


def test_no_statement_is_made_of_a_time_whose_records_are_deleted(sql_store: SqlStore) -> None:
    sql_store.write([make_record(started_ns=time_ns) for time_ns in (OLD_NS, NEW_NS, NEW_NS)])
    retain(sql_store)

    with pytest.raises(RetentionError, match="no lines of a statement"):
        read_statement(sql_store.engine, "acme", start_ns=OLD_NS, end_ns=NEW_NS)


def test_what_is_not_settled_is_not_deleted(sql_store: SqlStore) -> None:
    sql_store.write([make_record(started_ns=time_ns) for time_ns in (OLD_NS, NEW_NS)])

    with sql_store.transaction() as connection:
        values = {"first_id": 1, "last_id": 1, "since_ns": 0}
        connection.execute(unsettled.insert().values(values))

    with pytest.raises(RetentionError, match="not settled"):
        retain_records(sql_store, MARK_NS, by="t", now_ns=NOON_NS, settle_pending=lambda: None)

    with sql_store.engine.connect() as connection:
        assert read_deleted_before(connection) == 0


def test_a_copy_has_the_sums_of_deleted_records_too(sql_store: SqlStore, tmp_path: Path) -> None:
    sql_store.write([make_record(started_ns=OLD_NS, user_id=user) for user in ("ann", "bob")])
    sql_store.write([make_record(started_ns=NEW_NS) for _ in range(2)])
    retain(sql_store)

    with closing(open_store(f"sqlite:///{tmp_path}/copy.db")) as target:
        assert isinstance(target, SqlStore)
        for _ in range(2):
            copy_ledger(sql_store, target)

        assert requests(target) == 4
        for query in QUERIES[:3]:
            assert run(target.engine, query).rows == run(sql_store.engine, query).rows


def test_a_copy_that_has_what_its_source_deleted_is_not_changed(
    sql_store: SqlStore, tmp_path: Path
) -> None:
    sql_store.write([make_record(started_ns=time_ns) for time_ns in (OLD_NS, NEW_NS)])
    with closing(open_store(f"sqlite:///{tmp_path}/copy.db")) as target:
        assert isinstance(target, SqlStore)
        copy_ledger(sql_store, target)
        retain(sql_store)

        with pytest.raises(CopyError, match="spantoll db retain"):
            copy_ledger(sql_store, target)

        assert len(stored_records(target.engine)) == 2
        retain(target)
        copy_ledger(sql_store, target)
        assert requests(target) == requests(sql_store) == 2
