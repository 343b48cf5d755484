"""Reading over the caller's shoulder while it reads an HTTP response (httpx) itself.

Until it is closed, the one response object gets a subclass of its own class. Nothing is read that
the caller does not read.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spantoll.instrumentation.wrap import Tap

__all__ = ["watch", "watch_close"]

LONGEST_BODY = 16 * 1024 * 1024
_TELLING = re.compile(
    rb'"(?:\w*[uU]sage\w*|finish_?[rR]eason|stop_reason|message_start)"\s*[:}]\s*(?!null)'
)
"""Marks the events of a stream that say more than the first one did."""


class _Watch:
    """What a watched response knows: whom to tell, and whether its reader is at work."""

    __slots__ = ("body", "busy", "reading", "tap")

    def __init__(self, tap: Tap, body: _Body | None, busy: Callable[[], bool]) -> None:
        self.tap = tap
        self.body = body
        self.busy = busy
        self.reading = False

    def closed(self) -> None:
        if not self.reading and not self.busy():
            self.tap.finish(complete=False)


def watch(response: Any, tap: Tap, *, holder: Any) -> None:
    """Show a tap the decoded body, as far as the caller reads it; the tap ends with `holder`."""
    tap.lease(holder)
    kind = response.headers.get("content-type", "")
    body = _Events(tap) if "event-stream" in kind else _Json(tap) if "json" in kind else _Body(tap)
    if response.is_stream_consumed:
        # A transport without a network hands the whole body over.
        body.feed(response.content)
        body.end()
        return
    _attach(response, _reading(_class_of(response)), _Watch(tap, body, bool))


def watch_close(response: Any, tap: Tap, *, busy: Callable[[], bool]) -> None:
    """End a tap when the caller closes the response, unless its reader is `busy` and will tell."""
    _attach(response, _closing(_class_of(response)), _Watch(tap, None, busy))


def _class_of(response: Any) -> Any:
    return type(response)


def _attach(response: Any, kind: type, watch: _Watch) -> None:
    response.__dict__[_WATCH] = watch
    # A subclass rather than shadowing attributes: those would tie the response into a cycle.
    response.__class__ = kind


_WATCH = "_spantoll_watch"


@functools.cache
def _closing(kind: Any) -> type:
    def over(self: Any) -> None:
        watch = self.__dict__.pop(_WATCH, None)
        if watch is not None:
            self.__class__ = kind
            watch.closed()

    def close(self: Any) -> None:
        try:
            kind.close(self)
        finally:
            over(self)

    async def aclose(self: Any) -> None:
        try:
            await kind.aclose(self)
        finally:
            over(self)

    return type(kind.__name__, (kind,), {"close": close, "aclose": aclose})


@functools.cache
def _reading(kind: Any) -> type:
    def iter_bytes(self: Any, chunk_size: int | None = None) -> Iterator[bytes]:
        watch = self.__dict__[_WATCH]
        watch.reading = True
        try:
            for piece in kind.iter_bytes(self, chunk_size):
                watch.body.feed(piece)
                watch.reading = False
                yield piece
                watch.reading = True
        except GeneratorExit:
            watch.tap.left()
            raise
        except BaseException as error:
            watch.tap.fail(error)
            raise
        watch.body.end()

    async def aiter_bytes(self: Any, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        watch = self.__dict__[_WATCH]
        watch.reading = True
        try:
            async for piece in kind.aiter_bytes(self, chunk_size):
                watch.body.feed(piece)
                watch.reading = False
                yield piece
                watch.reading = True
        except GeneratorExit:
            watch.tap.left()
            raise
        except BaseException as error:
            watch.tap.fail(error)
            raise
        watch.body.end()

    methods = {"iter_bytes": iter_bytes, "aiter_bytes": aiter_bytes}
    return type(kind.__name__, (_closing(kind),), methods)


class _Body:
    """A body without numbers, such as sound."""

    __slots__ = ("_tap",)

    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    def feed(self, piece: bytes) -> None:
        pass

    def end(self) -> None:
        self._tap.finish()


class _Json(_Body):
    """A body that is one JSON value."""

    __slots__ = ("_pieces", "_size")

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= LONGEST_BODY:
            self._pieces.append(piece)

    def end(self) -> None:
        body = b"".join(self._pieces)
        if body[:1] == b"{" and self._size <= LONGEST_BODY:
            told = _object(body)
            if told is not None:
                self._tap.response(told)
        self._tap.finish()


class _Events(_Body):
    """A body of server-sent events, each with one JSON value."""

    __slots__ = ("_first", "_rest")

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        self._rest = b""
        self._first = True

    def feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LONGEST_BODY:
            self._rest = b""
        for line in lines:
            if line.startswith(b"data:") and (self._first or _TELLING.search(line)):
                told = _object(line[5:])
                if told is not None:
                    self._first = False
                    self._tap.overhear(told)

    def end(self) -> None:
        self.feed(b"\n")
        self._tap.finish()


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
