"""Group commit: records of many callers are written in few transactions.

Input: records and the rates they name, from any thread. Output: a future that is done after the
commit that made them durable; a store that is unavailable is tried again for a bounded time. One
thread writes, or as many as the store has `writers`.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from spantoll.errors import RecordRejected, StoreUnavailable
from spantoll.pipeline.busy import BusyShare
from spantoll.pipeline.ledger import Ledger
from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord
from spantoll.storage.store import Settle, Store, WriteResult

__all__ = ["Committed", "GroupCommit"]

log = logging.getLogger(__name__)

SWEEP_S = 60.0
"""How often what a process has left unsettled is settled, if no write does it before."""
BUSIEST_SHARE = 0.6
"""Up to this share of its time in writes the writer checkpoints between them. Beyond it checkpoints
of few pages would delay more requests than they relieve: the WAL grows until it must be copied."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.5


class Committed(NamedTuple):
    """What was written since the start, all callers together."""

    groups: int = 0
    inserted: int = 0
    duplicates: int = 0
    corrected: int = 0
    rejected: int = 0


class _Job(NamedTuple):
    records: Sequence[UsageRecord]
    rates: Sequence[Rate]
    size_bytes: int
    since: float
    done: Future[bool]


class GroupCommit:
    """Writes what many callers submit in few transactions; answers them after the commit.

    A thread takes everything that waits and gives it to one `Store.write`. There is no timer: the
    commit before is the batching window. A store that is unavailable is tried again for
    `retry_s`; then everything that waits fails, because its senders hold the better queue. At the
    start and every `sweep_s` it settles what a killed process has left; see `Store`.
    """

    def __init__(
        self,
        store: Store,
        *,
        settle: Settle | None = None,
        group_records: int = 16_384,
        group_bytes: int = 16 << 20,
        queue_bytes: int = 256 << 20,
        retry_s: float = 3.0,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._sweep_s = sweep_s
        self._ledger = Ledger(store, settle=settle)
        self._group_records = group_records
        self._group_bytes = group_bytes
        self._queue_bytes = queue_bytes
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._waiting_bytes = 0
        self._writing: dict[int, float] = {}
        """Since when the group that each thread writes has waited."""
        self._closed = False
        self._closing_now = threading.Event()
        self._committed = Committed()
        self._failure: str | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(first,), name="spantoll-writer", daemon=True)
            for first in [True, *[False] * (store.writers - 1)]
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, records: Sequence[UsageRecord], *, rates: Iterable[Rate] = (), size_bytes: int
    ) -> Future[bool]:
        """Queue records; the future is done when they are durable.

        It is true if they were all new and stand as they were given, with those of other callers
        that were written beside them.

        It fails with StoreUnavailable, or with RecordRejected naming positions in `records` (all
        others of them are stored). Cancelling it before its group is taken withdraws the records.
        Raises StoreUnavailable at once when the queue is full or closed.
        """
        job = _Job(records, tuple(rates), size_bytes, time.monotonic(), Future())
        with self._changed:
            if self._closed:
                raise StoreUnavailable("the writer is closed")
            if self._waiting and self._waiting_bytes + size_bytes > self._queue_bytes:
                raise StoreUnavailable("the write queue is full")
            self._waiting.append(job)
            self._waiting_bytes += size_bytes
            self._changed.notify()
        return job.done

    @property
    def committed(self) -> Committed:
        """What was written so far."""
        return self._committed

    @property
    def failure(self) -> str | None:
        """Why the last write failed; None when it did not."""
        return self._failure

    @property
    def alive(self) -> bool:
        """Whether a thread runs; they end with `close` only."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def waiting(self) -> int:
        """How many requests wait for the write under way to end."""
        return len(self._waiting)

    def stalled_s(self) -> float:
        """How long the oldest unfinished work has been going on: 0 when there is none."""
        with self._changed:
            since = [job.since for job in list(self._waiting)[:1]]
            since += self._writing.values()
        return time.monotonic() - min(since) if since else 0.0

    def close(self, *, flush: bool = True, wait: bool = True) -> None:
        """Write what waits (or fail it, without `flush`), then end the threads. Idempotent.

        Without `wait`, they end later: see `alive`.
        """
        with self._changed:
            self._closed = True
            abandoned = [] if flush else self._empty()
            self._changed.notify_all()
        if not flush:
            self._closing_now.set()
        _fail(abandoned, StoreUnavailable("the writer was closed before this was written"))
        if wait:
            for thread in self._threads:
                thread.join()

    def _run(self, sweeps: bool) -> None:
        sweep_at_s = self._sweep() if sweeps else math.inf
        busy = BusyShare(since_s=time.monotonic())
        while (group := self._take(sweep_at_s)) is not None:
            if time.monotonic() >= sweep_at_s:
                sweep_at_s = self._sweep()
            if not group:
                continue
            began_s = time.monotonic()
            try:
                self._commit(group)
            # The thread that acknowledgements depend on outlives whatever a driver raises.
            except Exception as error:
                log.exception("the write of %d requests failed unexpectedly", len(group))
                _fail(group, StoreUnavailable(f"{type(error).__name__}: {error}"))
            with self._changed:
                del self._writing[threading.get_ident()]
                is_idle = not self._waiting
            busy.add_write(began_s, time.monotonic())
            if is_idle and busy.share <= BUSIEST_SHARE:
                self._checkpoint()

    def _checkpoint(self) -> None:
        """Do what a later write would have to do first, while no sender waits for one."""
        try:
            self._ledger.checkpoint()
        except StoreUnavailable as error:
            log.debug("the next write is slower: %s", error)
        # As for a write: the thread outlives whatever a driver raises.
        except Exception:
            log.exception("the next write is slower")

    def _sweep(self) -> float:
        """Settle what others have left; return when to do it again, by the monotonic clock."""
        try:
            self._ledger.settle_pending()
        except StoreUnavailable as error:
            log.warning("what is not settled waits for %d s more: %s", self._sweep_s, error)
        # As for a write: the thread outlives whatever a driver raises.
        except Exception:
            log.exception("what is not settled waits for %d s more", self._sweep_s)
        return time.monotonic() + self._sweep_s

    def _take(self, until_s: float) -> list[_Job] | None:
        """Wait for a group; return an empty one at `until_s`, None when the writer is closed."""
        group: list[_Job] = []
        records = size_bytes = 0
        with self._changed:
            while not group:
                while not self._waiting:
                    if self._closed:
                        return None
                    left_s = until_s - time.monotonic()
                    if left_s <= 0:
                        return []
                    self._changed.wait(min(left_s, threading.TIMEOUT_MAX))
                while self._waiting and (
                    not group
                    or (
                        records + len(self._waiting[0].records) <= self._group_records
                        and size_bytes + self._waiting[0].size_bytes <= self._group_bytes
                    )
                ):
                    job = self._waiting.popleft()
                    self._waiting_bytes -= job.size_bytes
                    if job.done.set_running_or_notify_cancel():
                        group.append(job)
                        records += len(job.records)
                        size_bytes += job.size_bytes
            self._writing[threading.get_ident()] = group[0].since
        return group

    def _commit(self, group: list[_Job]) -> None:
        deadline = time.monotonic() + self._retry_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                self._write(group)
            except StoreUnavailable as error:
                self._failure = str(error)
                if self._closing_now.is_set() or time.monotonic() + pause_s > deadline:
                    log.warning(
                        "store unavailable, %d requests will be resent: %s", len(group), error
                    )
                    with self._changed:
                        group.extend(self._empty())
                    _fail(group, error)
                    return
                self._closing_now.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            # No error of the store's contract: a defect that one request may have brought along.
            except Exception:
                if len(group) == 1:
                    raise
                log.exception("a group of %d requests failed, writing them one by one", len(group))
                for job in group:
                    self._commit_alone(job)
                return
            else:
                self._failure = None
                return

    def _commit_alone(self, job: _Job) -> None:
        try:
            self._write([job])
        # As above, for one request: its sender will try again, its neighbours are not affected.
        except Exception as error:
            log.exception("one of the requests failed unexpectedly")
            self._failure = f"{type(error).__name__}: {error}"
            _fail([job], StoreUnavailable(self._failure))

    def _write(self, group: list[_Job]) -> None:
        rates = (rate for job in group for rate in job.rates)
        records = [record for job in group for record in job.records]
        try:
            result = self._ledger.write(records, rates=rates)
        except RecordRejected as error:
            self._count(error, rejected=len(error.indexes))
            _answer_owners(group, error)
        else:
            self._count(result)
            as_given = not (
                result.duplicates
                or result.corrected
                or result.unsettled
                or result.settled_elsewhere
            )
            for job in group:
                job.done.set_result(as_given)

    def _count(self, result: WriteResult | RecordRejected, *, rejected: int = 0) -> None:
        with self._changed:
            done = self._committed
            self._committed = Committed(
                done.groups + 1,
                done.inserted + result.inserted,
                done.duplicates + result.duplicates,
                done.corrected + result.corrected,
                done.rejected + rejected,
            )

    def _empty(self) -> list[_Job]:
        jobs = [job for job in self._waiting if job.done.set_running_or_notify_cancel()]
        self._waiting.clear()
        self._waiting_bytes = 0
        return jobs


def _fail(jobs: Iterable[_Job], error: StoreUnavailable) -> None:
    for job in jobs:
        if not job.done.done():
            job.done.set_exception(StoreUnavailable(str(error)))


def _answer_owners(group: Iterable[_Job], error: RecordRejected) -> None:
    """Fail the callers whose own records were refused; answer the others."""
    refused = sorted(error.indexes)
    start = 0
    for job in group:
        end = start + len(job.records)
        own = [index - start for index in refused if start <= index < end]
        start = end
        if own:
            job.done.set_exception(RecordRejected(str(error), own))
        else:
            job.done.set_result(False)
