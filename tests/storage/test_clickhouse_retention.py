"""Retention on ClickHouse, cut after any of its statements, changes no sum and can be finished."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, text

from spantoll.errors import CopyError
from spantoll.pipeline.retain import retain_records
from spantoll.query import Query, count_latencies, run
from spantoll.records import UsageRecord, usage_record
from spantoll.storage import SqlStore, open_store
from spantoll.storage.amend import erase_user
from spantoll.storage.audit_events import list_audit_events
from spantoll.storage.clickhouse import ClickhouseStore, retention
from spantoll.storage.clickhouse.schema import WEEK_NS
from spantoll.storage.copy import copy_ledger
from spantoll.storage.retention import read_deleted_before
from spantoll.storage.retention_run import MARGIN_NS
from spantoll.storage.roll_ups import DAY_NS, ROLL_UPS
from tests.query.test_roll_up_answers import SUMMED
from tests.storage.conftest import settle_repeats
from tests.storage.test_clickhouse_repricing import Killed, cut_after
from tests.support import clickhouse
from tests.support.records import NOON_NS, make_record, stored_records
from tests.support.roll_up_changes import change_prices, random_call

MARK_NS = NOON_NS - NOON_NS % DAY_NS - DAY_NS
MODEL = ("tenant_id", "provider", "model", "operation", "status")
PRICE = (*MODEL, "pricing_status", "pricing_reason")
ATTRIBUTION = (
    *("customer_id", "organisation", "project", "workspace_id", "team", "environment"),
    *("service_name", "task_type"),
)
DIMENSIONS = (
    (PRICE, "day"),
    (PRICE, "hour"),
    ((*PRICE, *ATTRIBUTION), "total"),
    ((*PRICE, "user_id"), "day"),
)
"""By all of which the roll-ups have sums, each with windows that it alone has; price rows and
latencies are compared by themselves."""
LOST = {
    *("ahead_records", "delayed_records", "late_records", "reported_cost_drift"),
    *("distinct_customers", "distinct_users", "latency_min_ms", "latency_max_ms"),
}
MEASURES = [name for name in SUMMED if name not in LOST]
"""All that roll-ups answer by every dimension, but percentiles."""
STATEMENTS = 27
"""Those of a run that change something: for each of four days five INSERTs of sums and one of the
mark, and one of the audit; one that notes that records are deleted, and a DELETE of a week."""
REQUESTS = Query(measures=["requests"])


def make_records() -> list[UsageRecord]:
    """Make records of four days before the mark and of two after it."""
    random = Random(11)
    records = [random_call(random) for _ in range(90)]
    return [each._replace(received_ns=each.started_ns + 1) for each in records]


RECORDS = make_records()


@contextmanager
def open_ledger(server: clickhouse.Server) -> Iterator[ClickhouseStore]:
    url = server.make_database()
    store = open_store(url)
    assert isinstance(store, ClickhouseStore)
    yield store
    store.close()
    server.drop_database(url)


@pytest.fixture
def store(clickhouse_server: clickhouse.Server) -> Iterator[ClickhouseStore]:
    with open_ledger(clickhouse_server) as opened:
        opened.write(RECORDS, settle=settle_repeats)
        yield opened


def retain(store: SqlStore, *, mark_ns: int = MARK_NS) -> int:
    return retain_records(
        store,
        mark_ns,
        by="test",
        now_ns=NOON_NS,
        settle_pending=lambda: store.settle_pending(settle_repeats),
    ).deleted


def read_sums(store: SqlStore) -> list[object]:
    """Read every sum by every dimension, the latencies, and the view of 15 minutes."""
    found: list[object] = [count_latencies(store.engine, Query())]
    for names, window in DIMENSIONS:
        result = run(store.engine, Query(measures=MEASURES, dimensions=names, window=window))
        assert not any("missing" in note for note in result.notes)
        found.append((result.rows, result.totals, result.price_sets))
    with store.engine.connect() as connection:
        quarters = connection.execute(text("SELECT * FROM v1_cost_15m")).all()
    return [*found, sorted(map(repr, quarters))]


@contextmanager
def counting_changes(store: ClickhouseStore, kill_after: int = -1) -> Iterator[Callable[[], int]]:
    """Count the statements that change something, and raise Killed after so many."""
    done = 0
    command = retention._command

    def count(*given: Any) -> None:
        nonlocal done
        done += given[2].startswith("INSERT")
        if done == kill_after:
            raise Killed

    def run_command(connection: Connection, statement: str, **settings: int) -> None:
        command(connection, statement, **settings)
        count(None, None, "INSERT")

    event.listen(store._writer, "after_cursor_execute", count)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(retention, "_command", run_command)
            yield lambda: done
    finally:
        event.remove(store._writer, "after_cursor_execute", count)


def test_a_run_has_as_many_statements_as_are_cut_here(store: ClickhouseStore) -> None:
    before = read_sums(store)
    old = sum(each.started_ns < MARK_NS - MARGIN_NS for each in RECORDS)

    with counting_changes(store) as statements:
        deleted = retain(store)

    assert statements() == STATEMENTS
    assert read_sums(store) == before
    assert 0 < deleted == len(RECORDS) - len(stored_records(store.engine)) <= old


@pytest.mark.parametrize("statements", cut_after(STATEMENTS, quick=9))
def test_a_run_that_is_cut_changes_no_sum_and_is_finished(
    store: ClickhouseStore, statements: int
) -> None:
    before = read_sums(store)
    with counting_changes(store, statements), pytest.raises(Killed):
        retain(store)

    while_cut = read_sums(store)
    retain(store)

    assert while_cut == before
    assert read_sums(store) == before
    with store.engine.connect() as connection:
        assert read_deleted_before(connection) == MARK_NS
        for roll_up in ROLL_UPS:
            t = roll_up.table.c
            assert connection.scalar(select(func.count()).where(t.bucket_ns >= MARK_NS)) == 0
    assert {each.action for each in list_audit_events(store.engine)} == {"retain"}
    assert retain(store) == 0


def test_what_changes_after_a_cut_is_in_the_sums(store: ClickhouseStore) -> None:
    # The sums of the first day are inserted, and the mark is not moved.
    with counting_changes(store, 5), pytest.raises(Killed):
        retain(store)

    late = min(each.started_ns for each in RECORDS)
    store.write([make_record(started_ns=late, user_id="late")], settle=settle_repeats)
    change_prices(store, cost_nano=12_345)
    changed = read_sums(store)
    deleted = retain(store)

    assert deleted > 0
    assert read_sums(store) == changed


def test_an_answer_that_a_deletion_overtakes_is_read_again(store: ClickhouseStore) -> None:
    query = Query(measures=["requests", "cost_usd"], dimensions=["model"])
    before = run(store.engine, query)
    deleted: list[int] = []

    def overtake(*given: Any) -> None:
        if "usage_record" in given[2] and not deleted:
            deleted.append(0)
            deleted[0] = retain(store)

    event.listen(store.engine, "before_cursor_execute", overtake)
    after = run(store.engine, query)
    event.remove(store.engine, "before_cursor_execute", overtake)

    assert deleted[0] > 0
    assert (after.rows, after.totals) == (before.rows, before.totals)


def test_sums_are_found_by_their_time(store: ClickhouseStore) -> None:
    indexes = text(
        "SELECT table FROM system.data_skipping_indices WHERE database = currentDatabase() "
        "AND expr = 'bucket_ns' AND type = 'minmax'"
    )

    with store.engine.connect() as connection:
        # As in a ledger of an earlier version.
        connection.execute(text(f"ALTER TABLE {ROLL_UPS[0].name} DROP INDEX ix_bucket_ns"))
        store.update_schema()
        found = connection.scalars(indexes).all()

    assert sorted(found) == sorted(each.table.name for each in ROLL_UPS)


def test_a_mark_that_moves_on_keeps_the_sums_of_each_part(store: ClickhouseStore) -> None:
    before = read_sums(store)

    retain(store, mark_ns=MARK_NS - 2 * DAY_NS)
    between = read_sums(store)
    retain(store, mark_ns=MARK_NS)

    assert between == before
    assert read_sums(store) == before


def test_a_slice_leaves_what_later_calls_are_connected_with(
    store: ClickhouseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 25)
    monkeypatch.setattr(retention, "RANGES", 2)
    kept = {
        each.response_key
        for each in stored_records(store.engine)
        if each.response_key is not None and (each.started_ns or 0) >= MARK_NS
    }
    before = read_sums(store)

    retain(store)

    left = stored_records(store.engine)
    old = [each for each in left if each.started_ns < MARK_NS - MARGIN_NS]
    assert read_sums(store) == before
    assert old
    with store.engine.connect() as connection:
        highest = connection.scalar(select(usage_record.c.span_id).order_by(-usage_record.c.id))
    assert all(each.response_key in kept or each.span_id == highest for each in old)


def test_the_disk_of_past_weeks_is_freed(clickhouse_server: clickhouse.Server) -> None:
    weeks = (6, 5, 0)
    with open_ledger(clickhouse_server) as store:
        for week in weeks:
            times = [NOON_NS - week * WEEK_NS + number for number in range(20)]
            store.write([make_record(started_ns=each, received_ns=each) for each in times])
        rows = text(
            "SELECT sum(rows) FROM system.parts WHERE active AND table = 'usage_record' "
            "AND database = currentDatabase()"
        )
        unfinished = text(
            "SELECT count() FROM system.mutations WHERE NOT is_done "
            "AND database = currentDatabase()"
        )

        assert retain(store) == 40

        with store.engine.connect() as connection:
            ends_s = time.monotonic() + 60
            while connection.scalar(unfinished):
                assert time.monotonic() < ends_s
            assert connection.scalar(rows) == 20


def test_a_cut_run_leaves_no_user_who_is_erased(store: ClickhouseStore) -> None:
    # The sums by user of the first day are inserted, and the mark is not moved.
    with counting_changes(store, 5), pytest.raises(Killed):
        retain(store)

    erase_user(store, "ann", why="asked", by="test", now_ns=NOON_NS)

    [by_user] = [each.table for each in ROLL_UPS if "user_id" in each.dimensions]
    rows = select(func.count()).select_from(by_user)
    with store.engine.connect() as connection:
        assert (connection.scalar(rows) or 0) > 0
        assert connection.scalar(rows.where(by_user.c.user_id == "ann")) == 0


def test_sums_of_deleted_records_are_copied_to_clickhouse_and_back(
    store: ClickhouseStore, clickhouse_server: clickhouse.Server, tmp_path: Path
) -> None:
    # Of the view, databases return other types.
    before = read_sums(store)
    retain(store)
    paths = [f"sqlite:///{tmp_path}/{name}.db" for name in ("there", "back")]
    with closing(open_store(paths[0])) as there, closing(open_store(paths[1])) as back:
        assert isinstance(there, SqlStore)
        assert isinstance(back, SqlStore)
        copy_ledger(store, there)
        assert read_sums(there)[:-1] == before[:-1]
        with open_ledger(clickhouse_server) as again:
            for _ in range(2):
                copy_ledger(there, again)
            assert read_sums(again) == before
            again.write([make_record(started_ns=NOON_NS)], settle=settle_repeats)
            copy_ledger(again, back)
            total = run(again.engine, Query()).totals
        assert run(back.engine, Query()).totals == total


def test_a_copy_during_which_records_were_deleted_is_refused(
    store: ClickhouseStore, tmp_path: Path
) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}/copy.db")) as target:
        assert isinstance(target, SqlStore)
        deleted: list[int] = []

        def delete(name: str, rows: int) -> None:
            if not deleted:
                deleted.append(retain(store))

        with pytest.raises(CopyError, match="were deleted during the copy"):
            copy_ledger(store, target, progress=delete)


def test_writers_and_a_deletion_do_not_lose_each_others_records(store: ClickhouseStore) -> None:
    done = threading.Event()

    def write() -> int:
        written = 0
        while not done.is_set() or written < 3:
            record = make_record(started_ns=NOON_NS, received_ns=NOON_NS)
            written += store.write([record], settle=settle_repeats).inserted
        return written

    before = run(store.engine, REQUESTS).totals["requests"]
    assert isinstance(before, int)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            retain(store)
        finally:
            done.set()

    assert run(store.engine, REQUESTS).totals["requests"] == before + writing.result()
