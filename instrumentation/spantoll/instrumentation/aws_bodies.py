"""Reading over the caller's shoulder while it reads a body that botocore or aiobotocore streams.

A body gets a subclass of its own class until it has been read or closed; nothing is read that the
caller does not read.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wrapt import ObjectProxy

if TYPE_CHECKING:
    from spantoll.instrumentation.wrap import Tap

    _Proxy = ObjectProxy[Any]
else:
    # wrapt 1 has no type parameters.
    _Proxy = ObjectProxy

__all__ = ["watch"]

LONGEST_BODY = 16 * 1024 * 1024
_WATCH = "_spantoll_watch"


class _Watch:
    """What has been read of one body, and whom to tell at its end."""

    __slots__ = ("_expected", "_over", "_pieces", "_read", "_tap")

    def __init__(self, tap: Tap, length: Any) -> None:
        self._tap = tap
        self._expected = int(length) if length is not None else None
        self._pieces: list[bytes] = []
        self._read = 0
        self._over = False

    def feed(self, piece: bytes, *, asked: int | None) -> None:
        """Take what one read gave; nothing, or all there was, is the end."""
        self._read += len(piece)
        if self._read <= LONGEST_BODY:
            self._pieces.append(piece)
        empty = not piece and asked != 0
        if empty or asked is None or asked < 0 or self._read == self._expected:
            self.end()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let a read that fails end the span; what the headers told stays."""
        try:
            yield
        except BaseException as error:
            self._over = True
            self._tap.fail(error)
            raise

    def end(self) -> None:
        """Tell the whole body."""
        if self._over:
            return
        self._over = True
        body, self._pieces = b"".join(self._pieces), []
        try:
            told = json.loads(body)
        except ValueError:
            told = None
        if isinstance(told, dict):
            self._tap.response(told)
        self._tap.finish()

    def closed(self) -> None:
        """The caller wants no more: the headers have told the counters."""
        self._over = True
        self._pieces = []
        self._tap.finish()


def watch(body: Any, tap: Tap, *, is_async: bool) -> None:
    """Show a tap the body as far as the caller reads it; the tap ends with the body."""
    tap.lease(body, complete=True)
    kind: Any = type(body)
    body.__dict__[_WATCH] = _Watch(tap, getattr(body, "_content_length", None))
    body.__class__ = _async_reading(kind) if is_async else _reading(kind)


def _watch_of(body: Any) -> _Watch:
    watch: _Watch = body.__dict__[_WATCH]
    return watch


@functools.cache
def _reading(kind: Any) -> type:
    def read(self: Any, amt: int | None = None) -> Any:
        with _watch_of(self).attempt():
            piece = kind.read(self, amt)
        _watch_of(self).feed(piece, asked=amt)
        return piece

    def readinto(self: Any, b: Any) -> Any:
        with _watch_of(self).attempt():
            count = kind.readinto(self, b)
        _watch_of(self).feed(bytes(memoryview(b)[:count]), asked=len(b))
        return count

    def readlines(self: Any) -> Any:
        with _watch_of(self).attempt():
            lines = kind.readlines(self)
        _watch_of(self).feed(b"".join(lines), asked=None)
        return lines

    def enter(self: Any) -> Any:
        # botocore hands the transport's own stream to a `with` block.
        return _Raw(kind.__enter__(self), _watch_of(self))

    def leave(self: Any, *error: Any) -> Any:
        try:
            return kind.__exit__(self, *error)
        finally:
            _watch_of(self).closed()

    def close(self: Any) -> Any:
        try:
            return kind.close(self)
        finally:
            _watch_of(self).closed()

    methods = {"read": read, "readinto": readinto, "readlines": readlines, "close": close}
    return type(kind.__name__, (kind,), methods | {"__enter__": enter, "__exit__": leave})


@functools.cache
def _async_reading(kind: Any) -> type:
    async def read(self: Any, amt: int | None = None) -> Any:
        with _watch_of(self).attempt():
            piece = await kind.read(self, amt)
        _watch_of(self).feed(piece, asked=amt)
        return piece

    async def readinto(self: Any, b: Any) -> Any:
        with _watch_of(self).attempt():
            count = await kind.readinto(self, b)
        _watch_of(self).feed(bytes(memoryview(b)[:count]), asked=len(b))
        return count

    def close(self: Any) -> Any:
        try:
            return kind.close(self)
        finally:
            _watch_of(self).closed()

    async def aclose(self: Any) -> Any:
        try:
            return await kind.aclose(self)
        finally:
            _watch_of(self).closed()

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
        self._self_watch.feed(piece, asked=amt)
        return piece

    def readlines(self, *args: Any) -> Any:
        lines = self.__wrapped__.readlines(*args)
        self._self_watch.feed(b"".join(lines), asked=None)
        return lines

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        for piece in self.__wrapped__.stream(*args, **kwargs):
            self._self_watch.feed(piece, asked=1)
            yield piece
        self._self_watch.end()

    def __iter__(self) -> Any:
        for line in self.__wrapped__:
            self._self_watch.feed(line, asked=1)
            yield line
        self._self_watch.end()
