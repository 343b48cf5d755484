from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spantoll.errors import StoreUnavailable
from spantoll.forward.annotate import SpanKey
from spantoll.forward.prices import Billed
from spantoll.forward.sender import Outcome, Reply, Sender
from spantoll.forward.split import split

__all__ = ["Counts", "Job", "Line", "Retry"]

log = logging.getLogger(__name__)


class Job(NamedTuple):
    """A committed request that is to go on."""

    body: bytes
    content_type: str
    tenant: str
    keys: Sequence[SpanKey]
    """Its spans that became records."""
    billed: Sequence[Billed] | None
    """What those of them cost that are billed; None if the ledger has to be asked."""
    hops: str

    @property
    def size_bytes(self) -> int:
        """What it takes of the queue, roughly: ids weigh 24 bytes and some objects."""
        return len(self.body) + 200 * (len(self.keys) + len(self.billed or ()))


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
        self._thread = threading.Thread(target=self._run, name="spantoll-forward", daemon=True)
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
        self._thread.join(budget_s)
        self._hurry.set()
        with self._changed:
            if self._waiting:
                log.warning("%s: %d requests are left unsent", self._name, len(self._waiting))
            while self._waiting:
                self._leave(self._waiting.popleft(), dropped=1)
        self._sender.close()
        self._thread.join(1.0)

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
