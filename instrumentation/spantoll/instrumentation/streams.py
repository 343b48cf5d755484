"""Streams that the caller reads, wrapped so that an observer sees every chunk.

Input: any iterator, async iterator or context manager of an SDK. Output: a proxy of the same class
to `isinstance`, with exactly the methods it had; the span ends when the stream ends, is closed or
collected.
"""

from __future__ import annotations

import copy
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from wrapt import ObjectProxy

from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.observer import Observer

if TYPE_CHECKING:
    _Proxy = ObjectProxy[Any]
else:
    # wrapt 1 has no type parameters.
    _Proxy = ObjectProxy

__all__ = ["running_check", "watch", "watch_parse"]

Show = Callable[[Any, Observer, Any], Any]


def watch(stream: Any, observer: Observer, owner: Any = None) -> Any:
    """Show every chunk of a stream to an observer; the stream looks and behaves as before.

    `owner` is kept alive as long as the stream: the object whose end ends the span.
    """
    return _proxy_type(type(stream))(stream, observer, owner)


def watch_parse(raw: Any, observer: Observer, show: Show) -> Any:
    """Watch the streams that a raw response parses its body into."""
    return _WatchedRaw(raw, observer, show)


def running_check(generator: Any) -> Callable[[], bool]:
    """Return a check whether the SDK's generator is running: it closes the response at its end."""
    reference = weakref.ref(generator) if generator is not None else lambda: None

    def is_running() -> bool:
        alive = reference()
        return bool(getattr(alive, "gi_running", False) or getattr(alive, "ag_running", False))

    return is_running


class _Watched(_Proxy):
    """Stands in for a stream: same class to `isinstance`, same attributes, same methods."""

    def __init__(self, wrapped: Any, observer: Observer, owner: Any) -> None:
        super().__init__(wrapped)
        self._self_observer = observer
        self._self_owner = owner
        if owner is None:
            observer.end_with(self)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __copy__(self) -> Any:
        # The copy shares its source with the original, so either of them ends the span.
        return type(self)(copy.copy(self.__wrapped__), self._self_observer, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__reduce_ex__(protocol)


class _WatchedRaw(_Watched):
    def __init__(self, wrapped: Any, observer: Observer, show: Show) -> None:
        super().__init__(wrapped, observer, None)
        self._self_show = show
        self._self_shown: dict[int, tuple[Any, Any]] = {}

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        parsed = self.__wrapped__.parse(*args, **kwargs)
        return self._later(parsed) if inspect.isawaitable(parsed) else self._get_shown(parsed)

    async def _later(self, parsed: Any) -> Any:
        return self._get_shown(await parsed)

    def _get_shown(self, parsed: Any) -> Any:
        # The SDK answers a second `parse` with the same object, and so does this.
        known = self._self_shown.get(id(parsed))
        if known is not None:
            return known[1]
        shown = _show_safely(parsed, self)
        self._self_shown[id(parsed)] = (parsed, shown)
        return shown


@guarded(lambda parsed, _: parsed)
def _show_safely(parsed: Any, raw: _WatchedRaw) -> Any:
    return raw._self_show(parsed, raw._self_observer, raw)


def _iter(self: Any) -> Iterator[Any]:
    observer = self._self_observer
    observe_chunk = observer.observe_chunk
    try:
        for chunk in self.__wrapped__:
            if observe_chunk(chunk):
                yield chunk
    except GeneratorExit:
        # The caller left the loop; it may come back, so the span ends with the stream object.
        observer.mark_left()
        raise
    except BaseException as error:
        observer.fail(error)
        raise
    observer.finish()


def _next(self: Any) -> Any:
    observer = self._self_observer
    while True:
        try:
            chunk = self.__wrapped__.__next__()
        except StopIteration:
            observer.finish()
            raise
        except BaseException as error:
            observer.fail(error)
            raise
        if observer.observe_chunk(chunk):
            return chunk


async def _anext(self: Any) -> Any:
    observer = self._self_observer
    while True:
        try:
            chunk = await self.__wrapped__.__anext__()
        except StopAsyncIteration:
            observer.finish()
            raise
        except BaseException as error:
            observer.fail(error)
            raise
        if observer.observe_chunk(chunk):
            return chunk


class _AsyncLoop:
    """One `async for` over a stream; a plain iterator, so leaving it needs no event loop."""

    __slots__ = ("_anext", "_observer", "_over", "_stream")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._observer = stream._self_observer
        self._anext = stream.__wrapped__.__aiter__().__anext__
        self._over = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while True:
            try:
                chunk = await self._anext()
            except StopAsyncIteration:
                self._over = True
                self._observer.finish()
                raise
            except BaseException as error:
                self._over = True
                self._observer.fail(error)
                raise
            if self._observer.observe_chunk(chunk):
                return chunk

    def __del__(self) -> None:
        if not self._over:
            self._observer.mark_left()


def _aiter(self: Any) -> AsyncIterator[Any]:
    return _AsyncLoop(self)


def _enter(self: Any) -> Any:
    entered = self.__wrapped__.__enter__()
    return self if entered is self.__wrapped__ else entered


def _exit(self: Any, kind: Any, error: Any, trace: Any) -> Any:
    # Before the SDK closes what is below, which would look like leaving early.
    _failed(self._self_observer, error)
    try:
        return self.__wrapped__.__exit__(kind, error, trace)
    finally:
        self._self_observer.finish(complete=False)


async def _aenter(self: Any) -> Any:
    entered = await self.__wrapped__.__aenter__()
    return self if entered is self.__wrapped__ else entered


async def _aexit(self: Any, kind: Any, error: Any, trace: Any) -> Any:
    _failed(self._self_observer, error)
    try:
        return await self.__wrapped__.__aexit__(kind, error, trace)
    finally:
        self._self_observer.finish(complete=False)


def _failed(observer: Observer, error: BaseException | None) -> None:
    if error is not None and not isinstance(error, GeneratorExit):
        observer.fail(error)


def _closer(name: str) -> Callable[..., Any]:
    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(self.__wrapped__, name)(*args, **kwargs)
        finally:
            self._self_observer.finish(complete=False)

    return close


def _async_closer(name: str) -> Callable[..., Any]:
    async def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await getattr(self.__wrapped__, name)(*args, **kwargs)
        finally:
            self._self_observer.finish(complete=False)

    return close


_METHODS: dict[str, Callable[..., Any]] = {
    "__iter__": _iter,
    "__next__": _next,
    "__aiter__": _aiter,
    "__anext__": _anext,
    "__enter__": _enter,
    "__exit__": _exit,
    "__aenter__": _aenter,
    "__aexit__": _aexit,
}
_types: dict[type, type[_Watched]] = {}


def _proxy_type(kind: type) -> type[_Watched]:
    """Make a proxy that has exactly those methods the stream has."""
    made = _types.get(kind)
    if made is None:
        methods = {name: method for name, method in _METHODS.items() if hasattr(kind, name)}
        for name in ("close", "aclose"):
            if hasattr(kind, name):
                is_async = name == "aclose" or inspect.iscoroutinefunction(getattr(kind, name))
                methods[name] = _async_closer(name) if is_async else _closer(name)
        made = _types[kind] = type(kind.__name__, (_Watched,), methods)
    return made
