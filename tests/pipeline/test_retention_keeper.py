"""The setting `retention`: once a day what is older is deleted, and its sums stay."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest

from spantoll.pipeline.retention_keeper import RetentionCounts, RetentionKeeper
from spantoll.query import Query, run
from spantoll.storage import SqlStore, open_store
from spantoll.storage.audit_events import list_audit_events
from spantoll.storage.roll_ups import DAY_NS
from tests.query.test_same_answers_everywhere import Missing
from tests.support import clickhouse
from tests.support.records import NOON_NS, make_record, stored_records

TODAY_NS = NOON_NS - NOON_NS % DAY_NS
AGES = (13, 12, 11, 10, 9, 1, 0)
"""Days before now, in the order of ids: the newest id is never deleted."""


@pytest.fixture(params=["memory", "clickhouse"])
def url(request: pytest.FixtureRequest, missing: Missing) -> Iterator[str]:
    if request.param == "memory":
        yield "memory:"
    else:
        with clickhouse.open_database(missing) as made:
            yield made


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    with closing(open_store(url)) as opened:
        assert isinstance(opened, SqlStore)
        opened.write([make_record(started_ns=NOON_NS - days * DAY_NS) for days in AGES])
        yield opened


class Clock:
    now_ns = NOON_NS


def make_keeper(store: SqlStore, clock: Clock) -> RetentionKeeper:
    return RetentionKeeper(
        store,
        lambda now_ns: now_ns - 10 * DAY_NS,
        settle_pending=lambda: None,
        clock_ns=lambda: clock.now_ns,
    )


def count_records(store: SqlStore) -> int:
    return len(stored_records(store.engine))


def test_what_is_older_is_deleted_once_a_day(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    keeper = make_keeper(store, clock)

    keeper.delete_due()
    clock.now_ns += DAY_NS // 4
    keeper.delete_due()
    first = keeper.read_counts()
    clock.now_ns += DAY_NS
    keeper.delete_due()

    assert first == RetentionCounts(3, TODAY_NS - 10 * DAY_NS)
    assert keeper.read_counts() == RetentionCounts(4, TODAY_NS - 9 * DAY_NS)
    assert count_records(store) == len(AGES) - 4
    assert run(store.engine, Query(measures=["requests"])).totals["requests"] == len(AGES)
    assert [each.done_by for each in list_audit_events(store.engine)] == ["setting retention"] * 2
    logged = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert logged[0].startswith("3 records before 2026-11-10 (UTC) are deleted")


def test_what_is_stopped_is_due_again(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spantoll.storage.retention_run.BATCH", 1)
    monkeypatch.setattr("spantoll.storage.clickhouse.retention.SLICE", 1)
    keeper = make_keeper(store, Clock())

    keeper.delete_due(lambda: True)
    stopped = keeper.read_counts().deleted
    keeper.delete_due()

    assert (stopped, keeper.read_counts().deleted) == (1, 3)


def test_a_new_process_goes_on_with_the_mark(store: SqlStore) -> None:
    make_keeper(store, Clock()).delete_due()

    keeper = make_keeper(store, Clock())
    keeper.delete_due()

    assert keeper.read_counts() == RetentionCounts(0, TODAY_NS - 10 * DAY_NS)
