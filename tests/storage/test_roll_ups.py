from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from random import Random
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from spantoll.query import Query, run
from spantoll.records.columns import usage_record
from spantoll.storage import SqlStore, Store, open_store, roll_up_merge, roll_ups
from spantoll.storage.filled_columns import FilledColumns
from spantoll.storage.roll_up_fill import clear_roll_ups, fill_gaps, list_gaps
from spantoll.storage.roll_up_merge import merge_roll_ups
from spantoll.storage.roll_up_sums import NULL_WITHOUT, SUMS
from spantoll.storage.roll_up_verify import verify_roll_ups
from spantoll.storage.roll_ups import DAY_NS, ROLL_UPS
from tests.query import reference
from tests.storage.conftest import Backend, settle_repeats
from tests.support.records import NOON_NS, make_record, record_of_response, stored_records
from tests.support.roll_up_changes import CHANGES, roll_up_pending

QUERIES = (
    Query(dimensions=["model", "status"]),
    Query(dimensions=["customer_id"], window="day", measures=["requests", "output_tokens"]),
    Query(dimensions=["user_id"], measures=["requests", "unpriced_requests", "cache_savings_usd"]),
    Query(
        measures=["latency_avg_ms", "tokens_per_second", "cost_per_request_usd"],
        window="day",
        tz="Asia/Kathmandu",
        start_ns=NOON_NS - 4 * DAY_NS - 1,
        end_ns=NOON_NS - DAY_NS,
    ),
)


@pytest.fixture
def sql_store(store: Store) -> SqlStore:
    assert isinstance(store, SqlStore)
    return store


def count_rows(store: SqlStore) -> int:
    with store.engine.connect() as connection:
        counts = (connection.scalar(select(func.count(each.table.c.id))) for each in ROLL_UPS)
        return sum(count or 0 for count in counts)


def test_roll_ups_follow_every_change_on_every_database(sql_store: SqlStore) -> None:
    for name, change in CHANGES.items():
        change(sql_store)

        assert verify_roll_ups(sql_store.engine).differences == [], name
        for query in QUERIES:
            groups, totals = reference.answer_query(stored_records(sql_store.engine), query)
            result = run(sql_store.engine, query)
            found = {
                (row.window, *row.dimensions.values()): {each: row[each] for each in query.measures}
                for row in result.rows
            }
            assert (found, result.totals.measures.items() >= totals.items()) == (groups, True), name


def test_a_sum_is_null_without_the_column_it_needs(sqlite_store: Store) -> None:
    full: dict[str, Any] = dict.fromkeys(NULL_WITHOUT.values(), 7)
    sqlite_store.write([make_record(**full | {NULL_WITHOUT[name]: None}) for name in NULL_WITHOUT])

    with sqlite_store.engine.connect() as connection:
        sums = [SUMS[name].label(name) for name in NULL_WITHOUT]
        rows = connection.execute(select(*sums).order_by(usage_record.c.id)).all()

    known = [name for name, row in zip(NULL_WITHOUT, rows, strict=True) if row._mapping[name]]
    assert known == []


def test_columns_that_only_later_records_fill_are_summed(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll_ups, "_filled_columns", FilledColumns())
    for number, name in enumerate(sorted(set(NULL_WITHOUT.values()))):
        values: dict[str, Any] = {name: 100 + number}
        sql_store.write([make_record(**values), make_record()])
        roll_up_pending(sql_store)

    result = verify_roll_ups(sql_store.engine)

    assert result.differences == []


def test_a_ledger_is_filled_day_by_day_beside_writers(sql_store: SqlStore) -> None:
    days = [NOON_NS - number * DAY_NS for number in range(4)]
    sql_store.write([make_record(started_ns=day) for day in days])
    clear_roll_ups(sql_store)
    left: list[int] = []

    def write_more(start_ns: int) -> None:
        left.append(start_ns)
        sql_store.write([make_record(started_ns=NOON_NS - 2 * DAY_NS, model=f"m{len(left)}")])

    is_complete = fill_gaps(sql_store, progress=write_more)

    assert is_complete
    assert left == [day - NOON_NS % DAY_NS for day in days] + [0]
    assert verify_roll_ups(sql_store.engine) == (4, [], [], 0)


def test_a_fill_that_is_stopped_goes_on_where_it_was(sql_store: SqlStore) -> None:
    sql_store.write([make_record(started_ns=NOON_NS - number * DAY_NS) for number in range(3)])
    clear_roll_ups(sql_store)
    steps: list[int] = []
    query = Query(measures=["requests"])

    is_complete = fill_gaps(sql_store, progress=steps.append, is_stopped=lambda: len(steps) == 2)

    assert not is_complete
    assert sorted(run(sql_store.engine, query).sources) == [
        "records: 1 period",
        "roll_up_model_day: 1 period",
    ]
    assert run(sql_store.engine, query).totals["requests"] == 3
    assert fill_gaps(sql_store)
    assert run(sql_store.engine, query).sources == ["roll_up_model_day: 1 period"]


