"""What the tests of every SDK share: tables of calls, and the ways a stream can end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

Case = tuple[Callable[[Any], Any], dict[str, Any]]
"""A call of a client, and what its span reports; None for what it must not report."""


def cases(table: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("call", "expected"), list(table.values()), ids=list(table))


def shown(attributes: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {key: attributes.get(key) for key in expected}


def exhaust(stream: Any) -> None:
    for _ in stream:
        pass


def leave(stream: Any) -> None:
    for _ in stream:
        break


def close(stream: Any) -> None:
    next(iter(stream))
    stream.close()


def leave_with(stream: Any) -> None:
    with stream:
        next(iter(stream))


async def cancel(talk: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Cancel a task that reads, once it has set the event it was given."""
    reading = asyncio.Event()
    task = asyncio.create_task(talk(reading))
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def aexhaust(stream: Any) -> None:
    async for _ in stream:
        pass


async def aleave(stream: Any) -> None:
    async for _ in stream:
        break
