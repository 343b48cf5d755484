"""Records that are not in roll-ups yet: answers are right before and while they are added."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text

from spantoll.pipeline.retain import retain_records
from spantoll.query import Query, run
from spantoll.query.latency import count_latencies
from spantoll.records.columns import usage_record
from spantoll.storage import SqlStore, open_store, roll_ups, sql
from spantoll.storage.amend import erase_user, void_record
from spantoll.storage.facts import store_changes, stored
from spantoll.storage.migrate import MIGRATIONS
from spantoll.storage.roll_up_fill import clear_roll_ups, fill_gaps
from spantoll.storage.roll_up_merge import merge_roll_ups
from spantoll.storage.roll_up_pending import ALL, read_last_rolled_up, read_pending_after
from spantoll.storage.roll_up_verify import verify_roll_ups
from spantoll.storage.roll_ups import DAY_NS, ROLL_UPS, open_gap, roll_up_gap
from spantoll.storage.sqlite import PENDING_RECORDS
from spantoll.storage.views import drop_views
from tests.query import reference
from tests.query.test_same_answers_everywhere import HOUR_NS
from tests.storage.conftest import settle_repeats
from tests.support import postgresql
from tests.support.records import NOON_NS, make_record, stored_records
from tests.support.roll_up_changes import random_call, roll_up_pending

QUERIES = (
    Query(dimensions=["model", "status"], measures=["requests", "cost_usd", "distinct_users"]),
    Query(dimensions=["customer_id"], window="day", measures=["requests", "output_tokens"]),
    Query(
        dimensions=["user_id"],
        measures=["requests", "unpriced_requests", "cost_usd"],
        window="day",
        tz="Asia/Tokyo",
    ),
    Query(
        dimensions=["model"],
        measures=["requests", "latency_avg_ms", "cost_usd"],
        window="day",
        tz="Europe/Berlin",
        start_ns=NOON_NS - 4 * DAY_NS - 1,
        end_ns=NOON_NS - HOUR_NS,
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with closing(open_store(f"sqlite:///{tmp_path}/usage.db")) as opened:
        assert isinstance(opened, SqlStore)
        yield opened


def assert_right(store: SqlStore) -> None:
    records = stored_records(store.engine)
    for query in QUERIES:
        groups, totals = reference.answer_query(records, query)
        result = run(store.engine, query)
        found = {
            (row.window, *row.dimensions.values()): {each: row[each] for each in query.measures}
            for row in result.rows
        }
        assert found == groups
        assert {name: result.totals[name] for name in query.measures} == totals
    assert verify_roll_ups(store.engine).differences == []


def find_id(store: SqlStore, random: Random) -> int | None:
    counted = select(usage_record.c.id).where(usage_record.c.counted)
    with store.engine.connect() as connection:
        ids = connection.scalars(counted.order_by(usage_record.c.id)).all()
    return random.choice(ids) if ids else None


def void(store: SqlStore, random: Random) -> None:
    if (number := find_id(store, random)) is not None:
        void_record(store, number, why="test", by="test", now_ns=NOON_NS)


def change_costs(store: SqlStore, random: Random) -> None:
    model, cost_nano = random.choice(["claude", "gpt-4o"]), random.choice([None, 7, 10**9])
    with store.transaction() as connection:
        rows = connection.execute(select(usage_record).where(usage_record.c.model == model)).all()
        members = [stored(row) for row in random.sample(rows, len(rows) // 2)]
        changed = [each.current._replace(cost_nano=cost_nano) for each in members]
        pairs = zip(members, changed, strict=True)
        store_changes(connection, [(each, each._replace(current=new)) for each, new in pairs])


def open_some_gap(store: SqlStore, random: Random) -> None:
    start_ns = NOON_NS - random.randrange(6) * DAY_NS
    with store.transaction() as connection:
        open_gap(connection, start_ns, start_ns + random.choice([1, 2 * DAY_NS]))


def write_some(store: SqlStore, random: Random) -> None:
    calls = [random_call(random) for _ in range(random.randrange(1, 9))]
    store.write(calls, settle=random.choice([None, settle_repeats]))


STEPS: dict[str, Callable[[SqlStore, Random], object]] = {
    "write": write_some,
    "write again": write_some,
    "roll up": lambda store, random: roll_up_pending(store),
    "void": void,
    "costs": change_costs,
    "erase": lambda store, random: erase_user(
        store, random.choice(["ann", "bob"]), why="test", by="test", now_ns=NOON_NS
    ),
    "merge rows": lambda store, random: merge_roll_ups(store),
    "open a gap": open_some_gap,
    "fill": lambda store, random: fill_gaps(store),
    "clear": lambda store, random: clear_roll_ups(store),
}


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=8),
    st.integers(0, 10**6),
    st.sampled_from([1, 5, 4_096]),
    st.sampled_from([2, 32_768]),
)
def test_answers_are_those_of_plain_python_after_any_steps(
    steps: list[str], seed: int, most_pending: int, most_added: int
) -> None:
    random = Random(seed)
    with pytest.MonkeyPatch.context() as patched, closing(open_store("memory:")) as opened:
        patched.setattr(sql, "MOST_PENDING", most_pending)
        patched.setattr(roll_ups, "MOST_ADDED", most_added)
        assert isinstance(opened, SqlStore)
        write_some(opened, random)
        for name in steps:
            STEPS[name](opened, random)

            assert_right(opened)


def count_rows(store: SqlStore) -> int:
    with store.engine.connect() as connection:
        return sum(connection.scalar(select(func.count(each.table.c.id))) or 0 for each in ROLL_UPS)


def test_a_write_of_few_records_leaves_them_pending(store: SqlStore) -> None:
    store.write([make_record() for _ in range(3)])

    with store.engine.connect() as connection:
        assert read_pending_after(connection) == 0
    assert count_rows(store) == 0
    assert "new records: 1 period" in run(store.engine, Query()).sources
    assert roll_up_pending(store) == 3
    assert run(store.engine, Query()).sources == ["roll_up_model_day: 1 period"]


def test_a_write_adds_what_is_pending_when_it_is_much(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "MOST_PENDING", 4)
    store.write([make_record() for _ in range(3)])

    store.write([make_record()])

    with store.engine.connect() as connection:
        assert read_pending_after(connection) is None
    assert count_rows(store) == len(ROLL_UPS)


def test_an_idle_writer_adds_what_is_pending(store: SqlStore) -> None:
    store.write([make_record() for _ in range(PENDING_RECORDS - 1)])
    store.checkpoint()
    before = count_rows(store)
    store.write([make_record()])

    store.checkpoint()

    assert (before, count_rows(store)) == (0, len(ROLL_UPS))
    assert_right(store)


def test_pending_records_are_found_by_their_ids(store: SqlStore) -> None:
    store.write([make_record(user_id="ann") for _ in range(5)])
    roll_up_pending(store)
    store.write([make_record(user_id="ann")])
    seen: list[tuple[str, Any]] = []

    def keep(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", keep)
    by_user = Query(dimensions=["user_id"], start_ns=NOON_NS - DAY_NS, end_ns=NOON_NS + DAY_NS)
    result = run(store.engine, by_user)
    event.remove(store.engine, "before_cursor_execute", keep)

    assert result.totals["requests"] == 6
    statement, parameters = next(each for each in seen if "roll_up_user_day" in each[0])
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    searches = [row[3] for row in rows if "usage_record" in row[3]]
    assert "SEARCH usage_record USING INTEGER PRIMARY KEY (rowid>?)" in searches


def test_latencies_and_the_view_of_quarters_have_pending_records(store: SqlStore) -> None:
    timed = {"duration_ns": 10**9, "latency_bucket": 177}
    store.write([make_record(**timed) for _ in range(2)])
    roll_up_pending(store)
    store.write([make_record(**timed) for _ in range(3)])

    with store.engine.connect() as connection:
        view = connection.execute(text("SELECT sum(requests) FROM v1_cost_15m")).scalar()

    assert view == 5
    assert [tuple(each) for each in count_latencies(store.engine, Query())] == [(177, 5)]
    result = run(store.engine, Query(measures=["latency_p50_ms"]))
    assert result.totals["latency_p50_ms"] == pytest.approx(1_000, rel=0.03)


def test_a_reader_sees_all_records_once_while_they_are_added(store: SqlStore) -> None:
    store.write([make_record(user_id="ann") for _ in range(3)])
    roll_up_pending(store)
    store.write([make_record(user_id="bob") for _ in range(4)])
    added: list[int] = []

    def add(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not added and "roll_up_" in statement and "gap" not in statement:
            added.append(roll_up_pending(store))

    event.listen(store.engine, "before_cursor_execute", add)
    during = run(store.engine, Query(measures=["requests", "distinct_users"]))
    event.remove(store.engine, "before_cursor_execute", add)

    assert added == [4]
    assert (during.totals["requests"], during.totals["distinct_users"]) == (7, 2)
    assert_right(store)


KILLED = """
import os, sys
from spantoll.storage import open_store
from spantoll.storage.roll_ups import add_pending
from tests.support.records import make_record

