"""What is changed by hand: it holds against whatever is settled later, and is audited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from spantoll.errors import AmendError
from spantoll.pipeline.settle import make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import UsageRecord, usage_record
from spantoll.storage import Settle, SqlStore, open_store
from spantoll.storage.amend import VOIDED, erase_user, void_record
from spantoll.storage.audit_events import list_audit_events
from spantoll.storage.periods import close_period
from tests.storage.conftest import BACKENDS, Backend, rows
from tests.support.records import NOON_NS, make_record, record_of_response


@pytest.fixture(params=BACKENDS, ids=lambda each: each.name)
def store(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    backend: Backend = request.param
    opened = open_store(backend.url(request))
    assert isinstance(opened, SqlStore)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def settle() -> Settle:
    return make_settle(load_rate_card())


def report(**given: Any) -> UsageRecord:
    """Make a report of one call; any number of them is one call."""
    used = {"input_tokens": 10, "output_tokens": 2, "duration_ns": 10**9}
    return record_of_response("chatcmpl-one-of-all", **(used | given))


def ids(store: SqlStore) -> list[int]:
    with store.engine.connect() as connection:
        return list(connection.scalars(select(usage_record.c.id).order_by(usage_record.c.span_id)))


def void(store: SqlStore, record_id: int) -> UsageRecord:
    return void_record(store, record_id, why="a load test", by="ann", now_ns=NOON_NS)


def test_a_void_record_is_not_counted_and_stays(store: SqlStore) -> None:
    record, other = make_record(), make_record()
    store.write([record, other])

    was = void(store, ids(store)[0])

    assert was == record
    assert rows(store) == [record._replace(counted=False, counted_reason=VOIDED), other]
    [event] = list_audit_events(store.engine)
    assert event[1:] == (NOON_NS, "ann", "void", ids(store)[0], 1, "a load test")


def test_a_void_call_stays_void_when_more_of_it_comes(store: SqlStore, settle: Settle) -> None:
    store.write([report(), report()], settle=settle)
    billed = [n for n, row in zip(ids(store), rows(store), strict=True) if row.counted]
    void(store, billed[0])

    store.write([report(), make_record()], settle=settle)

    assert [row.counted for row in rows(store)] == [False, False, False, True]
    assert [row.counted_reason for row in rows(store)].count(VOIDED) == 1


def test_what_repeats_a_call_is_not_void_but_names_it(store: SqlStore, settle: Settle) -> None:
    store.write([report(), report()], settle=settle)
    first, second = ids(store)
    billed, repeated = (first, second) if rows(store)[0].counted else (second, first)

    with pytest.raises(AmendError, match=f"not counted: response_id; it repeats record {billed}"):
        void(store, repeated)

    assert list_audit_events(store.engine) == []


def test_a_record_is_void_once_and_must_be_there(store: SqlStore) -> None:
    store.write([make_record()])
    [record] = ids(store)
    void(store, record)

    with pytest.raises(AmendError, match=f"record {record} is void already"):
        void(store, record)
    with pytest.raises(AmendError, match="there is no record 99"):
        void(store, 99)


def test_a_record_of_a_closed_period_stays_as_it_was_reported(store: SqlStore) -> None:
    store.write([record := make_record()])
    edges = {"start_ns": NOON_NS - 1, "end_ns": NOON_NS + 1, "now_ns": NOON_NS + 2}
    close_period(store, "2026-11", tz="UTC", by="ann", **edges)

    with pytest.raises(AmendError, match="is of 2026-11, which is closed"):
        void(store, ids(store)[0])

    assert rows(store) == [record]


def erase(store: SqlStore, user: str) -> int:
    return erase_user(store, user, why="asked for", by="ann", now_ns=NOON_NS)


ANN = {"user_id": "ann", "user_email": "ann@example.com"}


@pytest.mark.parametrize("user", ["ann", "ann@example.com"])
def test_a_person_goes_and_the_sums_stay(store: SqlStore, user: str) -> None:
    hers, others = make_record(**ANN, input_tokens=7), make_record(user_id="anna", input_tokens=5)
    store.write([hers, others])

    erased = erase(store, user)

    assert erased == 1
    assert rows(store) == [hers._replace(user_id=None, user_email=None), others]
    [event] = list_audit_events(store.engine)
    assert event[1:] == (NOON_NS, "ann", "erase", None, 1, "asked for")


@pytest.mark.parametrize(
    ("given", "left"),
    [
        pytest.param({"error_message": "no quota for ann."}, {"error_message": None}, id="message"),
        pytest.param({"error_message": "annual"}, {}, id="another-word"),
        pytest.param(
            {"metadata": '{"enduser":"ann","plan":"pro"}'},
            {"metadata": '{"plan":"pro"}'},
            id="an-attribute",
        ),
        pytest.param({"metadata": '{"to":["bob","ann"]}'}, {"metadata": None}, id="in-a-list"),
        pytest.param({"metadata": '{"plan":"planned"}'}, {}, id="part-of-a-value"),
    ],
)
def test_a_person_goes_from_texts(
    store: SqlStore, given: dict[str, Any], left: dict[str, Any]
) -> None:
    record = make_record(**given)
    store.write([record])

    erased = erase(store, "ann")

    assert rows(store) == [record._replace(**left)]
    assert erased == (1 if left else 0)


@pytest.mark.parametrize("user", ["ann", 'a"n\\n', "änn%", "a_n"])
def test_a_person_goes_from_what_was_merged_and_stays_away(
    store: SqlStore, settle: Settle, user: str
) -> None:
    named = report(user_id=user, duration_ns=2 * 10**9, started_ns=NOON_NS - 1)
    store.write([named, report(), make_record(user_id="aXn")], settle=settle)
    assert sum(row.user_id == user for row in rows(store)) == 2

    erased = erase(store, user)
    store.write([report()], settle=settle)

    assert erased == 2
    assert [row.user_id for row in rows(store) if row.user_id] == ["aXn"]
    with store.engine.connect() as connection:
        kept = connection.scalars(select(usage_record.c.facts)).all()
    assert not any('"user_id":"' in (text or "") for text in kept)


def test_a_person_goes_from_a_closed_period_too(store: SqlStore, settle: Settle) -> None:
    store.write([report(user_email="ann@example.com"), report()], settle=settle)
    edges = {"start_ns": NOON_NS - 9, "end_ns": NOON_NS + 9, "now_ns": NOON_NS + 10}
    close_period(store, "2026-11", tz="UTC", by="bob", **edges)
    late = report(user_id="ann", user_email="ann@example.com", duration_ns=2 * 10**9)
    store.write([late], settle=settle)

    erase(store, "ann")
    erase(store, "ann@example.com")

    with store.engine.connect() as connection:
        held = [
            str(row)
            for table in usage_record.metadata.sorted_tables
            if table.name != "audit_event"
            for row in connection.execute(select(table))
        ]
    assert [row for row in held if "'ann" in row or '"ann' in row] == []


def test_more_records_than_one_transaction_takes_are_erased(store: SqlStore) -> None:
    store.write([make_record(**ANN) for _ in range(1_201)])

    assert erase(store, "ann") == 1_201
    assert {row.user_id for row in rows(store)} == {None}
