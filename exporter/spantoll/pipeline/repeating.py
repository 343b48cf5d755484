"""Call a function again and again in a thread, beside a receiver.

Input: a function that may fail, and how often it is called. Output: a block during which it is
called; a call under way is finished at its end. What it raises is logged, and it is called again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from spantoll.errors import SpantollError

__all__ = ["IsStopped", "repeat"]

log = logging.getLogger(__name__)

IsStopped = Callable[[], bool]
"""Whether the block has ended: what takes long looks, and stops."""


@contextmanager
def repeat(
    step: Callable[[IsStopped], object], *, what: str, every_s: float, quiet_failures: int = 0
) -> Iterator[None]:
    """Call `step` at once and every so many seconds until the block ends.

    `what` says in the log what is done later. So many failures in a row as `quiet_failures` are
    usual, such as the lock of a busy database, and only logged as information.
    """
    closed = Event()

    def run() -> None:
        failures = 0
        while not closed.is_set():
            try:
                step(closed.is_set)
                failures = 0
            except SpantollError as error:
                failures += 1
                level = logging.WARNING if failures > quiet_failures else logging.INFO
                log.log(level, "%s %d s later: %s", what, every_s, error)
            # The receiver goes on without.
            except Exception:
                log.exception("%s %d s later", what, every_s)
            closed.wait(every_s)

    thread = Thread(target=run, name=f"spantoll: {what}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()
