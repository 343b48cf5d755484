"""The thread that sends the queued requests of one target, oldest first, and counts the results.

A request leaves the queue when the target took or refused it, or when it is given up. An error ends
neither the thread nor another request.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from spantoll.errors import StoreUnavailable
from spantoll.forward.counts import Counts, Tally
from spantoll.forward.delivery import Delivery, Retry
from spantoll.forward.queues import QueueFullError, RequestQueue
from spantoll.forward.request import QueuedRequest
from spantoll.forward.sender import Outcome, Sender

__all__ = ["TargetWorker"]

log = logging.getLogger(__name__)

ABANDON_S = 1.0
"""How long an attempt may outlast the end of the budget; then its request counts as dropped."""
PAUSE_S = 1.0
"""After an unexpected error."""


class TargetWorker:
    """Sends the requests of one queue to one target."""

    def __init__(
        self,
        name: str,
        sender: Sender,
        prepare: Callable[[QueuedRequest], bytes],
        queue: RequestQueue,
        *,
        limit_bytes: int,
        retry: Retry,
    ) -> None:
        self._name = name
        self._sender = sender
        self._queue = queue
        self._tally = Tally()
        self._stopping = threading.Event()
        self._full = False
        self._sent_spans = 0
        """Of the request that is being sent."""
        self._delivery = Delivery(
            name,
            sender,
            prepare,
            self._tally,
            limit_bytes=limit_bytes,
            retry=retry,
            gives_up=not queue.survives_restart,
            stopping=self._stopping,
        )
        self._thread = threading.Thread(target=self._run, name="spantoll-forward", daemon=True)
        self._thread.start()

    def check_room(self, request: QueuedRequest) -> None:
        """Raise QueueFullError if the queue is full."""
        self._queue.check_room(request)

    def put(self, request: QueuedRequest) -> Future[None] | None:
        """Queue a request, or drop and count it; returns at once.

        The future, where there is one, is done when the request is on disk.
        """
        try:
            stored = self._queue.put(request)
        except QueueFullError as error:
            self._tally.add(dropped=1, dropped_spans=request.spans)
            if not self._full:
                self._full = True
                log.warning("%s: %s, requests are dropped and counted", self._name, error)
            return None
        self._full = False
        if stored is not None:
            stored.add_done_callback(self._count_refused)
        return stored

    def refuse(self, reason: str) -> Future[None]:
        """Count a request that its sender has to send again; the future carries the reason."""
        refused: Future[None] = Future()
        refused.set_exception(StoreUnavailable(f"the forwarding queue: {reason}"))
        self._count_refused(refused)
        return refused

    def skip_loop(self) -> None:
        """Count a request that passed this receiver before."""
        self._tally.add(looped=1)

    @property
    def counts(self) -> Counts:
        """A snapshot."""
        requests, size_bytes, memory_requests, paused = self._queue.usage()
        return self._tally.counts._replace(
            waiting=requests,
            queue_bytes=size_bytes,
            memory_requests=memory_requests,
            paused=paused,
        )

    def close(self, budget_s: float) -> None:
        """Save or send the waiting requests within the budget, count the rest. Idempotent."""
        deadline = time.monotonic() + budget_s
        if not self._queue.close(budget_s):
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()
        # The answer to an attempt under way spares the target a second one.
        self._thread.join(min(budget_s, ABANDON_S))
        self._sender.close()
        self._thread.join(ABANDON_S)
        unsaved = self._queue.take_unsaved()
        if unsaved:
            spans = sum(request.unsent_spans for request in unsaved)
            self._tally.add(dropped=len(unsaved), dropped_spans=spans)
            log.warning(
                "%s: %d requests with %d spans are left unsent", self._name, len(unsaved), spans
            )
        self._tally.freeze()
        self._queue.release()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._send_first():
                    return
            # The only thread of this target: it ends with the receiver, not with an error.
            except Exception:
                log.exception("%s: forwarding pauses", self._name)
                self._stopping.wait(PAUSE_S)

    def _send_first(self) -> bool:
        """Send the oldest request; False when there is none and none will come."""
        try:
            request = self._queue.wait_first()
        except ValueError:
            log.exception("%s: a request on disk is damaged", self._name)
            self._tally.add(dropped=1)
            self._queue.remove_first()
            return True
        if request is None:
            return False
        self._sent_spans = request.sent_spans
        try:
            outcome = self._delivery.deliver(request, self._record_sent)
        # A request that cannot be read is dropped and counted; the next one may be sound.
        except Exception:
            log.exception("%s: a request could not be forwarded", self._name)
            self._drop_rest(request)
        else:
            if outcome is Outcome.RETRY:
                if self._stopping.is_set():
                    return True  # It stays: for the next start, or to be counted at the end.
                self._drop_rest(request)
            elif outcome is Outcome.TAKEN:
                self._tally.add(forwarded=1)
            else:
                self._tally.add(dropped=1)
        self._queue.remove_first()
        return True

    def _count_refused(self, stored: Future[None]) -> None:
        if stored.exception() is not None:
            self._tally.add(refused=1)

    def _record_sent(self, spans: int) -> None:
        self._sent_spans = spans
        self._queue.record_sent(spans)

    def _drop_rest(self, request: QueuedRequest) -> None:
        unsent = max(0, request.spans - self._sent_spans)
        self._tally.add(dropped=1, dropped_spans=unsent)
