from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from queue import SimpleQueue

import pytest
from sqlalchemy import Connection, Engine

from spantoll.errors import RecordRejected, StoreUnavailable
from spantoll.pipeline import Committed, GroupCommit
from spantoll.pipeline import commit as commit_module
from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord
from spantoll.storage import open_store
from spantoll.storage.store import Settle, WriteResult

Script = Callable[[Sequence[UsageRecord]], None]


def record(number: int) -> UsageRecord:
    blank = UsageRecord._make([None] * len(UsageRecord._fields))
    return blank._replace(tenant_id="default", trace_id=bytes(16), span_id=number.to_bytes(8))


def rate(rate_id: int) -> Rate:
    return Rate(rate_id, "openai", "gpt-4o", "", (), "", "", "catalogue", "")


class ScriptedStore:
    """Keeps records in memory; `fault` may raise, and `gate` holds a write back until it is set."""

    url = "memory:"

    def __init__(self, *, writers: int = 1) -> None:
        self.writers = writers
        self.groups: list[list[UsageRecord]] = []
        self.rates: list[int] = []
        self.fault: Script = lambda records: None
        self.gate = threading.Event()
        self.gate.set()
        self.tables = open_store("memory:")
        self.entered = threading.Event()
        self.swept: SimpleQueue[int] = SimpleQueue()
        self.checkpoints: SimpleQueue[int] = SimpleQueue()
        self.checkpoint_fault: Exception | None = None

    @property
    def engine(self) -> Engine:
        return self.tables.engine

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        self.entered.set()
        self.gate.wait(30)
        self.fault(records)
        self.groups.append(list(records))
        return WriteResult(len(records), 0, 0)

    def settle_pending(self, settle: Settle) -> int:
        self.swept.put(len(self.groups))
        return 0

    def add_rates(self, rates: Sequence[Rate]) -> None:
        self.rates.extend(one.rate_id for one in rates)

    def checkpoint(self) -> None:
        self.checkpoints.put(len(self.groups))
        if self.checkpoint_fault is not None:
            raise self.checkpoint_fault

    def ping(self) -> None:
        return

    def transaction(self) -> AbstractContextManager[Connection]:
        return self.tables.transaction()

    def close(self) -> None:
        return


@pytest.fixture
def store() -> Iterator[ScriptedStore]:
    store = ScriptedStore()
    yield store
    store.tables.close()


@pytest.fixture
def commit(store: ScriptedStore) -> Iterator[GroupCommit]:
    commit = GroupCommit(store, retry_s=0.2)
    yield commit
    store.gate.set()
    commit.close()


def hold(store: ScriptedStore, commit: GroupCommit) -> None:
    """Leave the writer inside a write, so that what follows has to wait."""
    store.gate.clear()
    commit.submit([record(0)], size_bytes=1)
    store.entered.wait(30)


def test_what_waits_is_written_as_one_group(store: ScriptedStore, commit: GroupCommit) -> None:
    hold(store, commit)

    waiting = [commit.submit([record(n)], size_bytes=1) for n in (1, 2, 3)]
    store.gate.set()
    for done in waiting:
        done.result(5)

    assert store.groups == [[record(0)], [record(1), record(2), record(3)]]
    assert commit.committed == Committed(groups=2, inserted=4)


def test_as_many_groups_are_written_at_once_as_the_store_has_writers() -> None:
    store = ScriptedStore(writers=2)
    two_are_written = threading.Barrier(2)

    def wait_for_another(records: Sequence[UsageRecord]) -> None:
        two_are_written.wait(30)

    store.fault = wait_for_another
    commit = GroupCommit(store, group_records=1)

    answers = [commit.submit([record(n)], size_bytes=1) for n in range(4)]
    given = [answer.result(30) for answer in answers]
    commit.close()
    store.tables.close()

    assert given == [True] * 4
    assert commit.committed == Committed(groups=4, inserted=4)
    assert sorted(group[0].span_id for group in store.groups) == [
        record(n).span_id for n in range(4)
    ]
    assert commit.stalled_s() == 0


