"""Bodies that botocore or aiobotocore streams: an observer gets what the caller reads of them.

A body gets a subclass of its own class until it has been read or closed; nothing is read that the
caller does not read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wrapt import ObjectProxy

from spantoll.instrumentation.decoding import decode_object
from spantoll.instrumentation.observer import Observer

if TYPE_CHECKING:
    _Proxy = ObjectProxy[Any]
else:
    # wrapt 1 has no type parameters.
    _Proxy = ObjectProxy

__all__ = ["collect", "watch"]

LONGEST_BODY = 16 * 1024 * 1024
LONGEST_FILE = 512 * 1024 * 1024
"""The longest file of results that is read, which is kept in memory whole; Bedrock's files have at
most 1 GB (docs.aws.amazon.com/general/latest/gr/bedrock.html)."""
_WATCH = "_spantoll_watch"


class _Watch:
    """What has been read of one body, and the observer that gets it at its end."""

    __slots__ = ("_expected", "_observer", "_over", "_pieces", "_read")
    longest = LONGEST_BODY

    def __init__(self, observer: Observer, length: Any) -> None:
        self._observer = observer
        self._expected = int(length) if length is not None else None
        self._pieces: list[bytes] = []
        self._read = 0
        self._over = False

    def feed(self, piece: bytes, *, amount: int | None) -> None:
        """Add the result of one read; an empty one, or the expected length, is the end."""
        self._read += len(piece)
        if self._read <= self.longest:
            self._pieces.append(piece)
        empty = not piece and amount != 0
        if empty or amount is None or amount < 0 or self._read == self._expected:
            self.end()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """End the span where a read fails; the values of the headers stay."""
        try:
            yield
        except BaseException as error:
            self._over = True
            self._observer.fail(error)
            raise

    def end(self) -> None:
        """Pass the whole body on and end the span."""
        if self._over:
            return
        self._over = True
        body, self._pieces = b"".join(self._pieces), []
        values = decode_object(body)
        if values is not None:
            self._observer.observe_response(values)
        self._observer.finish()

    def closed(self) -> None:
        """End the span of a body closed early: the headers have the counters."""
        self._over = True
        self._pieces = []
        self._observer.finish()


class _Collected(_Watch):
    """A body of any kind, passed on whole; one that is too long is not passed on."""

    __slots__ = ("_take",)
    longest = LONGEST_FILE

    def __init__(self, observer: Observer, length: Any, take: Callable[[bytes], None]) -> None:
        super().__init__(observer, length)
        self._take = take

    def end(self) -> None:
        """Pass the whole body on."""
        if self._over:
            return
        self._over = True
        body, self._pieces = b"".join(self._pieces), []
        if self._read <= self.longest:
            self._take(body)


def collect(
    body: Any, observer: Observer, take: Callable[[bytes], None], *, is_async: bool
) -> None:
    """Call `take` with the whole body once the caller has read it to its end."""
    length = getattr(body, "_content_length", None)
    _attach(body, _Collected(observer, length, take), is_async=is_async)


def watch(body: Any, observer: Observer, *, is_async: bool) -> None:
    """Show an observer the body as far as the caller reads it; the span ends with the body."""
    observer.end_with(body, complete=True)
    _attach(body, _Watch(observer, getattr(body, "_content_length", None)), is_async=is_async)


def _attach(body: Any, watch: _Watch, *, is_async: bool) -> None:
    kind: Any = type(body)
    body.__dict__[_WATCH] = watch
    body.__class__ = _async_reading(kind) if is_async else _reading(kind)


def _get_watch(body: Any) -> _Watch:
    watch: _Watch = body.__dict__[_WATCH]
    return watch


@functools.cache
def _reading(kind: Any) -> type:
    def read(self: Any, amt: int | None = None) -> Any:
        with _get_watch(self).attempt():
            piece = kind.read(self, amt)
        _get_watch(self).feed(piece, amount=amt)
        return piece

    def readinto(self: Any, b: Any) -> Any:
        with _get_watch(self).attempt():
            count = kind.readinto(self, b)
        _get_watch(self).feed(bytes(memoryview(b)[:count]), amount=len(b))
        return count

    def readlines(self: Any) -> Any:
        with _get_watch(self).attempt():
            lines = kind.readlines(self)
        _get_watch(self).feed(b"".join(lines), amount=None)
        return lines

    def enter(self: Any) -> Any:
        # botocore hands the transport's own stream to a `with` block.
        return _Raw(kind.__enter__(self), _get_watch(self))

    def leave(self: Any, *error: Any) -> Any:
        try:
            return kind.__exit__(self, *error)
        finally:
            _get_watch(self).closed()

    def close(self: Any) -> Any:
        try:
            return kind.close(self)
        finally:
            _get_watch(self).closed()

    methods = {"read": read, "readinto": readinto, "readlines": readlines, "close": close}
    return type(kind.__name__, (kind,), methods | {"__enter__": enter, "__exit__": leave})


@functools.cache
def _async_reading(kind: Any) -> type:
    async def read(self: Any, amt: int | None = None) -> Any:
        with _get_watch(self).attempt():
            piece = await kind.read(self, amt)
        _get_watch(self).feed(piece, amount=amt)
        return piece

    async def readinto(self: Any, b: Any) -> Any:
        with _get_watch(self).attempt():
            count = await kind.readinto(self, b)
        _get_watch(self).feed(bytes(memoryview(b)[:count]), amount=len(b))
        return count

    def close(self: Any) -> Any:
        try:
            return kind.close(self)
        finally:
            _get_watch(self).closed()

    async def aclose(self: Any) -> Any:
        try:
            return await kind.aclose(self)
        finally:
            _get_watch(self).closed()

    methods = {"read": read, "readinto": readinto, "close": close, "aclose": aclose}
    return type(
        kind.__name__,
        (kind,),
        {name: method for name, method in methods.items() if hasattr(kind, name)},
    )


class _Raw(_Proxy):
    """The transport's stream, as a `with` block gets it."""

    def __init__(self, wrapped: Any, watch: _Watch) -> None:
        super().__init__(wrapped)
        self._self_watch = watch

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> Any:
        piece = self.__wrapped__.read(amt, *args, **kwargs)
        self._self_watch.feed(piece, amount=amt)
        return piece

    def readlines(self, *args: Any) -> Any:
        lines = self.__wrapped__.readlines(*args)
        self._self_watch.feed(b"".join(lines), amount=None)
        return lines

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        for piece in self.__wrapped__.stream(*args, **kwargs):
            self._self_watch.feed(piece, amount=1)
            yield piece
        self._self_watch.end()

    def __iter__(self) -> Any:
        for line in self.__wrapped__:
            self._self_watch.feed(line, amount=1)
            yield line
        self._self_watch.end()
