"""Read the messages of gRPC calls without holding more of them than the process may hold.

In: a call whose metadata were accepted. Out: its message, or StoreUnavailable. gRPC does not say
how long a message is before all of it has arrived, so nothing can be reserved for it: while the
process holds more than `memory_bytes`, all calls but the oldest are refused in mid-upload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from grpc import aio

from spantoll.errors import BadRequest, StoreUnavailable
from spantoll.receiver.memory import resident_bytes

if TYPE_CHECKING:  # generic in the stubs only
    Context = aio.ServicerContext[bytes, bytes]

__all__ = ["MessageReader"]

LOOK_S = 0.02
"""Between two looks at the memory: what one machine's loopback delivers in that time is 20 MB."""


class MessageReader:
    """Reads one message per call; looks at the memory only while an upload takes long."""

    def __init__(
        self,
        *,
        body_s: float,
        memory_bytes: int,
        resident_bytes: Callable[[], int] = resident_bytes,
    ) -> None:
        self._body_s = body_s
        self._memory_bytes = memory_bytes
        self._resident_bytes = resident_bytes
        self._uploads: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, context: Context) -> bytes:
        """Return the message of a call, not decompressed further than the limit of the server.

        Raises StoreUnavailable for an upload that is too slow or that there is no memory for, and
        BadRequest for a call without a message.
        """
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(LOOK_S, self._look)
        try:
            async with asyncio.timeout(self._body_s) as upload:
                self._uploads[upload] = loop.time()
                try:
                    message = await context.read()
                finally:
                    del self._uploads[upload]
        except TimeoutError:
            raise StoreUnavailable("the message did not arrive, please send again") from None
        if not isinstance(message, bytes):  # aio.EOF
            raise BadRequest("the call carries no message")
        return message

    def _look(self) -> None:
        """Refuse uploads while memory is short, oldest excepted, so that one always ends."""
        self._timer = None
        if not self._uploads:
            return
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._timer = loop.call_later(LOOK_S, self._look)
        slow = [
            upload
            for upload, since_s in self._uploads.items()
            if now_s - since_s > LOOK_S and not upload.expired()
        ]
        if len(slow) > 1 and self._resident_bytes() > self._memory_bytes:
            for upload in slow[1:]:
                upload.reschedule(now_s)