def test_merging_leaves_one_row_for_each_bucket_and_dimensions(sql_store: SqlStore) -> None:
    for _ in range(5):
        sql_store.write([make_record(), make_record(user_id="ann")])
        roll_up_pending(sql_store)

    merged = merge_roll_ups(sql_store)

    assert merged > count_rows(sql_store) == len(ROLL_UPS) + 1
    assert merge_roll_ups(sql_store) == 0
    assert verify_roll_ups(sql_store.engine).differences == []


def test_between_two_transactions_of_a_merge_others_can_write(
    sql_store: SqlStore, backend: Backend, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not backend.lasts:
        pytest.skip("a ledger in memory has one store")
    monkeypatch.setattr(roll_up_merge, "MOST_ROWS", 2)
    for _ in range(3):
        sql_store.write([make_record()])
        roll_up_pending(sql_store)
    written: list[int] = []

    with closing(open_store(f"{url}?timeout=0" if url.startswith("sqlite") else url)) as other:

        def write(seconds: float) -> None:
            assert seconds > 0
            written.append(other.write([make_record(user_id="ann")]).inserted)

        merge_roll_ups(sql_store, pause=write)

    assert len(written) >= len(ROLL_UPS)
    assert verify_roll_ups(sql_store.engine).differences == []


def test_a_merge_that_is_stopped_goes_on_later(sql_store: SqlStore) -> None:
    for _ in range(3):
        sql_store.write([make_record()])
        roll_up_pending(sql_store)
    steps = iter([False, True])

    merged = merge_roll_ups(sql_store, is_stopped=lambda: next(steps))

    assert merged == 3
    assert verify_roll_ups(sql_store.engine).differences == []
    assert merge_roll_ups(sql_store) == 3 * (len(ROLL_UPS) - 1)


def test_a_day_whose_sums_exceed_64_bits_is_answered_from_records(sql_store: SqlStore) -> None:
    most = 2**63 - 1
    sql_store.write([make_record(input_tokens=most), make_record(started_ns=NOON_NS - DAY_NS)])
    roll_up_pending(sql_store)
    sql_store.write([make_record(input_tokens=most)])
    roll_up_pending(sql_store)
    query = Query(measures=["input_tokens"])

    merge_roll_ups(sql_store)
    fill_gaps(sql_store)

    assert run(sql_store.engine, query).totals["input_tokens"] == 2 * most
    with sql_store.engine.connect() as connection:
        midnight_ns = NOON_NS - NOON_NS % DAY_NS
        assert list_gaps(connection) == [(midnight_ns, midnight_ns + DAY_NS)]


def test_writers_at_the_same_time_lose_no_sum(backend: Backend, url: str) -> None:
    if not backend.lasts:
        pytest.skip("a ledger in memory has one store")

    def write(store: Store, first: int) -> None:
        for number in range(first, first + 6):
            calls = (record_of_response(f"r{number % 9}-{each}") for each in range(8))
            store.write(list(calls), settle=settle_repeats)

    with ExitStack() as opened:
        stores = [opened.enter_context(closing(open_store(url))) for _ in range(3)]
        with ThreadPoolExecutor() as pool:
            writing = [pool.submit(write, store, 6 * i) for i, store in enumerate(stores[:2])]
            keeper = stores[2]
            assert isinstance(keeper, SqlStore)
            clear_roll_ups(keeper)
            while not all(each.done() for each in writing):
                merge_roll_ups(keeper)
                fill_gaps(keeper)
            for each in writing:
                each.result()
        fill_gaps(keeper)

        assert verify_roll_ups(keeper.engine) == (1, [], [], 0)
        assert run(keeper.engine, Query()).totals["requests"] == 72


@pytest.fixture
def damaged(sqlite_store: Store) -> SqlStore:
    assert isinstance(sqlite_store, SqlStore)
    sqlite_store.write([make_record() for _ in range(2)])
    sqlite_store.write([make_record(started_ns=NOON_NS - Random(3).randrange(DAY_NS))])
    roll_up_pending(sqlite_store)
    table = ROLL_UPS[0].table
    with sqlite_store.transaction() as connection:
        connection.execute(update(table).values(cost_nano=table.c.cost_nano + 1))
        connection.execute(delete(ROLL_UPS[3].table))
    return sqlite_store


def test_a_sum_that_is_wrong_by_a_nano_dollar_is_found(damaged: SqlStore) -> None:
    verified = verify_roll_ups(damaged.engine)

    assert {each.roll_up for each in verified.differences} == {
        "roll_up_model_day",
        "roll_up_user_day",
    }
    missing = [each for each in verified.differences if each.roll_up == "roll_up_user_day"]
    assert sum(each.records for each in missing) == 3
    assert [each.rolled_up_records for each in missing] == [0] * len(missing)


def test_a_rebuild_makes_the_roll_ups_right(damaged: SqlStore) -> None:
    clear_roll_ups(damaged)
    fill_gaps(damaged)

    with damaged.engine.connect() as connection:
        assert connection.scalar(select(func.count(usage_record.c.id))) == 3
    assert verify_roll_ups(damaged.engine).differences == []
