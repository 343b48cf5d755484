"""A queue on disk behind a buffer in memory: a thread writes new requests to disk, synced.

A disk that cannot be written (full, read-only, over quota) pauses the queue: new requests wait
in the buffer, and writing is tried again every PAUSE_S. Requests on disk are sent meanwhile; those
that cannot be deleted then are deleted later, at the latest with the whole file, which needs no
space.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import ClassVar, NamedTuple

from spantoll.errors import StoreUnavailable
from spantoll.forward.queue_file import QueueFile, StoredRequest
from spantoll.forward.queues import QueueFullError, QueueUsage
from spantoll.forward.request import QueuedRequest

__all__ = ["DiskQueue"]

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Between two attempts at a disk that failed."""
SAVE_S = 1.0
"""For the last write, even if no time is left: it saves the buffer."""
KEPT_BYTES = 16 << 20
"""An empty queue gives a larger file back to the file system."""


class Buffered(NamedTuple):
    """A request that is not on disk yet."""

    request: QueuedRequest
    stored: Future[None] | None


class DiskQueue:
    """See RequestQueue. With `durable`, a request that cannot be stored now is refused."""

    survives_restart: ClassVar[bool] = True

    def __init__(
        self, file: QueueFile, name: str, *, memory_bytes: int, disk_bytes: int, durable: bool
    ) -> None:
        self._file = file
        self._name = name
        self._memory_bytes = memory_bytes
        self._disk_bytes = disk_bytes
        self._durable = durable
        self._changed = threading.Condition()
        self._buffer: deque[Buffered] = deque()
        self._buffer_bytes = 0
        self._stored_requests = file.requests
        self._stored_bytes = file.size_bytes
        self._first: StoredRequest | None = None
        """What `wait_first` gave last, if that came from disk."""
        self._handled = 0
        """Requests on disk up to this number need no further attempt."""
        self._readable = file.last
        self._undeleted = False
        """Whether some of those could not be deleted."""
        self._sent_spans = 0
        self._batch: int | None = None
        """How many requests are written at once; None is all."""
        self._paused = ""
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name="spantoll-queue", daemon=True)
        self._writer.start()

    def check_room(self, request: QueuedRequest) -> None:
        """Raise QueueFullError if `put` would at present."""
        if self._closed:
            raise QueueFullError("shutting down")
        if self._durable and self._paused:
            raise QueueFullError(self._paused)
        held = self._buffer_bytes + request.size_bytes
        if self._buffer and held > self._memory_bytes:
            raise QueueFullError(self._paused or "the queue's buffer in memory is full")
        if self._stored_bytes and self._stored_bytes + held > self._disk_bytes:
            raise QueueFullError("the queue is full")

    def put(self, request: QueuedRequest) -> Future[None] | None:
        """Add a request. Raises QueueFullError."""
        stored: Future[None] | None = None
        if self._durable:
            stored = Future()
            # A sender that goes away must not cancel it: the writer is to report the outcome.
            stored.set_running_or_notify_cancel()
        with self._changed:
            self.check_room(request)
            self._buffer.append(Buffered(request, stored))
            self._buffer_bytes += request.size_bytes
            self._changed.notify_all()
        return stored

    def wait_first(self) -> QueuedRequest | None:
        """Wait for the oldest request and leave it in the queue; None once closed and empty."""
        while True:
            with self._changed:
                readable, written = self._readable, self._closed and not self._writer.is_alive()
                if written and self._buffer:
                    # The disk does not take these: sending them now is their last chance.
                    self._first = None
                    return self._buffer[0].request
            found = self._read_first()
            if found is not None or written:
                return found
            with self._changed:
                if self._readable == readable:
                    self._changed.wait(PAUSE_S)

    def record_sent(self, spans: int) -> None:
        """Remember that the first `spans` of the oldest request need no further attempt."""
        if self._first is None:
            with self._changed:
                if self._buffer:
                    request, stored = self._buffer[0]
                    self._buffer[0] = Buffered(request._replace(sent_spans=spans), stored)
            return
        self._sent_spans = spans
        try:
            self._file.record_sent(self._first.number, spans)
        except OSError as error:
            self._pause(str(error))

    def remove_first(self) -> None:
        """Forget the oldest request."""
        with self._changed:
            if self._first is None:
                if self._buffer:
                    self._buffer_bytes -= self._buffer.popleft().request.size_bytes
                return
            self._stored_requests -= 1
            self._stored_bytes -= self._first.size_bytes
            self._handled = self._first.number
            self._first = None
            empty = self._stored_requests == 0
        try:
            self._file.remove(through=self._handled)
            if empty:
                self._file.replace_if_empty(after=self._handled, above_bytes=KEPT_BYTES)
        except OSError as error:
            self._undeleted = True
            self._pause(str(error))

    def usage(self) -> QueueUsage:
        """Measure the waiting requests."""
        with self._changed:
            return QueueUsage(
                self._stored_requests + len(self._buffer),
                self._stored_bytes + self._buffer_bytes,
                len(self._buffer),
                self._paused,
            )

    def close(self, timeout_s: float) -> bool:
        """Refuse new requests, write the buffer; True if every request is on disk."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._writer.join(max(timeout_s, SAVE_S))
        with self._changed:
            self._changed.notify_all()
            return not self._buffer

    def take_unsaved(self) -> Sequence[QueuedRequest]:
        """Remove and return the requests that are not on disk."""
        with self._changed:
            unsaved = [buffered.request for buffered in self._buffer]
            self._buffer.clear()
            self._buffer_bytes = 0
            return unsaved

    def release(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_first(self) -> QueuedRequest | None:
        try:
            stored = self._file.read_first(after=self._handled)
        except OSError as error:
            self._pause(str(error))
            return None
        # The writer counts a request in `usage` after it is in the file.
        if stored is None or stored.number > self._readable:
            return None
        if self._first is None or stored.number != self._first.number:
            self._sent_spans = stored.sent_spans
        self._first = stored
        # The disk may not have taken the last record of sent spans.
        return stored.decode()._replace(sent_spans=self._sent_spans)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._buffer or self._closed or self._paused)
                if self._paused:
                    self._changed.wait_for(lambda: self._closed, PAUSE_S)
                batch = list(itertools.islice(self._buffer, self._batch))
                closed = self._closed
            try:
                self._write(batch)
            except OSError as error:
                self._refuse(batch, str(error))
            # Any other error is handled alike: the requests wait, readiness reports it.
            except Exception as error:
                log.exception("%s: the queue cannot be written", self._name)
                self._refuse(batch, f"{type(error).__name__}: {error}")
            if closed and (self._paused or not self._buffer):
                return

    def _write(self, batch: Sequence[Buffered]) -> None:
        if self._paused or self._undeleted:
            self._free_handled()
        size_bytes = 0
        if batch:
            size_bytes = self._file.append([request for request, _ in batch])
        elif self._paused:
            self._file.check_writable()
        with self._changed:
            for _ in range(min(len(batch), len(self._buffer))):
                self._buffer_bytes -= self._buffer.popleft().request.size_bytes
            self._stored_requests += len(batch)
            self._stored_bytes += size_bytes
            self._readable = self._file.last
            resumed, self._paused = self._paused, ""
            self._batch = None
            self._changed.notify_all()
        if resumed:
            log.warning("%s: the queue's disk can be written again", self._name)
        for _, stored in batch:
            if stored is not None and not stored.done():
                stored.set_result(None)

    def _free_handled(self) -> None:
        """Give back the space of handled requests: SQLite's log alone may have filled the disk."""
        undeleted, self._undeleted = self._undeleted, False
        handled = self._handled
        try:
            if not self._file.replace_if_empty(after=handled) and undeleted:
                self._file.remove(through=handled)
        except OSError:
            self._undeleted = undeleted or self._undeleted
            raise

    def _refuse(self, batch: Sequence[Buffered], reason: str) -> None:
        """Fail the futures of a batch that was not written; its requests stay in the buffer."""
        self._pause(reason)
        # A smaller batch may find the space that this one did not.
        self._batch = max(1, len(batch) // 2)
        for _, stored in batch:
            if stored is not None and not stored.done():
                stored.set_exception(StoreUnavailable(f"the forwarding queue: {reason}"))

    def _pause(self, reason: str) -> None:
        with self._changed:
            paused, self._paused = self._paused, reason
            self._changed.notify_all()
        if not paused:
            log.warning("%s: the queue's disk cannot be written: %s", self._name, reason)
