from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any

import wrapt

from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.spans import Invocation

__all__ = ["AsyncObservedStream", "ObservedStream"]


class _Observed(wrapt.ObjectProxy[Any]):
    """A stream that looks and behaves as the SDK's own and ends its span exactly once."""

    def __init__(self, stream: Any, invocation: Invocation, hides: Any) -> None:
        super().__init__(stream)
        self._self_invocation = invocation
        self._self_hides = hides
        # Nobody may ever close it: then its span ends when it is forgotten, in whichever thread.
        weakref.finalize(self, _abandon, invocation).atexit = False

    def _self_see(self, chunk: Any) -> bool:
        """Learn from a chunk; answers whether the caller should see it."""
        guarded(self._self_invocation.chunk, chunk)
        return self._self_hides is None or not self._self_hides(chunk)

    def _self_end(self, error: BaseException | None = None, *, complete: bool = True) -> None:
        guarded(self._self_invocation.end, error, complete=complete)

    def __copy__(self) -> Any:
        return self.__wrapped__.__copy__()


class ObservedStream(_Observed):
    """A synchronous stream of chunks."""

    def __next__(self) -> Any:
        while True:
            try:
                chunk = next(self.__wrapped__)
            except StopIteration:
                self._self_end()
                raise
            except BaseException as error:
                self._self_end(error, complete=False)
                raise
            if self._self_see(chunk):
                return chunk

    def __iter__(self) -> Iterator[Any]:
        return self

    def __enter__(self) -> Any:
        self.__wrapped__.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            return self.__wrapped__.__exit__(kind, error, traceback)
        finally:
            self._self_end(error, complete=False)

    def close(self) -> None:
        """Close the SDK's stream and end the span."""
        try:
            self.__wrapped__.close()
        finally:
            self._self_end(complete=False)


class AsyncObservedStream(_Observed):
    """An asynchronous stream of chunks."""

    async def __anext__(self) -> Any:
        while True:
            try:
                chunk = await self.__wrapped__.__anext__()
            except StopAsyncIteration:
                self._self_end()
                raise
            except BaseException as error:
                self._self_end(error, complete=False)
                raise
            if self._self_see(chunk):
                return chunk

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __aenter__(self) -> Any:
        await self.__wrapped__.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        try:
            return await self.__wrapped__.__aexit__(kind, error, traceback)
        finally:
            self._self_end(error, complete=False)

    async def close(self) -> None:
        """Close the SDK's stream and end the span."""
        try:
            await self.__wrapped__.close()
        finally:
            self._self_end(complete=False)

    async def aclose(self) -> None:
        """Close the SDK's stream and end the span."""
        try:
            await self.__wrapped__.aclose()
        finally:
            self._self_end(complete=False)


def _abandon(invocation: Invocation) -> None:
    guarded(invocation.end, complete=False)
