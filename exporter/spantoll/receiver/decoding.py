"""Decode and price the body of one request, without stopping the requests beside it.

In: a body as it came. Out: its decompressed bytes and what they became, a `Batch`; or BadRequest,
TooLarge, Overloaded. A small body is decoded in the event loop, a large one in a worker thread:
one at a time, from decompression to records, since each of those steps multiplies its bytes.
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
from spantoll.receiver.admission import Ticket
from spantoll.receiver.limits import Limits
from spantoll.receiver.signals import Signal

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
    """Decodes small bodies at once and large ones in turn."""

    def __init__(
        self, ingest: Ingest, limits: Limits, *, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._ingest = ingest
        self._limits = limits
        self._clock_ns = clock_ns
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="spantoll-decode")
        self._turn = asyncio.Lock()

    async def decode(self, body: bytes, request: Request) -> Decoded:
        """Decode one body. Raises BadRequest and Overloaded."""
        small_bytes = min(self._limits.inline_bytes, self._limits.body_bytes)
        if len(body) <= small_bytes:
            try:
                plain = decompress(body, encoding=request.encoding, limit_bytes=small_bytes)
            except TooLarge:
                pass  # Small bytes may hold much: what turns out large has to wait for its turn.
            else:
                request.ticket.grow(len(plain) - len(body))
                return Decoded(plain, self._read(plain, request))
        async with self._turn:
            if request.encoding:
                size_bytes = len(body)
                body = await self._in_worker(
                    functools.partial(
                        decompress,
                        body,
                        encoding=request.encoding,
                        limit_bytes=self._limits.body_bytes,
                    )
                )
                request.ticket.grow(len(body) - size_bytes)
            batch = await self._in_worker(functools.partial(self._read, body, request))
            return Decoded(body, batch)

    def close(self) -> None:
        """End the worker thread; what it has not begun is cancelled."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _read(self, body: bytes, request: Request) -> Batch:
        return request.signal.read(
            self._ingest,
            body,
            received_ns=self._clock_ns(),
            content_type=request.content_type,
            tenant=request.ticket.tenant,
        )

    async def _in_worker(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)
