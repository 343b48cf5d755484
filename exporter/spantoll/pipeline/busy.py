"""How busy a writer is: the share of its time that it spends in writes.

Input: when each write began and ended, in seconds of a monotonic clock. Output: the share in the
last whole window of time.
"""

from __future__ import annotations

__all__ = ["BusyShare"]

WINDOW_S = 1.0
"""Some checkpoints of SQLite: each takes 10 to 100 ms."""


class BusyShare:
    """The share of time spent in writes, 0 to 1; for one thread."""

    def __init__(self, *, since_s: float) -> None:
        self.share = 0.0
        """In the last window that has ended; 0 before the first one has."""
        self._since_s = since_s
        self._busy_s = 0.0

    def add_write(self, began_s: float, ended_s: float) -> None:
        """Add a write; the first one that ends WINDOW_S or later after the last window ends it."""
        self._busy_s += ended_s - began_s
        elapsed_s = ended_s - self._since_s
        if elapsed_s >= WINDOW_S:
            self.share = self._busy_s / elapsed_s
            self._since_s, self._busy_s = ended_s, 0.0
