"""One worker process, as the receiver's event loop sees it.

In: messages of `pipeline.packing`, several at a time. Out: a future for the answer of each, or
StoreUnavailable when the process ends first; nothing of it was committed, so the sender may send it
again. The process is `pipeline.worker`, at the other end of a pair of sockets.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from typing import NamedTuple

from spantoll.errors import StoreUnavailable
from spantoll.pipeline.packing import LENGTH

__all__ = ["LOOK_S", "WorkerProcess"]

LOOK_S = 0.25
"""Between two looks at whether a worker answers."""
PATIENCE_LOOKS = 8
"""2 s: half of what a request may take, so that those that come next are not affected. Looks are
counted and not seconds: a machine that stood still has not looked either."""
LOOK_BYTES = 256 << 10
"""More of a body takes one look more: 1 MB/s is a tenth of the speed of decoding."""
START_LOOKS = 240
"""Until the first answer, 60 s: a process begins with imports, on a busy machine."""
END_S = 1.0
"""For a worker to end by itself."""
SOCKET_BYTES = 1 << 20
"""Asked of the system for each direction of a socket: the next body of 512 spans (300 kB) is there
when a worker has answered. Linux gives no more than net.core.wmem_max, doubled, see socket(7)."""
BUFFERED_BYTES = 16 << 20
"""Of an answer, before reading pauses."""


class _Asked(NamedTuple):
    reply: asyncio.Future[bytes] | None
    size_bytes: int


class WorkerProcess:
    """A worker process and what it was asked; it answers in that order."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._popen = popen
        self._reader = reader
        self._writer = writer
        self._asked: deque[_Asked] = deque()
        self._looks = 0
        self._answered = False
        self.waiting_bytes = 0
        """Of messages that are not answered."""
        self.revision = -1
        """Of the rate card that it was sent last; see `RateCard.revision`."""
        self.ended: asyncio.Task[None] = asyncio.create_task(self._read())
        """Done when the process answers no more."""

    @classmethod
    async def start(cls) -> WorkerProcess:
        """Start a process. Raises OSError where the system has no room for one."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
        with theirs:
            try:
                popen = subprocess.Popen(  # noqa: S603  our own module
                    [sys.executable, "-P", "-m", "spantoll.pipeline.worker", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env={**os.environ, "MALLOC_ARENA_MAX": "1"},
                )
            except BaseException:
                ours.close()
                raise
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=BUFFERED_BYTES)
        except BaseException:  # cancelled, too
            ours.close()
            popen.kill()
            popen.wait()
            raise
        return cls(popen, reader, writer)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._popen.pid

    def ask(self, message: bytes) -> asyncio.Future[bytes]:
        """Send a message; the future is its answer, or fails with StoreUnavailable."""
        reply = asyncio.get_running_loop().create_future()
        self._send(message, reply)
        return reply

    def send(self, message: bytes) -> None:
        """Send a message whose answer says nothing."""
        self._send(message, None)

    def look(self) -> None:
        """Kill the process if it has not answered for too many looks; to be called each LOOK_S."""
        if not self._asked:
            self._looks = 0
            return
        self._looks += 1
        patience = PATIENCE_LOOKS + self._asked[0].size_bytes // LOOK_BYTES
        if self._looks > (patience if self._answered else START_LOOKS):
            self._popen.kill()

    async def close(self) -> int:
        """End the process, by force where it does not end by itself; return its exit status."""
        self._writer.close()
        try:
            return await asyncio.to_thread(self._popen.wait, END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return await asyncio.to_thread(self._popen.wait)
        finally:
            await self.ended

    def _send(self, message: bytes, reply: asyncio.Future[bytes] | None) -> None:
        if self.ended.done():
            raise StoreUnavailable("a worker process has ended, please send again")
        self._asked.append(_Asked(reply, len(message)))
        self.waiting_bytes += len(message)
        self._writer.writelines([LENGTH.pack(len(message)), message])

    async def _read(self) -> None:
        try:
            while True:
                (size_bytes,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
                answer = await self._reader.readexactly(size_bytes)
                asked = self._asked.popleft()
                self.waiting_bytes -= asked.size_bytes
                self._looks = 0
                self._answered = True
                if asked.reply is not None and not asked.reply.done():
                    asked.reply.set_result(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the process has ended
        finally:
            self._fail()

    def _fail(self) -> None:
        """Refuse what was not answered."""
        for asked in self._asked:
            if asked.reply is not None and not asked.reply.done():
                error = StoreUnavailable("a worker process has ended, please send again")
                asked.reply.set_exception(error)
        self._asked.clear()
