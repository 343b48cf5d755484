"""HTTP responses (httpx) that the caller reads itself: an observer gets a copy of each piece.

Until it is closed, the one response object gets a subclass of its own class. Nothing is read that
the caller does not read.
"""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from spantoll.instrumentation.decoding import decode_object
from spantoll.instrumentation.observer import Observer

__all__ = ["collect", "read_events", "watch", "watch_close"]

LONGEST_BODY = 16 * 1024 * 1024
LONGEST_FILE = 512 * 1024 * 1024
"""The longest file of results that is read: providers allow 200 MB (OpenAI) to 512 MB (Mistral)."""
_VALUE_MARKERS = re.compile(
    rb'"(?:\w*[uU]sage\w*|finish_?[rR]eason|stop_reason|message_start)"\s*[:}]\s*(?!null)'
)
"""Events of a stream that can have values the first event did not have."""


class _Watch:
    """The observer of a response, and whether a reader of it is running."""

    __slots__ = ("body", "busy", "observer", "reading")

    def __init__(self, observer: Observer, body: _Body | None, busy: Callable[[], bool]) -> None:
        self.observer = observer
        self.body = body
        self.busy = busy
        self.reading = False

    def closed(self) -> None:
        if not self.reading and not self.busy():
            self.observer.finish(complete=False)


def watch(response: Any, observer: Observer, *, holder: Any) -> None:
    """Show an observer the body as far as the caller reads it; the span ends with `holder`."""
    observer.end_with(holder)
    kind = response.headers.get("content-type", "")
    reading = _Events if "event-stream" in kind else _Json if "json" in kind else _Body
    body = reading(observer)
    if response.is_stream_consumed:
        # A transport without a network returns the whole body at once.
        body.feed(response.content)
        body.end()
        return
    _attach(response, _reading(_class_of(response)), _Watch(observer, body, bool))


def collect(response: Any, observer: Observer, take: Callable[[bytes], None]) -> None:
    """Call `take` with the whole body once the caller has read it to its end."""
    if response.is_stream_consumed:
        take(response.content)
        return
    body = _Whole(observer, take)
    _attach(response, _reading(_class_of(response)), _Watch(observer, body, bool))


def read_events(body: bytes, observer: Observer) -> None:
    """Show an observer the server-sent events of a body that the SDK has read, and end the span."""
    events = _Events(observer)
    events.feed(body)
    events.end()


def watch_close(response: Any, observer: Observer, *, busy: Callable[[], bool]) -> None:
    """End a span when the caller closes the response, unless a reader is `busy` and will end it."""
    _attach(response, _closing(_class_of(response)), _Watch(observer, None, busy))


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
            watch.observer.mark_left()
            raise
        except BaseException as error:
            watch.observer.fail(error)
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
            watch.observer.mark_left()
            raise
        except BaseException as error:
            watch.observer.fail(error)
            raise
        watch.body.end()

    methods = {"iter_bytes": iter_bytes, "aiter_bytes": aiter_bytes}
    return type(kind.__name__, (_closing(kind),), methods)


class _Body:
    """A body without numbers, such as sound."""

    __slots__ = ("_observer",)

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def feed(self, piece: bytes) -> None:
        pass

    def end(self) -> None:
        self._observer.finish()


class _Json(_Body):
    """A body that is one JSON value."""

    __slots__ = ("_pieces", "_size")

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer)
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= LONGEST_BODY:
            self._pieces.append(piece)

    def end(self) -> None:
        body = b"".join(self._pieces)
        if body[:1] == b"{" and self._size <= LONGEST_BODY:
            values = decode_object(body)
            if values is not None:
                self._observer.observe_response(values)
        self._observer.finish()


class _Whole(_Body):
    """A body of any kind, passed on whole; one that is too long is not passed on."""

    __slots__ = ("_pieces", "_size", "_take")

    def __init__(self, observer: Observer, take: Callable[[bytes], None]) -> None:
        super().__init__(observer)
        self._take = take
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= LONGEST_FILE:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def end(self) -> None:
        if self._size <= LONGEST_FILE:
            self._take(b"".join(self._pieces))
        self._observer.finish()


class _Events(_Body):
    """A body of server-sent events, each with one JSON value."""

    __slots__ = ("_first", "_rest")

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer)
        self._rest = b""
        self._first = True

    def feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LONGEST_BODY:
            self._rest = b""
        for line in lines:
            if line.startswith(b"data:") and (self._first or _VALUE_MARKERS.search(line)):
                values = decode_object(line[5:])
                if values is not None:
                    self._first = False
                    self._observer.observe_event(values)

    def end(self) -> None:
        self.feed(b"\n")
        self._observer.finish()
