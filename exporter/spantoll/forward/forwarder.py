"""Committed requests of spans in; the same requests, with their cost, at every target.

A queue and a thread for each target keep one that is down or slow from delaying ingest or another
target. With `durable`, a request is on the queues' disk before its sender gets the acknowledgement.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from sqlalchemy import Engine

from spantoll.errors import ConfigurationError
from spantoll.forward.annotate import SpanKey, add_attributes
from spantoll.forward.cost_attributes import encode_cost_attributes, read_cost_attributes
from spantoll.forward.counts import Counts
from spantoll.forward.delivery import Retry
from spantoll.forward.disk_queue import DiskQueue
from spantoll.forward.json_request import convert_json_request
from spantoll.forward.queue_file import QueueFile
from spantoll.forward.queues import MemoryQueue, QueueFullError, RequestQueue
from spantoll.forward.request import QueuedRequest
from spantoll.forward.sender import connect
from spantoll.forward.target import Target
from spantoll.forward.worker import TargetWorker
from spantoll.otlp import JSON
from spantoll.records import Billed

__all__ = ["Forwarder"]

MEMORY_BYTES = 64 << 20
DISK_BYTES = 1 << 30
LIMIT_BYTES = 4 << 20
"""Of one request; gRPC servers take no more by default, Jaeger among them."""
HOPS = re.compile(r"[0-9a-f]{32}(,[0-9a-f]{32}){0,15}")
"""The header as receivers write it; other content is not passed on."""


class Forwarder:
    """Sends committed requests to every target, each with its own queue and thread."""

    def __init__(
        self,
        targets: Sequence[Target],
        engine: Engine,
        *,
        headers: Mapping[Target, Mapping[str, str]] | None = None,
        queue_bytes: int = MEMORY_BYTES,
        limit_bytes: int = LIMIT_BYTES,
        retry: Retry | None = None,
        queue: Path | None = None,
        durable: bool = False,
    ) -> None:
        """Open the queues and start. Raises ConfigurationError."""
        if durable and queue is None:
            raise ConfigurationError("--forward-durable needs --forward-queue DIR")
        self.instance = uuid.uuid4().hex
        self._engine = engine
        self._durable = durable
        self._queue_bytes = queue_bytes
        self._workers = {
            str(target): TargetWorker(
                str(target),
                connect(target, (headers or {}).get(target, {})),
                self._prepare,
                self._open_queue(str(target), queue),
                limit_bytes=limit_bytes,
                retry=retry or Retry(),
            )
            for target in targets
        }

    def __call__(
        self,
        body: bytes,
        *,
        content_type: str,
        tenant: str,
        keys: Sequence[SpanKey],
        spans: int,
        hops: str,
        billed: Sequence[Billed] | None = None,
    ) -> Sequence[Future[None]]:
        """Take a request over after its commit. Returns at once and raises nothing.

        The request may be acknowledged when all futures are done; StoreUnavailable in one of them
        asks the sender to send it again. There are none unless the forwarder is durable.
        """
        if self.instance in hops:
            for worker in self._workers.values():
                worker.skip_loop()
            return ()
        hops = hops if HOPS.fullmatch(hops) else ""
        passed = f"{hops},{self.instance}" if hops else self.instance
        request = QueuedRequest(body, content_type, tenant, keys, billed, passed, spans)
        if self._durable:
            # In none of the queues or in all: the sender's next attempt would reach some twice.
            for worker in self._workers.values():
                try:
                    worker.check_room(request)
                except QueueFullError as error:
                    return (worker.refuse(str(error)),)
        stored = [worker.put(request) for worker in self._workers.values()]
        return [future for future in stored if future is not None]

    def counts(self) -> Mapping[str, Counts]:
        """Snapshot the counts of each target, by its URL."""
        return {name: worker.counts for name, worker in self._workers.items()}

    def close(self, *, budget_s: float) -> None:
        """Save or send the waiting requests within the budget, all targets at once."""
        closing = [
            threading.Thread(target=worker.close, args=(budget_s,))
            for worker in self._workers.values()
        ]
        deadline = time.monotonic() + budget_s + 2.0
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _open_queue(self, target: str, directory: Path | None) -> RequestQueue:
        if directory is None:
            return MemoryQueue(limit_bytes=self._queue_bytes)
        return DiskQueue(
            QueueFile(directory, target),
            target,
            memory_bytes=self._queue_bytes,
            disk_bytes=DISK_BYTES,
            durable=self._durable,
        )

    def _prepare(self, request: QueuedRequest) -> bytes:
        """Add the cost to a request. Raises StoreUnavailable, and ValueError for unfit JSON."""
        body = request.body
        if request.content_type == JSON:
            body = convert_json_request(body)
        if request.billed is not None:
            return add_attributes(body, encode_cost_attributes(request.billed))
        if not request.keys:
            return body
        found = read_cost_attributes(self._engine, request.tenant, request.keys)
        return add_attributes(body, found)