store = open_store(sys.argv[1])
store.write([make_record() for _ in range(5)])
if sys.argv[2] == "while":
    with store.transaction() as connection:
        assert add_pending(connection) == 5
        os._exit(9)
os._exit(9)
"""


@pytest.mark.parametrize("when", ["before", "while"])
def test_what_a_killed_process_has_not_added_is_added_by_the_next(
    store: SqlStore, when: str
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, store.url, when], check=False)

    assert killed.returncode == 9
    assert run(store.engine, Query()).totals["requests"] == 5
    assert roll_up_pending(store) == 5
    assert_right(store)


def test_retention_adds_what_is_pending_first(store: SqlStore) -> None:
    days = [NOON_NS - number * DAY_NS for number in range(6)]
    store.write([make_record(started_ns=day) for day in days])

    retain_records(store, NOON_NS - DAY_NS, by="t", now_ns=NOON_NS, settle_pending=lambda: 0)

    assert len(stored_records(store.engine)) < 6
    assert run(store.engine, Query()).totals["requests"] == 6


def test_a_record_with_an_id_that_was_given_before_is_summed(store: SqlStore) -> None:
    store.write([make_record(), make_record()])
    roll_up_pending(store)
    with store.transaction() as connection:
        connection.execute(usage_record.delete())
    clear_roll_ups(store)
    fill_gaps(store)
    with store.transaction() as connection:
        connection.execute(text("UPDATE rolled_up SET last_id = 2"))

    store.write([make_record() for _ in range(3)])

    assert run(store.engine, Query()).totals["requests"] == 3
    assert_right(store)


def test_elsewhere_no_record_is_pending(
    postgresql_server: postgresql.Server, postgresql_ledger: str
) -> None:
    with closing(open_store(postgresql_server.copy_database(postgresql_ledger))) as opened:
        opened.write([make_record()])
        with opened.engine.connect() as connection:
            assert read_pending_after(connection) is None
            assert read_last_rolled_up(connection) == ALL
        assert run(opened.engine, Query()).sources == ["roll_up_model_day: 1 period"]


def downgrade(store: SqlStore) -> None:
    """Give a ledger the schema of the version that had no pending records."""
    newer = ScriptDirectory(str(MIGRATIONS)).iterate_revisions("head", "0025")
    with store.transaction() as connection:
        drop_views(connection)
        with Operations.context(MigrationContext.configure(connection)):
            for revision in newer:
                revision.module.downgrade()
        connection.execute(text("UPDATE alembic_version SET version_num = '0025'"))


def test_records_of_an_older_ledger_are_in_roll_ups_already(store: SqlStore) -> None:
    store.write([make_record(), make_record()])
    roll_up_pending(store)
    downgrade(store)

    with closing(open_store(store.url)) as opened:
        assert isinstance(opened, SqlStore)
        opened.write([make_record()])

        assert roll_up_pending(opened) == 1
        assert verify_roll_ups(opened.engine) == (1, [], [], 0)


def test_days_of_pending_records_are_a_gap_for_an_older_version(store: SqlStore) -> None:
    midnight_ns = NOON_NS - NOON_NS % DAY_NS
    store.write([make_record(started_ns=NOON_NS), make_record(started_ns=NOON_NS - DAY_NS)])
    with store.transaction() as connection:
        open_gap(connection, midnight_ns, midnight_ns + 1)

    downgrade(store)

    with store.engine.connect() as connection:
        gaps = sorted(tuple(gap) for gap in connection.execute(select(roll_up_gap)))
    assert gaps == [(day, day + DAY_NS) for day in (midnight_ns - DAY_NS, midnight_ns)]
