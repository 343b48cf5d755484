"""Ends the spans of streams that the application has dropped.

The last reference usually goes away in the caller's own code, and the span can end right there. But
the cycle collector may run anywhere: also inside the SDK of OpenTelemetry while it holds one of its
locks, where ending a span would wait for that lock for ever. Such a span is ended by a thread that
is started for this one task.
"""

from __future__ import annotations

import _thread
import gc
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["run_unlocked", "stop", "watch"]

_collecting: set[int] = set()


def watch() -> None:
    """Record from now on when the cycle collector runs, and in which thread."""
    if _note not in gc.callbacks:
        gc.callbacks.append(_note)


def stop() -> None:
    """Undo `watch`."""
    if _note in gc.callbacks:
        gc.callbacks.remove(_note)


def run_unlocked(end: Callable[[], Any]) -> None:
    """Call `end` where the current thread cannot be holding a lock it needs."""
    if threading.get_ident() not in _collecting:
        end()
        return
    try:
        _thread.start_new_thread(end, ())
    except RuntimeError:
        # The interpreter is shutting down: no thread starts, and none contends for a lock.
        end()


def _note(phase: str, _: dict[str, int]) -> None:
    if phase == "start":
        _collecting.add(threading.get_ident())
    else:
        _collecting.discard(threading.get_ident())