@pytest.mark.parametrize(("records", "size_bytes"), [(2, 99), (99, 2)], ids=["records", "bytes"])
def test_a_group_is_bounded(store: ScriptedStore, records: int, size_bytes: int) -> None:
    commit = GroupCommit(store, group_records=records, group_bytes=size_bytes)
    hold(store, commit)

    for n in (1, 2, 3):
        commit.submit([record(n)], size_bytes=1)
    store.gate.set()
    commit.close()

    assert [len(group) for group in store.groups] == [1, 2, 1]


def test_what_is_unsettled_is_swept_before_the_first_write_and_while_idle(
    store: ScriptedStore,
) -> None:
    commit = GroupCommit(store, settle=lambda group: [], sweep_s=0.01)

    swept = [store.swept.get(timeout=30) for _ in range(3)]
    commit.submit([record(1)], size_bytes=1).result(30)

    commit.close()
    assert swept == [0, 0, 0]
    assert store.groups == [[record(1)]]


def test_a_checkpoint_waits_until_no_write_does(store: ScriptedStore) -> None:
    commit = GroupCommit(store, group_records=1)
    hold(store, commit)

    for n in (1, 2, 3):
        commit.submit([record(n)], size_bytes=1)
    store.gate.set()
    commit.close()

    assert store.checkpoints.get(timeout=30) == 4
    assert store.checkpoints.empty()


def test_a_busy_writer_leaves_checkpoints_to_the_commits(
    store: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_module, "BUSIEST_SHARE", -1.0)
    commit = GroupCommit(store)

    commit.submit([record(1)], size_bytes=1).result(30)
    commit.close()

    assert store.checkpoints.empty()


@pytest.mark.parametrize("error", [StoreUnavailable("locked"), ValueError("a defect")], ids=repr)
def test_a_checkpoint_that_fails_costs_no_write(
    store: ScriptedStore, commit: GroupCommit, error: Exception
) -> None:
    store.checkpoint_fault = error

    for n in (1, 2):
        commit.submit([record(n)], size_bytes=1).result(30)
        store.checkpoints.get(timeout=30)

    assert store.groups == [[record(1)], [record(2)]]
    assert commit.failure is None


def test_an_acknowledgement_comes_after_the_commit(
    store: ScriptedStore, commit: GroupCommit
) -> None:
    store.gate.clear()

    done = commit.submit([record(1)], size_bytes=1)
    store.entered.wait(30)

    assert not done.done()
    store.gate.set()
    done.result(5)
    assert store.groups == [[record(1)]]


async def test_coroutines_wait_without_blocking(commit: GroupCommit) -> None:
    jobs = [commit.submit([record(n)], size_bytes=1) for n in range(20)]

    await asyncio.gather(*map(asyncio.wrap_future, jobs))

    assert commit.committed.inserted == 20


def test_a_store_that_comes_back_is_not_noticed(store: ScriptedStore, commit: GroupCommit) -> None:
    failures = iter([StoreUnavailable("locked"), StoreUnavailable("locked")])

    def fault(records: Sequence[UsageRecord]) -> None:
        for failure in failures:
            raise failure

    store.fault = fault
    commit.submit([record(1)], size_bytes=1).result(5)

    assert store.groups == [[record(1)]]
    assert commit.failure is None


def test_a_store_that_stays_away_fails_everything_that_waits(
    store: ScriptedStore, commit: GroupCommit
) -> None:
    def fault(records: Sequence[UsageRecord]) -> None:
        raise StoreUnavailable("disk full")

    store.fault = fault
    hold(store, commit)
    waiting = [commit.submit([record(n)], size_bytes=1) for n in (1, 2)]
    store.gate.set()

    for done in waiting:
        with pytest.raises(StoreUnavailable, match="disk full"):
            done.result(5)
    assert commit.failure == "disk full"
    assert commit.stalled_s() == 0


def test_the_writer_recovers_after_it_gave_up(store: ScriptedStore, commit: GroupCommit) -> None:
    def fault(records: Sequence[UsageRecord]) -> None:
        raise StoreUnavailable("gone")

    store.fault = fault
    with pytest.raises(StoreUnavailable):
        commit.submit([record(1)], size_bytes=1).result(5)

    store.fault = lambda records: None
    commit.submit([record(1)], size_bytes=1).result(5)

    assert store.groups == [[record(1)]]
    assert commit.failure is None


