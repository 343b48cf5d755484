from __future__ import annotations

import functools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from spantoll.errors import StoreUnavailable
from spantoll.forward.job import Job
from spantoll.forward.sender import Outcome, Reply, Sender
from spantoll.forward.split import split
from spantoll.forward.spool import Spool

__all__ = ["Counts", "Line", "Retry"]

log = logging.getLogger(__name__)


class Retry(NamedTuple):
    """How the Collector's exporters try again (`retry_on_failure` of exporterhelper)."""

    timeout_s: float = 5.0
    first_s: float = 5.0
    factor: float = 1.5
    longest_s: float = 30.0
    jitter: float = 0.5
    give_up_s: float = 300.0


class Counts(NamedTuple):
    """What one target was sent since the start, in requests unless it says otherwise."""

    forwarded: int = 0
    dropped: int = 0
    """Queue full, refused for good, given up, or left at the end."""
    retried: int = 0
    """Attempts that were repeated."""
    rejected_spans: int = 0
    """What the target said it did not take of requests it took."""
    looped: int = 0
    """Came from ourselves: kept in the ledger, not sent again."""
    waiting: int = 0
    queue_bytes: int = 0


class Line:
    """The way to one target: a queue bounded by bytes, and the thread that empties it.

    A full queue refuses what is new, as the Collector's does.
    """

    def __init__(
        self,
        name: str,
        sender: Sender,
        prepare: Callable[[Job], bytes],
        *,
        queue_bytes: int,
        limit_bytes: int,
        retry: Retry,
        spool: Spool | None = None,
    ) -> None:
        self._name = name
        self._sender = sender
        self._prepare = prepare
        self._queue_bytes = queue_bytes
        self._limit_bytes = limit_bytes
        self._retry = retry
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._counts = Counts()
        self._closed = False
        self._hurry = threading.Event()
        self._spool = spool
        self._spooled = threading.Event()
        self._keeper: threading.Thread | None = None
        work: Callable[[], None] = self._run
        if spool is not None:
            self._counts = Counts(waiting=spool.count, queue_bytes=spool.size_bytes)
            work = functools.partial(self._empty, spool)
            self._keeper = threading.Thread(
                target=self._fill, args=(spool,), name="spantoll-spool", daemon=True
            )
            self._keeper.start()
        self._thread = threading.Thread(target=work, name="spantoll-forward", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a request, or drop and count it. Returns at once."""
        with self._changed:
            held = self._counts.queue_bytes
            if self._closed or held + job.size_bytes > self._queue_bytes:
                first = not self._counts.dropped
                self._count(dropped=1)
            else:
                self._waiting.append(job)
                self._count(queue_bytes=job.size_bytes, waiting=1)
                self._changed.notify()
                return
        if first:
            log.warning("%s: the queue is full, requests are dropped and counted", self._name)

    def skip_loop(self) -> None:
        """Count a request that came from ourselves."""
        with self._changed:
            self._count(looped=1)

    @property
    def counts(self) -> Counts:
        """A snapshot."""
        return self._counts

    def close(self, budget_s: float) -> None:
        """Send what waits as long as the budget lasts, drop and count the rest. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._keeper is not None:
            # What waits is safe once it is on disk; sending it can go on after the next start.
            self._keeper.join(budget_s)
            self._hurry.set()
            self._spooled.set()
        self._thread.join(budget_s)
        self._hurry.set()
        with self._changed:
            if self._waiting:
                log.warning("%s: %d requests are left unsent", self._name, len(self._waiting))
            while self._waiting:
                self._leave(self._waiting.popleft(), dropped=1)
        self._sender.close()
        self._thread.join(1.0)
        if self._spool is not None:
            self._spool.close()

    def _run(self) -> None:
        while (job := self._take()) is not None:
            outcome = Outcome.REFUSED
            try:
                outcome = self._forward(job)
            # The one thread of this target outlives whatever one request brings to light.
            except Exception:
                log.exception("%s: a request could not be forwarded", self._name)
            with self._changed:
                taken = outcome is Outcome.TAKEN
                self._leave(job, forwarded=int(taken), dropped=int(not taken))

    def _fill(self, spool: Spool) -> None:
        """Put on disk what comes in: ingest waits for neither disk nor target."""
        while (job := self._take()) is not None:
            jobs = [job]
            with self._changed:
                jobs += self._waiting
                self._waiting.clear()
            try:
                kept = spool.append(jobs)
            except OSError as error:
                log.warning("%s: the queue cannot be written: %s", self._name, error)
                kept = 0
            if kept < len(jobs):
                log.warning("%s: %d requests found no room", self._name, len(jobs) - kept)
            with self._changed:
                for each in jobs[kept:]:
                    self._leave(each, dropped=1)
            self._spooled.set()
        self._spooled.set()

    def _empty(self, spool: Spool) -> None:
        """Send the oldest request on disk, until it is taken or refused."""
        while not self._hurry.is_set():
            self._spooled.clear()
            found = spool.first()
            if found is None:
                if self._closed:
                    return
                self._spooled.wait(1.0)
                continue
            number, job = found
            outcome = Outcome.REFUSED
            try:
                outcome = self._forward(job)
            # As above.
            except Exception:
                log.exception("%s: a request could not be forwarded", self._name)
            if outcome is Outcome.RETRY:
                # It is kept: for the next attempt, or the next start.
                continue
            with self._changed:
                spool.remove(number)
                taken = outcome is Outcome.TAKEN
                self._leave(job, forwarded=int(taken), dropped=int(not taken))

    def _take(self) -> Job | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            return self._waiting.popleft()

    def _forward(self, job: Job) -> Outcome:
        """Price, divide and send; a part that is refused does not keep the others back."""
        deadline = time.monotonic() + self._retry.give_up_s
        body = self._priced(job, deadline)
        if body is None:
            return Outcome.RETRY
        outcomes = {self._send(part, job.hops, deadline) for part in split(body, self._limit_bytes)}
        if outcomes == {Outcome.RETRY}:
            return Outcome.RETRY
        return Outcome.TAKEN if outcomes == {Outcome.TAKEN} else Outcome.REFUSED

    def _priced(self, job: Job, deadline: float) -> bytes | None:
        while True:
            try:
                return self._prepare(job)
            except StoreUnavailable as error:
                if not self._pause(self._retry.first_s, deadline):
                    log.warning("%s: prices could not be read: %s", self._name, error)
                    return None

    def _send(self, body: bytes, hops: str, deadline: float) -> Outcome:
        pause_s = self._retry.first_s
        while True:
            reply = self._sender.send(body, hops=hops, timeout_s=self._retry.timeout_s)
            if reply.outcome is not Outcome.RETRY:
                self._tell(reply)
                return reply.outcome
            spread = self._retry.jitter
            jittered = pause_s * random.uniform(1 - spread, 1 + spread)  # noqa: S311  no secret
            if not self._pause(max(jittered, reply.after_s), deadline):
                log.warning("%s: given up: %s", self._name, reply.message)
                return reply.outcome
            pause_s = min(pause_s * self._retry.factor, self._retry.longest_s)
            with self._changed:
                self._count(retried=1)

    def _pause(self, pause_s: float, deadline: float) -> bool:
        """Wait before the next attempt; whether there is to be one."""
        if time.monotonic() + pause_s > deadline:
            return False
        return not self._hurry.wait(pause_s)

    def _tell(self, reply: Reply) -> None:
        if reply.outcome is Outcome.REFUSED:
            log.warning("%s: refused: %s", self._name, reply.message)
        elif reply.rejected_spans or reply.message:
            log.warning(
                "%s: %d spans rejected: %s", self._name, reply.rejected_spans, reply.message
            )
            with self._changed:
                self._count(rejected_spans=reply.rejected_spans)

    def _leave(self, job: Job, *, forwarded: int = 0, dropped: int = 0) -> None:
        self._count(forwarded=forwarded, dropped=dropped, queue_bytes=-job.size_bytes, waiting=-1)

    def _count(self, **more: int) -> None:
        counts = self._counts
        self._counts = counts._replace(
            **{name: getattr(counts, name) + number for name, number in more.items()}
        )
