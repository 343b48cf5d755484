"""Decode and price the body of one request, without stopping the requests beside it.

In: a body as it came. Out: its decompressed bytes and what they became, a `Batch`; or BadRequest,
TooLarge, Overloaded. With worker processes, they decode; a body that is smaller than the way there
and back, and every small body without them, is decoded in the event loop. A large one is decoded
in a thread: one at a time, since each step multiplies its bytes.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from spantoll.errors import TooLarge
from spantoll.otlp import PROTOBUF, decompress
from spantoll.pipeline import Batch, Ingest
from spantoll.pipeline.packing import Job
from spantoll.receiver.admission import Ticket
from spantoll.receiver.limits import Limits
from spantoll.receiver.signals import Signal
from spantoll.receiver.workers import Workers

__all__ = ["Decoded", "Decoder", "Request"]

T = TypeVar("T")


class Request(NamedTuple):
    """What is known of a request besides its body."""

    signal: Signal
    ticket: Ticket
    content_type: str = PROTOBUF
    encoding: str = ""
    """The content encoding that has to be undone; empty for none."""
    hops: str = ""
    """The receivers that it was forwarded by."""


class Decoded(NamedTuple):
    """The decompressed body, and what became of it."""

    body: bytes
    batch: Batch


class Decoder:
    """Decodes small bodies at once and large ones in turn, or gives them to worker processes."""

    def __init__(
        self,
        ingest: Ingest,
        limits: Limits,
        *,
        workers: Workers | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._ingest = ingest
        self._limits = limits
        self._workers = workers
        self._clock_ns = clock_ns
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spantoll-decode")
        self._turn = asyncio.Lock()

    async def decode(self, body: bytes, request: Request) -> Decoded:
        """Decode one body. Raises BadRequest, Overloaded and StoreUnavailable."""
        small_bytes = min(self._limits.inline_bytes, self._limits.body_bytes)
        if len(body) <= small_bytes:
            try:
                plain = decompress(body, encoding=request.encoding, limit_bytes=small_bytes)
            except TooLarge:
                pass  # Small bytes may hold much: what turns out large has to wait for its turn.
            else:
                request.ticket.grow(len(plain) - len(body))
                workers = self._find_workers(plain)
                if workers is not None:
                    return Decoded(plain, await workers.read(self._make_job(plain, request)))
                return Decoded(plain, self._read(plain, request))
        async with self._turn:
            body = await self._decompress(body, request)
            workers = self._find_workers(body)
            if workers is None:
                read = functools.partial(self._read, body, request)
                return Decoded(body, await self._in_thread(read))
        # Without the turn: a worker decodes one at a time anyway.
        return Decoded(body, await workers.read(self._make_job(body, request)))

    def close(self) -> None:
        """End the thread; what it has not begun is cancelled."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _find_workers(self, body: bytes) -> Workers | None:
        """Return the workers where one takes this body, None where it is decoded here."""
        if self._workers is None or len(body) <= self._limits.hop_bytes:
            return None
        return self._workers if self._workers.ready else None

    def _make_job(self, body: bytes, request: Request) -> Job:
        return Job(
            request.signal.name,
            body,
            self._clock_ns(),
            request.content_type,
            request.ticket.tenant,
        )

    async def _decompress(self, body: bytes, request: Request) -> bytes:
        """Decompress a large body in the thread, and account for what it becomes."""
        if not request.encoding:
            return body
        limit_bytes = self._limits.body_bytes
        plain = await self._in_thread(
            functools.partial(decompress, body, encoding=request.encoding, limit_bytes=limit_bytes)
        )
        request.ticket.grow(len(plain) - len(body))
        return plain

    def _read(self, body: bytes, request: Request) -> Batch:
        return request.signal.read(
            self._ingest,
            body,
            received_ns=self._clock_ns(),
            content_type=request.content_type,
            tenant=request.ticket.tenant,
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
