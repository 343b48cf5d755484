from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from email.utils import formatdate
from typing import Any

import orjson
from uvicorn.config import Config
from uvicorn.server import ServerState

from spantoll.errors import TooLarge, Unauthenticated
from spantoll.otlp import JSON, Decompressor, MediaType, media_type
from spantoll.receiver.admission import Ticket
from spantoll.receiver.answer import Answer, Verdict, status
from spantoll.receiver.health import Health
from spantoll.receiver.intake import HOP, Intake
from spantoll.receiver.limits import Limits
from spantoll.receiver.metrics import Metrics
from spantoll.receiver.protocol import BoundedProtocol
from spantoll.receiver.signals import SIGNALS, Signal, receipt

__all__ = ["HttpServer"]

LINGER_S = 1.0
UNREAD = (Verdict.TOO_LARGE, Verdict.UNKNOWN)
"""What is answered before the body has come."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class DisconnectedError(Exception):
    """The sender went away before its request was complete: nobody to answer."""


class HttpServer:
    """OTLP over HTTP: uvicorn's protocol in the loop of the gRPC server, without a framework.

    Not uvicorn's server, which takes the process's signals, and answers 500 to what it cancels.
    """

    def __init__(self, intake: Intake, health: Health, metrics: Metrics, *, limits: Limits) -> None:
        self._limits = limits
        self._state = ServerState()
        self._config = Config(
            _App(intake, health, metrics, limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=round(limits.idle_s),
        )
        self._config.load()
        self._listeners: list[asyncio.Server] = []

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Serve on listening sockets, which are the server's from now on."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._listeners.append(await loop.create_server(self._connection, sock=sock))

    async def stop(self, grace_s: float) -> None:
        """Close the listeners and idle connections, let requests finish, then cut off."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._state.connections:
                    await asyncio.sleep(0.01)
        for connection in list(self._state.connections):
            connection.transport.abort()

    def _connection(self) -> BoundedProtocol:
        return BoundedProtocol(self._config, self._state, {}, limits=self._limits)


class _App:
    def __init__(self, intake: Intake, health: Health, metrics: Metrics, limits: Limits) -> None:
        self._intake = intake
        self._health = health
        self._metrics = metrics
        self._limits = limits
        self._signals = {signal.path: signal for signal in SIGNALS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if (signal := self._signals.get(path)) is not None:
            with contextlib.suppress(DisconnectedError):
                await self._export(signal, scope, receive, send)
        elif path == "/livez":
            await _report(send, self._health.live())
        elif path == "/readyz":
            await _report(send, await self._health.ready())
        elif path == "/metrics":
            await self._tell(scope, send)
        else:
            message = f"nothing at {scope['path']}; send to {', '.join(self._signals)}"
            await _respond(send, Answer(Verdict.NOT_FOUND, message), JSON)

    async def _tell(self, scope: Scope, send: Send) -> None:
        """Tell numbers to whoever may send: they name providers, and how much there is to steal."""
        headers = dict(scope["headers"])
        try:
            self._intake.admission.tokens.check(_header(headers, b"authorization"))
        except Unauthenticated as error:
            await _respond(send, Answer(Verdict.UNKNOWN, str(error)), JSON)
            return
        body, media_type = self._metrics.render(_header(headers, b"accept"))
        await _send(send, 200, body, media_type)

    async def _export(self, signal: Signal, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        content_type: MediaType = JSON
        try:
            if scope["method"] != "POST":
                await _respond(send, Answer(Verdict.METHOD, "use POST"), content_type)
                return
            content_type = media_type(_header(headers, b"content-type"))
            answer = await self._answer(signal, headers, content_type, receive)
        except DisconnectedError:
            raise
        except asyncio.CancelledError:
            await _respond(send, self._intake.refuse(ConnectionAbortedError()), content_type)
            raise
        # uvicorn would answer 500, which senders take for permanent.
        except Exception as error:  # noqa: BLE001
            answer = self._intake.refuse(error)
        if answer.verdict is Verdict.OK:
            body = receipt(signal, answer, as_json=content_type == JSON)
            await _send(send, 200, body, content_type)
        else:
            await _respond(send, answer, content_type, receive)

    async def _answer(
        self,
        signal: Signal,
        headers: dict[bytes, bytes],
        content_type: MediaType,
        receive: Receive,
    ) -> Answer:
        announced = int(headers.get(b"content-length", b"0"))
        if announced > self._limits.body_bytes:
            raise TooLarge(self._limits.body_bytes)
        encoding = _header(headers, b"content-encoding")
        compressed = Decompressor(encoding=encoding, limit_bytes=0).compressed
        authorization = _header(headers, b"authorization")
        with self._intake.admission.admit(announced, authorization) as ticket:
            body = await self._read(receive, announced, ticket)
            if compressed:
                body = await self._intake.unpack(body, encoding=encoding, ticket=ticket)
            hops = headers.get(HOP.encode(), b"").decode("latin-1")
            return await self._intake.take(
                body, signal=signal, ticket=ticket, content_type=content_type, hops=hops
            )

    async def _read(self, receive: Receive, announced: int, ticket: Ticket) -> bytes:
        chunks = []
        size_bytes = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            chunk = message.get("body", b"")
            size_bytes += len(chunk)
            if size_bytes > self._limits.body_bytes:
                raise TooLarge(self._limits.body_bytes)
            if size_bytes > announced:
                ticket.grow(min(len(chunk), size_bytes - announced))
            chunks.append(chunk)
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _header(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


async def _report(send: Send, checks: dict[str, str]) -> None:
    failing = {name: reason for name, reason in checks.items() if reason != "ok"}
    body = orjson.dumps({"status": "unavailable" if failing else "ok", "checks": checks})
    await _send(send, 503 if failing else 200, body, JSON)


async def _respond(
    send: Send, answer: Answer, content_type: MediaType, receive: Receive | None = None
) -> None:
    """Send an error with google.rpc.Status in the request's encoding, JSON if that is unknown."""
    body = status(answer, as_json=content_type == JSON)
    headers = []
    if answer.verdict is Verdict.RETRY:
        headers.append((b"retry-after", answer.retry_after_header))
    if answer.verdict is Verdict.UNKNOWN:
        headers.append((b"www-authenticate", b"Bearer"))
    if answer.verdict is Verdict.METHOD:
        headers.append((b"allow", b"POST"))
    if answer.verdict in UNREAD and receive is not None:
        headers.append((b"connection", b"close"))
        linger = receive
    else:
        linger = None
    await _send(send, answer.verdict.http, body, content_type, headers, linger)


async def _send(
    send: Send,
    code: int,
    body: bytes,
    content_type: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
    linger: Receive | None = None,
) -> None:
    head = [
        (b"date", _date(int(time.time()))),
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": code, "headers": head})
    await send({"type": "http.response.body", "body": body, "more_body": linger is not None})
    if linger is not None:
        await _read_on(linger)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@functools.lru_cache(maxsize=1)
def _date(now_s: int) -> bytes:
    return formatdate(now_s, usegmt=True).encode()


async def _read_on(receive: Receive) -> None:
    """Read for a moment what is still coming in: closing at once would reset the connection, and
    the sender would lose the answer along with it.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