def test_only_the_owner_learns_of_a_rejected_record(
    store: ScriptedStore, commit: GroupCommit
) -> None:
    def fault(records: Sequence[UsageRecord]) -> None:
        refused = [index for index, one in enumerate(records) if one.span_id[-1] == 3]
        if refused:
            raise RecordRejected("out of range", refused)

    store.fault = fault
    hold(store, commit)
    good = commit.submit([record(1), record(2)], size_bytes=1)
    bad = commit.submit([record(4), record(3), record(5)], size_bytes=1)
    store.gate.set()

    good.result(5)
    with pytest.raises(RecordRejected, match="out of range") as caught:
        bad.result(5)
    assert caught.value.indexes == (1,)
    assert commit.committed.rejected == 1


def test_an_unexpected_error_costs_only_the_request_that_brought_it(
    store: ScriptedStore, commit: GroupCommit
) -> None:
    def fault(records: Sequence[UsageRecord]) -> None:
        if any(one.span_id[-1] == 3 for one in records):
            raise OverflowError("int too large")

    store.fault = fault
    hold(store, commit)
    good = commit.submit([record(1)], size_bytes=1)
    bad = commit.submit([record(3)], size_bytes=1)
    store.gate.set()

    good.result(5)
    with pytest.raises(StoreUnavailable, match="OverflowError: int too large"):
        bad.result(5)


def test_an_unexpected_error_does_not_end_the_thread(
    store: ScriptedStore, commit: GroupCommit
) -> None:
    def fault(records: Sequence[UsageRecord]) -> None:
        raise ZeroDivisionError

    store.fault = fault
    with pytest.raises(StoreUnavailable, match="ZeroDivisionError"):
        commit.submit([record(1)], size_bytes=1).result(5)

    store.fault = lambda records: None
    commit.submit([record(2)], size_bytes=1).result(5)

    assert commit.alive
    assert store.groups == [[record(2)]]


def test_a_withdrawn_request_is_not_written(store: ScriptedStore, commit: GroupCommit) -> None:
    hold(store, commit)

    withdrawn = commit.submit([record(1)], size_bytes=1)
    kept = commit.submit([record(2)], size_bytes=1)
    withdrawn.cancel()
    store.gate.set()
    kept.result(5)

    assert store.groups == [[record(0)], [record(2)]]


def test_a_full_queue_refuses_at_once(store: ScriptedStore) -> None:
    commit = GroupCommit(store, queue_bytes=10)
    hold(store, commit)
    commit.submit([record(1)], size_bytes=8)

    with pytest.raises(StoreUnavailable, match="queue is full"):
        commit.submit([record(2)], size_bytes=3)

    store.gate.set()
    commit.close()
    assert [len(group) for group in store.groups] == [1, 1]


def test_rates_are_stored_before_the_records_and_once(
    store: ScriptedStore, commit: GroupCommit
) -> None:
    seen: list[list[int]] = []
    store.fault = lambda records: seen.append(list(store.rates))

    commit.submit([record(1)], rates=[rate(7), rate(8)], size_bytes=1).result(5)
    commit.submit([record(2)], rates=[rate(8), rate(9)], size_bytes=1).result(5)

    assert seen == [[7, 8], [7, 8, 9]]


def test_closing_writes_what_waits(store: ScriptedStore, commit: GroupCommit) -> None:
    hold(store, commit)
    done = commit.submit([record(1)], size_bytes=1)

    threading.Timer(0.05, store.gate.set).start()
    commit.close()

    assert done.done()
    assert store.groups == [[record(0)], [record(1)]]
    assert not commit.alive


def test_closing_without_flush_fails_what_waits(store: ScriptedStore, commit: GroupCommit) -> None:
    hold(store, commit)
    done = commit.submit([record(1)], size_bytes=1)

    threading.Timer(0.05, store.gate.set).start()
    commit.close(flush=False)

    with pytest.raises(StoreUnavailable, match="closed before"):
        done.result(5)


def test_a_closed_writer_takes_nothing(commit: GroupCommit) -> None:
    commit.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        commit.submit([record(1)], size_bytes=1)


def test_stalled_time_counts_from_the_oldest_request(
    store: ScriptedStore, commit: GroupCommit
) -> None:
    idle_s = commit.stalled_s()

    hold(store, commit)

    assert idle_s == 0
    assert commit.stalled_s() > 0
