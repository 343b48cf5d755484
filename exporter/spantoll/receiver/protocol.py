"""HTTP/1.1 connections with bounds: uvicorn's protocol, which parses with llhttp, has none.

In: the bytes of a connection. Out: requests for the application; or a Status of google.rpc for what
is no request, and nothing for a sender that is too slow. https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from spantoll.receiver.answer import Answer, Verdict, status
from spantoll.receiver.limits import Limits

__all__ = ["BoundedProtocol"]

HEAD_TOO_LARGE = Answer(Verdict.HEADERS, "request head too large")


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with the bounds that uvicorn lacks.

    Time for the head, for the body and for our answer to be read; bytes of the head; connections.
    A sender that is too slow is cut off without an answer, which it may retry; 408 it may not.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._in_body = False
        self._head_bytes = 0
        self._hosts = 0
        self._refusal: Answer | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse what is too much; a connection must not stay silent."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(Answer(Verdict.RETRY, "too many connections", retry_after_s=1.0))
        self._wait(self._limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop_waiting()
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bound a head of which no single header is complete."""
        if not self._in_head and not self._in_body:
            self._begin_head()
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Bound the head of a pipelined request."""
        self._begin_head()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound a head that came in one piece."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes:
            self._stop_parsing(HEAD_TOO_LARGE)
        self._hosts += name.lower() == b"host"
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Give the body its time. Refuse a head without a Host, or with two (RFC 9112, 3.2)."""
        if self._hosts > 1 or (not self._hosts and self.parser.get_http_version() != "1.0"):
            self._stop_parsing(Answer(Verdict.BAD, "a request has one Host header"))
        self._in_head, self._in_body = False, True
        self._wait(self._limits.body_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take our own time, which the application bounds."""
        self._in_body = False
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer with a Status, as every OTLP error."""
        self._refuse(self._refusal or Answer(Verdict.BAD, msg))

    def pause_writing(self) -> None:
        """Bound how long our answers may stay unread."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Somebody reads."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def _begin_head(self) -> None:
        self._in_head, self._head_bytes, self._hosts = True, 0, 0
        self._wait(self._limits.head_s)

    def _stop_parsing(self, refusal: Answer) -> NoReturn:
        """End the parser from within one of its callbacks; `send_400_response` follows."""
        self._refusal = refusal
        raise ValueError(refusal.message)

    def _wait(self, limit_s: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(limit_s, self._cut_off, limit_s)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self, limit_s: float) -> None:
        if self._in_head and self.cycle is not None and not self.cycle.response_complete:
            # The request before is still being answered, and meanwhile we do not read.
            self._wait(limit_s)
        else:
            self.transport.close()

    def _refuse(self, answer: Answer) -> None:
        body = status(answer, as_json=True)
        head = [
            STATUS_LINE[answer.verdict.http],
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n",
        ]
        if answer.verdict is Verdict.RETRY:
            head.append(b"retry-after: %s\r\n" % answer.retry_after_header)
        self.transport.write(b"".join([*head, b"\r\n", body]))
        self.transport.close()
