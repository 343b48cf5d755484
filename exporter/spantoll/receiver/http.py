"""OTLP over HTTP, health checks and metrics.

In: requests of uvicorn's protocol. Out: the response of the signal in the encoding of its request,
or google.rpc.Status. https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus
from io import BytesIO
from typing import Any

import orjson
from uvicorn.config import Config
from uvicorn.server import ServerState

from spantoll.defaults import HOP_HEADER
from spantoll.errors import TooLarge, Unauthenticated
from spantoll.otlp import JSON, Decompressor, MediaType, media_type
from spantoll.receiver.admission import Ticket
from spantoll.receiver.answer import Answer, Verdict, status
from spantoll.receiver.decoding import Request
from spantoll.receiver.health import Health, is_ok
from spantoll.receiver.intake import Intake
from spantoll.receiver.limits import Limits
from spantoll.receiver.metrics import Metrics
from spantoll.receiver.mount import Application, Mount, Receive, Scope, Send
from spantoll.receiver.protocol import BoundedProtocol
from spantoll.receiver.signals import SIGNALS, Signal, receipt
from spantoll.receiver.tls import HANDSHAKE_S, Tls

__all__ = ["HttpServer"]

LINGER_S = 1.0
READING = ("GET", "HEAD")
PROBLEM = "application/problem+json"
"""RFC 9457."""
UNREAD = (Verdict.TOO_LARGE, Verdict.UNAUTHENTICATED)
"""Answered before the body has been read."""


class DisconnectedError(Exception):
    """Raised when the sender disconnects before its request is complete."""


class HttpServer:
    """OTLP over HTTP: uvicorn's protocol in the loop of the gRPC server, without a framework.

    Not uvicorn's server, which takes the process's signals, and answers 500 to what it cancels.
    """

    def __init__(
        self,
        intake: Intake,
        health: Health,
        metrics: Metrics,
        *,
        limits: Limits,
        application: Application | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._limits = limits
        self._tls = tls
        self._state = ServerState()
        self._config = Config(
            _App(intake, health, metrics, limits, application),
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
        secured: dict[str, Any] = {}
        if self._tls is not None:
            secured = {"ssl": self._tls.context, "ssl_handshake_timeout": HANDSHAKE_S}
        for sock in sockets:
            server = await loop.create_server(self._connection, sock=sock, **secured)
            self._listeners.append(server)

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
    def __init__(
        self,
        intake: Intake,
        health: Health,
        metrics: Metrics,
        limits: Limits,
        application: Application | None,
    ) -> None:
        self._intake = intake
        self._health = health
        self._metrics = metrics
        self._limits = limits
        self._signals = {signal.path: signal for signal in SIGNALS}
        self._reports: Mapping[str, Callable[[Scope, Send], Awaitable[None]]] = {
            "/livez": self._report_liveness,
            "/readyz": self._report_readiness,
            "/metrics": self._report_metrics,
        }
        self._mount = (
            Mount(application, most=limits.application_requests, refuse=self._refuse_application)
            if application is not None
            else None
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if (signal := self._signals.get(path)) is not None:
            if scope["method"] != "POST":
                await _respond(send, Answer(Verdict.METHOD, "use POST"), JSON, allow="POST")
                return
            with contextlib.suppress(DisconnectedError):
                await self._export(signal, scope, receive, send)
        elif (report := self._reports.get(path)) is not None:
            if scope["method"] not in READING:
                answer = Answer(Verdict.METHOD, f"use {READING[0]}")
                await _respond(send, answer, JSON, allow=", ".join(READING))
                return
            await report(scope, send)
        elif self._mount is not None:
            await self._mount(scope, receive, send)
        else:
            message = f"nothing at {scope['path']}; send to {', '.join(self._signals)}"
            await _respond(send, Answer(Verdict.NOT_FOUND, message), JSON)

    async def _refuse_application(self, send: Send, code: int) -> None:
        body = orjson.dumps({"status": code, "title": HTTPStatus(code).phrase})
        await _send(send, code, body, PROBLEM)

    async def _report_liveness(self, _: Scope, send: Send) -> None:
        await _report(send, self._health.live())

    async def _report_readiness(self, _: Scope, send: Send) -> None:
        await _report(send, await self._health.ready())

    async def _report_metrics(self, scope: Scope, send: Send) -> None:
        """Report only to whoever may send: metrics name providers and amounts."""
        headers = dict(scope["headers"])
        try:
            self._intake.admission.tokens.check(_header(headers, b"authorization"))
        except Unauthenticated as error:
            await _respond(send, Answer(Verdict.UNAUTHENTICATED, str(error)), JSON)
            return
        body, media_type = self._metrics.render(_header(headers, b"accept"))
        await _send(send, 200, body, media_type)

    async def _export(self, signal: Signal, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        content_type: MediaType = JSON
        try:
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
            request = Request(
                signal,
                ticket,
                content_type=content_type,
                encoding=encoding if compressed else "",
                hops=_header(headers, HOP_HEADER.encode()),
            )
            return await self._intake.take(await self._read(receive, ticket), request)

    async def _read(self, receive: Receive, ticket: Ticket) -> bytes:
        """Return the body; it is never held twice, as the parts of a list and their sum would."""
        body: BytesIO | None = None
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            chunk: bytes = message.get("body", b"")
            if ticket.size_bytes + len(chunk) > self._limits.body_bytes:
                raise TooLarge(self._limits.body_bytes)
            ticket.grow(len(chunk))
            more = message.get("more_body", False)
            if body is None and not more:
                return chunk
            body = body or BytesIO()
            body.write(chunk)
            if not more:
                return body.getvalue()


def _header(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


async def _report(send: Send, checks: dict[str, str]) -> None:
    failing = {name: reason for name, reason in checks.items() if not is_ok(reason)}
    body = orjson.dumps({"status": "unavailable" if failing else "ok", "checks": checks})
    await _send(send, 503 if failing else 200, body, JSON)


async def _respond(
    send: Send,
    answer: Answer,
    content_type: MediaType,
    receive: Receive | None = None,
    *,
    allow: str = "",
) -> None:
    """Send an error with google.rpc.Status in the request's encoding, JSON if that is unknown."""
    body = status(answer, as_json=content_type == JSON)
    headers = []
    if answer.verdict is Verdict.RETRY:
        headers.append((b"retry-after", answer.retry_after_header))
    if answer.verdict is Verdict.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    if allow:
        headers.append((b"allow", allow.encode()))
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
    """Read what still comes in for LINGER_S: closing at once would reset the connection, and the
    sender would lose the answer.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
