"""How long a request that is admitted now would wait for its acknowledgement.

In: the size of every complete body, when its work begins and when it ends. Out: an estimate in
seconds by Little's law: bytes in progress, divided by the bytes per second that were finished while
there was enough work for group commits. A body still being uploaded is no work yet: a slow sender
must not refuse others.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

__all__ = ["Backlog"]

WINDOW_S = 0.25
"""Of one measurement of the rate: a few group commits, which take 5 to 500 ms."""
WEIGHT = 0.4
"""Of the newest measurement: the estimate follows a change of load within about a second."""
FLOOR_BYTES = 2 << 20
"""Less in progress is neither refused nor measured: single requests finish at a rate far below what
group commits reach, and would refuse the first burst. About 3,000 spans, a tenth of a second."""


class Backlog:
    """Bodies between their last byte and their answer, and the rate at which they are finished."""

    def __init__(
        self, *, stalled_s: Callable[[], float], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._stalled_s = stalled_s
        self._clock_s = clock_s
        self.queued_bytes = 0
        self._rate: float | None = None
        self._finished_bytes = 0
        self._most_bytes = 0
        self._window_start_s = clock_s()
        self._idle_since_s = self._window_start_s

    @contextlib.contextmanager
    def work(self, size_bytes: int) -> Iterator[None]:
        """Count a complete body as work in progress; as finished, unless an error ends it."""
        if not self.queued_bytes:
            self._window_start_s += self._clock_s() - self._idle_since_s
        self.queued_bytes += size_bytes
        self._most_bytes = max(self._most_bytes, self.queued_bytes)
        try:
            yield
            self._finished_bytes += size_bytes
        finally:
            self.queued_bytes -= size_bytes
            self._measure()

    def stalled_s(self) -> float:
        """Return the age of the oldest write that has not ended."""
        return self._stalled_s()

    def expected_wait_s(self) -> float:
        """Estimate the wait of a request that begins now; 0 while little is in progress."""
        if self._rate is None or self.queued_bytes <= FLOOR_BYTES:
            return 0.0
        return self.queued_bytes / max(self._rate, 1.0)

    def _measure(self) -> None:
        now_s = self._clock_s()
        busy_s = now_s - self._window_start_s
        # A window in which nothing was finished says that the database stands still, not how fast
        # it is; `stalled_s` has that.
        if busy_s >= WINDOW_S and self._finished_bytes:
            if self._most_bytes > FLOOR_BYTES:
                measured = self._finished_bytes / busy_s
                before = measured if self._rate is None else self._rate
                self._rate = before + WEIGHT * (measured - before)
            self._finished_bytes = 0
            self._most_bytes = self.queued_bytes
            self._window_start_s = now_s
        if not self.queued_bytes:
            self._idle_since_s = now_s
