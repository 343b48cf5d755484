"""What every store promises; runs on each entry of BACKENDS."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    func,
    select,
)

from spantoll.errors import RecordRejected, StoreUnavailable
from spantoll.pricing import Rate, UnitPrice
from spantoll.records import UsageRecord, usage_record
from spantoll.storage import Store, WriteResult, open_store
from spantoll.storage.rates import from_row
from spantoll.storage.tables import rate as rate_table
from tests.storage.conftest import Backend, rows
from tests.support.records import NOON_NS, make_record

MOST = 2**63 - 1


def test_what_is_written_can_be_read(store: Store) -> None:
    records = [make_record(input_tokens=n) for n in range(3)]

    result = store.write(records)

    assert result == WriteResult(inserted=3, duplicates=0, corrected=0)
    assert rows(store) == records


def test_nothing_written_is_nothing_done(store: Store) -> None:
    assert store.write([]) == WriteResult(0, 0, 0)


def test_a_record_sent_again_is_a_duplicate(store: Store) -> None:
    records = [make_record(), make_record()]
    store.write(records[:1])

    result = store.write(records)

    assert result == WriteResult(inserted=1, duplicates=1, corrected=0)
    assert rows(store) == records


def test_a_record_twice_in_one_write_is_a_duplicate(store: Store) -> None:
    record = make_record()

    result = store.write([record, record, record])

    assert result == WriteResult(inserted=1, duplicates=2, corrected=0)
    assert rows(store) == [record]


def test_of_several_versions_of_a_span_the_most_complete_stays(store: Store) -> None:
    first = make_record(input_tokens=10)
    second = first._replace(input_tokens=99, started_ns=NOON_NS - 1)
    third = first._replace(input_tokens=500, output_tokens=7)

    store.write([first, second])
    store.write([third])
    store.write([second])

    assert rows(store) == [third]


@pytest.mark.parametrize(
    "other", [{"trace_id": b"t" * 16}, {"tenant_id": "globex"}, {"span_id": b"s" * 8}]
)
def test_a_span_of_another_trace_or_tenant_is_another_record(
    store: Store, other: dict[str, Any]
) -> None:
    record = make_record()

    result = store.write([record, record._replace(**other)])

    assert result.inserted == 2


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("gpt-4o", "GPT-4o"), id="capitals"),
        pytest.param(("e\u0301", "\u00e9"), id="composed"),
        pytest.param(("model", "model "), id="trailing-blank"),
        pytest.param(("ß", "ss"), id="sharp-s"),
    ],
)
def test_names_are_compared_exactly(store: Store, names: tuple[str, str]) -> None:
    store.write([make_record(model=name, tenant_id=name) for name in names])

    models = select(usage_record.c.model).distinct()
    with store.engine.connect() as connection:
        assert set(connection.scalars(models)) == set(names)


def column_values(name: str) -> st.SearchStrategy[Any]:
    column = usage_record.c[name]
    kind = column.type
    values: st.SearchStrategy[Any]
    if isinstance(kind, Boolean):
        values = st.booleans()
    elif isinstance(kind, SmallInteger):
        values = st.integers(-(2**15), 2**15 - 1)
    elif isinstance(kind, BigInteger):
        values = st.integers(-MOST - 1, MOST) | st.just(MOST)
    elif isinstance(kind, Integer):
        values = st.integers(-(2**31), 2**31 - 1)
    elif isinstance(kind, LargeBinary):
        values = st.binary(min_size=kind.length or 0, max_size=kind.length)
    else:
        assert isinstance(kind, String)
        length = 300 if isinstance(kind, Text) else kind.length
        letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
        values = st.text(letters | st.sampled_from("é😀'\"%\\"), max_size=length)
    return st.none() | values if column.nullable else values


any_record = st.builds(UsageRecord, **{name: column_values(name) for name in UsageRecord._fields})


@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(record=any_record)
def test_every_column_keeps_every_value(store: Store, record: UsageRecord) -> None:
    record = record._replace(trace_id=make_record().trace_id)

    store.write([record])

    [kept] = [row for row in rows(store) if row.trace_id == record.trace_id]
    assert kept == record
    assert list(map(type, kept)) == list(map(type, record))


def test_extremes_of_every_column_come_back_as_they_were(store: Store) -> None:
    numbers = {
        name: MOST
        for name in UsageRecord._fields
        if isinstance(usage_record.c[name].type, BigInteger)
    }
    full = make_record(
        **numbers, model="😀" * 191, metadata='{"a":"\\\\"}', batch=True, stream=False
    )
    least = make_record(**dict.fromkeys(numbers, -MOST - 1), model="")

    store.write([full, least])

    read = rows(store)
    assert read == [full, least]
    assert read[0].batch is True
    assert read[0].stream is False
    assert read[0].cache_hit is None


def test_eight_threads_with_the_same_records_store_each_once(store: Store) -> None:
    records = [make_record() for _ in range(512)]
    start = threading.Barrier(8)

    def write() -> WriteResult:
        start.wait()
        return store.write(records)

    with ThreadPoolExecutor(8) as pool:
        results = [future.result() for future in [pool.submit(write) for _ in range(8)]]

    assert sum(result.inserted for result in results) == 512
    assert sum(result.duplicates for result in results) == 7 * 512
    assert rows(store) == records


def test_threads_with_different_records_store_all(store: Store) -> None:
    shares = [[make_record() for _ in range(100)] for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(store.write, shares))

    assert results == [WriteResult(100, 0, 0)] * 8
    assert rows(store) == [record for share in shares for record in share]


def test_readers_see_whole_commits_while_a_writer_works(store: Store) -> None:
    batches = [[make_record() for _ in range(50)] for _ in range(20)]
    number_of_records = select(func.count()).select_from(usage_record)
    seen = set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [store.write(batch) for batch in batches])
        while not writing.done():
            with store.engine.connect() as connection:
                seen.add(connection.scalar(number_of_records))
            # `memory:` has one connection for all, and whoever asks for it again at once gets it.
            time.sleep(0.001)
        writing.result()

    assert {number % 50 for number in seen if number} <= {0}
    assert len(rows(store)) == 1000


def test_a_large_write_is_one_write(store: Store) -> None:
    records = [make_record(response_id=f"response-{n:06}", response_key=n) for n in range(5_000)]

    result = store.write(records, settle=lambda group: [])

    assert result == WriteResult(5_000, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"input_tokens": 2**63}, id="integer-beyond-64-bits"),
        pytest.param({"status": None}, id="missing-value"),
        pytest.param({"model": "\ud800"}, id="lone-surrogate"),
        pytest.param({"input_tokens": Decimal(1)}, id="type-no-column-takes"),
    ],
)
def test_only_the_record_that_can_never_be_stored_is_refused(
    store: Store, bad: dict[str, Any]
) -> None:
    records = [make_record() for _ in range(50)]
    records[13] = records[13]._replace(**bad)
    records[14] = records[14]._replace(**bad)

    with pytest.raises(RecordRejected) as refused:
        store.write(records)

    assert refused.value.indexes == (13, 14)
    assert str(refused.value)
    assert rows(store) == records[:13] + records[15:]
    assert store.write(records[15:]) == WriteResult(0, 35, 0)


def test_a_write_of_nothing_but_bad_records_stores_nothing(store: Store) -> None:
    records = [make_record(requests=2**64) for _ in range(3)]

    with pytest.raises(RecordRejected) as refused:
        store.write(records)

    assert refused.value.indexes == (0, 1, 2)
    assert rows(store) == []


def test_rates_are_stored_once_and_exactly(store: Store) -> None:
    prices = (
        UnitPrice("input", Decimal("0.003625"), 1_000_000),
        UnitPrice("output", Decimal("1E-12"), 1),
    )
    rate = Rate(2**62, "openai", "gpt-4o", "tier=flex", prices, "2024-08-06", "", "user", "ab" * 32)
    later = rate._replace(rate_id=5, effective_from="2025-01-01")

    store.add_rates([])
    store.add_rates([rate])
    store.add_rates([rate, later])

    with store.engine.connect() as connection:
        stored = connection.execute(select(rate_table).order_by(rate_table.c.rate_id)).all()
    assert [from_row(row) for row in stored] == [later, rate]


def test_a_ping_leaves_no_trace_in_the_records(store: Store) -> None:
    record = make_record()
    store.write([record])

    store.ping()
    store.ping()

    assert rows(store) == [record]


def test_a_closed_store_refuses(store: Store) -> None:
    store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        store.write([make_record()])
    with pytest.raises(StoreUnavailable, match="closed"):
        store.ping()


def test_what_was_written_is_there_when_opened_again(backend: Backend, url: str) -> None:
    if not backend.lasts:
        pytest.skip("lives as long as the store")
    record = make_record()
    first = open_store(url)
    first.write([record])
    first.close()

    again = open_store(url)

    assert again.write([record]) == WriteResult(0, 1, 0)
    assert rows(again) == [record]
    assert again.url == first.url
    again.close()


def test_two_stores_on_one_database_share_it(backend: Backend, url: str) -> None:
    if not backend.lasts:
        pytest.skip("every store is a ledger of its own")
    records = [make_record() for _ in range(200)]
    one, other = open_store(url), open_store(url)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda store: store.write(records), (one, other)))

    assert sorted(result.inserted for result in results) == [0, 200]
    assert rows(one) == rows(other) == records
    one.close()
    other.close()
