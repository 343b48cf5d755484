"""A ledger that is copied between any two databases is the same ledger."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import LargeBinary, String, Table, inspect, select, text, update

from spantoll.errors import CopyError
from spantoll.pricing import Rate, UnitPrice
from spantoll.records.columns import usage_record
from spantoll.storage import SqlStore, open_store
from spantoll.storage import copy as copying
from spantoll.storage.copy import copy_ledger
from spantoll.storage.price_sets import price_set
from spantoll.storage.roll_ups import ROLL_UPS, roll_up_gap
from spantoll.storage.tables import unsettled
from tests.storage.conftest import BACKENDS, Backend, rows, settle_repeats
from tests.support.records import make_record, record_of_response

BY_NAME = {backend.name: backend for backend in BACKENDS}
PAIRS = [
    pytest.param(BY_NAME[source], BY_NAME[target], id=f"from-{source}-{target}")
    for source, target in [
        ("sqlite", "postgresql"),
        ("postgresql", "mariadb"),
        ("mariadb", "memory"),
        ("memory", "sqlite"),
    ]
]
"""Each database is read once and written once, for what does not depend on the pair."""

PRICES = (UnitPrice("input", Decimal(2), 1),)
RATE = Rate(2**62, "openai", "gpt-4o", "", PRICES, "", "", "user", "ab" * 32)


@pytest.fixture(params=BACKENDS, ids=lambda each: f"from-{each.name}")
def source(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    """A ledger of 7 records, one of them corrected, and a gap in its ids."""
    backend: Backend = request.param
    store = open_store(backend.url(request))
    assert isinstance(store, SqlStore)
    store.add_rates([RATE])
    store.write([make_record(rate_id=2**62, model="gpt-4o ", stream=False) for _ in range(4)])
    store.write([make_record(metadata='{"k":"😀"}', cost_nano=-7)])
    store.write([record_of_response("a") for _ in range(2)], settle=settle_repeats)
    with store.transaction() as connection:
        connection.execute(usage_record.delete().where(usage_record.c.id == 3))
    yield store
    store.close()


@pytest.fixture
def target(backend: Backend, request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[SqlStore]:
    path = f"sqlite:///{tmp_path}/copy.db"
    store = open_store(path if backend.name == "sqlite" else backend.url(request))
    assert isinstance(store, SqlStore)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def chunks_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "CHUNK_ROWS", 2)


def content(store: SqlStore, table: Table = usage_record) -> list[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
        ]


def test_a_copy_has_every_row_and_goes_on_counting(source: SqlStore, target: SqlStore) -> None:
    records, *others = copy_ledger(source, target)

    assert content(target) == content(source)
    assert (records.rows, records.written, records.sums["cost_nano"]) == (6, 6, 4_999_993)
    assert {each.name: each.rows for each in others}["rate"] == 1
    late = record_of_response("a")
    assert target.write([late], settle=settle_repeats).inserted == 1
    assert {row.span_id: row.counted for row in rows(target)}[late.span_id] is False


@pytest.mark.parametrize(("source", "backend"), PAIRS, indirect=True)
def test_a_copy_of_a_copy_writes_only_what_has_changed(source: SqlStore, target: SqlStore) -> None:
    copy_ledger(source, target)
    source.write([make_record()])
    with source.transaction() as connection:
        first = usage_record.c.id == 1
        connection.execute(update(usage_record).where(first).values(model="gpt-5"))

    records, *_ = copy_ledger(source, target)

    assert (records.rows, records.written) == (7, 2)
    assert content(target) == content(source)


@pytest.fixture
def memory_store() -> Iterator[SqlStore]:
    store = open_store("memory:")
    assert isinstance(store, SqlStore)
    store.write([make_record() for _ in range(7)])
    yield store
    store.close()


class _Interrupted(BaseException):
    """A process that ends: nothing handles it."""


def test_a_copy_that_was_interrupted_goes_on(memory_store: SqlStore, target: SqlStore) -> None:
    def interrupt(name: str, done: int) -> None:
        if done >= 4:
            raise _Interrupted

    with pytest.raises(_Interrupted):
        copy_ledger(memory_store, target, progress=interrupt)
    before = len(content(target))

    records, *_ = copy_ledger(memory_store, target)

    assert (before, records.written, records.rows) == (4, 3, 7)
    assert content(target) == content(memory_store)


@pytest.mark.parametrize("own", [1, 9], ids=["of-the-same-ids", "and-more"])
def test_a_ledger_of_its_own_is_left_alone(
    memory_store: SqlStore, target: SqlStore, own: int
) -> None:
    mine = [make_record() for _ in range(own)]
    target.write(mine)

    with pytest.raises(CopyError, match="table usage_record has rows of its own"):
        copy_ledger(memory_store, target)

    assert rows(target) == mine


def test_rows_behind_those_of_the_source_are_left_alone(memory_store: SqlStore) -> None:
    target = open_store("memory:")
    assert isinstance(target, SqlStore)
    copy_ledger(memory_store, target)
    target.write([make_record()])

    with pytest.raises(CopyError, match="has 8 rows, and its source 7"):
        copy_ledger(memory_store, target)

    target.close()


def test_what_is_not_settled_is_not_copied(memory_store: SqlStore, target: SqlStore) -> None:
    with memory_store.transaction() as connection:
        left = {"first_id": 1, "last_id": 1, "since_ns": 1}
        connection.execute(unsettled.insert(), [left])

    with pytest.raises(CopyError, match="not settled"):
        copy_ledger(memory_store, target)


def test_every_table_of_a_ledger_is_copied(memory_store: SqlStore, target: SqlStore) -> None:
    found = set(inspect(memory_store.engine).get_table_names())
    found -= {roll_up_gap.name, *(each.table.name for each in ROLL_UPS)}

    copied = {each.name for each in copy_ledger(memory_store, target)}

    assert found == {*copied, "probe", "alembic_version", "retention", "rolled_up"}


def test_a_table_of_another_program_is_named(memory_store: SqlStore, target: SqlStore) -> None:
    with memory_store.transaction() as connection:
        connection.execute(text("CREATE TABLE wages (n INTEGER)"))

    with pytest.raises(CopyError, match="table wages of the source is not one of SpanToll"):
        copy_ledger(memory_store, target)


@pytest.mark.parametrize(("source", "backend"), PAIRS, indirect=True)
def test_a_table_whose_key_is_a_text_is_copied(source: SqlStore, target: SqlStore) -> None:
    table = price_set
    values: dict[str, object] = {
        column.name: b"Zz" if isinstance(column.type, LargeBinary) else 1
        for column in table.columns
    }
    values |= {column.name: "Zz" for column in table.columns if isinstance(column.type, String)}
    rows = [{**values, next(iter(table.primary_key)).name: name} for name in ("b", "B", "a ")]
    with source.transaction() as connection:
        connection.execute(table.insert(), rows)

    copied = {each.name: each for each in copy_ledger(source, target)}

    assert (copied["price_set"].rows, copied["price_set"].written) == (3, 3)
    assert set(content(target, table)) == set(content(source, table))
