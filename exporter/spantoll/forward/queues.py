"""The queue of one target: requests in, the oldest out, removed after its last attempt.

One thread puts, one thread sends. A full queue refuses new requests, as the Collector's
sending queue does. An empty queue takes a request of any size, for it could never be sent else.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import ClassVar, NamedTuple, Protocol

from spantoll.forward.request import QueuedRequest

__all__ = ["MemoryQueue", "QueueFullError", "QueueUsage", "RequestQueue"]


class QueueFullError(Exception):
    """Raised when a queue does not take a request; the message is the reason."""


class QueueUsage(NamedTuple):
    """The waiting requests of a queue."""

    requests: int
    size_bytes: int
    memory_requests: int
    """Those that end with the process."""
    paused: str = ""
    """Why the disk cannot be written at present."""


class RequestQueue(Protocol):
    """First in, first out; every method may be called from any thread."""

    survives_restart: ClassVar[bool]
    """Whether requests wait for the next start, so that none has to be given up."""

    def check_room(self, request: QueuedRequest) -> None:
        """Raise QueueFullError if `put` would at present."""

    def put(self, request: QueuedRequest) -> Future[None] | None:
        """Add a request at once. Raises QueueFullError.

        The future, where there is one, is done when the request is on disk, or fails with
        StoreUnavailable.
        """

    def wait_first(self) -> QueuedRequest | None:
        """Wait for the oldest request and leave it in the queue; None once closed and empty."""

    def record_sent(self, spans: int) -> None:
        """Remember that the first `spans` of the oldest request need no further attempt."""

    def remove_first(self) -> None:
        """Forget the oldest request."""

    def usage(self) -> QueueUsage:
        """Measure the waiting requests; no figure is ever negative."""

    def close(self, timeout_s: float) -> bool:
        """Refuse new requests, write the others to disk; True if every request is there."""

    def take_unsaved(self) -> Sequence[QueuedRequest]:
        """Remove and return the requests that end with the process; call when nothing is sent."""

    def release(self) -> None:
        """Let files go."""


class MemoryQueue:
    """A queue in memory: its requests end with the process."""

    survives_restart: ClassVar[bool] = False

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._requests: deque[QueuedRequest] = deque()
        self._size_bytes = 0
        self._closed = False

    def check_room(self, request: QueuedRequest) -> None:
        """Raise QueueFullError if `put` would at present."""
        if self._closed:
            raise QueueFullError("shutting down")
        if self._requests and self._size_bytes + request.size_bytes > self._limit_bytes:
            raise QueueFullError("the queue is full")

    def put(self, request: QueuedRequest) -> None:
        """Add a request. Raises QueueFullError."""
        with self._changed:
            self.check_room(request)
            self._requests.append(request)
            self._size_bytes += request.size_bytes
            self._changed.notify()

    def wait_first(self) -> QueuedRequest | None:
        """Wait for the oldest request and leave it in the queue; None once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests or self._closed)
            return self._requests[0] if self._requests else None

    def record_sent(self, spans: int) -> None:
        """Remember that the first `spans` of the oldest request need no further attempt."""
        with self._changed:
            if self._requests:
                self._requests[0] = self._requests[0]._replace(sent_spans=spans)

    def remove_first(self) -> None:
        """Forget the oldest request."""
        with self._changed:
            if self._requests:
                self._size_bytes -= self._requests.popleft().size_bytes

    def usage(self) -> QueueUsage:
        """Measure the waiting requests."""
        with self._changed:
            return QueueUsage(len(self._requests), self._size_bytes, len(self._requests))

    def close(self, timeout_s: float) -> bool:
        """Refuse new requests; True if the queue is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return not self._requests

    def take_unsaved(self) -> Sequence[QueuedRequest]:
        """Remove and return everything."""
        with self._changed:
            unsaved = list(self._requests)
            self._requests.clear()
            self._size_bytes = 0
            return unsaved

    def release(self) -> None:
        """Nothing is held."""
