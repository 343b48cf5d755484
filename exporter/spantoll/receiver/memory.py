"""The memory of this process: how much it holds, and what of it can be given back.

The C library keeps what was freed for later, in an arena per thread: after bursts of large bodies
that was 300 MB, more than everything in use. All of this works on Linux with glibc and does nothing
elsewhere. https://sourceware.org/glibc/manual/latest/html_node/Malloc-Tunable-Parameters.html
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["limit_arenas", "resident_bytes", "watch_memory"]

STATM = Path("/proc/self/statm")
M_ARENA_MAX = -8
"""From malloc.h."""
ARENAS = 2
"""One for Python, one for gRPC's threads; glibc's default is eight per core."""
WATCH_S = 0.5
GROWN_BYTES = 16 << 20
"""Below this it is not worth the 5 to 60 ms that giving back takes."""


def resident_bytes() -> int:
    """Return the resident memory of this process, 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError):
        return 0


def limit_arenas() -> None:
    """Let all threads share few arenas; to be called before there are threads."""
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)


async def watch_memory(limit_bytes: int) -> None:
    """Return freed memory to the system while the process holds more than `limit_bytes`.

    Runs until it is cancelled.
    """
    malloc_trim = _function("malloc_trim")
    held_bytes = 0
    while malloc_trim is not None:
        await asyncio.sleep(WATCH_S)
        now_bytes = resident_bytes()
        if now_bytes > max(limit_bytes, held_bytes + GROWN_BYTES):
            await asyncio.to_thread(malloc_trim, 0)
            now_bytes = resident_bytes()
            held_bytes = now_bytes
        held_bytes = min(held_bytes, now_bytes)


def _function(name: str) -> Callable[..., int] | None:
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return function
