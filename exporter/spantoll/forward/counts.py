"""Counters of forwarding, one set per target.

Input: the result of each request to a target. Output: a `Counts`, which `/metrics` and the log of a
shutdown show; each span is in exactly one of its span counters or in a waiting request.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

__all__ = ["Counts", "Tally"]


class Counts(NamedTuple):
    """The results of one target since the start.

    In requests unless the name ends with _spans. Each span is in exactly one of forwarded_spans,
    rejected_spans, dropped_spans or a waiting request.
    """

    forwarded: int = 0
    """Taken by the target, every part."""
    forwarded_spans: int = 0
    dropped: int = 0
    """Queue full, refused by the target in whole or in part, given up, or unsent at the end."""
    dropped_spans: int = 0
    refused: int = 0
    """Not acknowledged to the sender, because they could not be put on the queue's disk."""
    retried: int = 0
    """Attempts that were repeated."""
    rejected_spans: int = 0
    """Spans that the target reported as rejected of requests it took (partial success)."""
    looped: int = 0
    """Already passed this receiver: kept in the ledger, not sent again."""
    waiting: int = 0
    queue_bytes: int = 0
    memory_requests: int = 0
    """Waiting requests that end with the process: not, or not yet, on the queue's disk."""
    paused: str = ""
    """Why the queue's disk cannot be written at present."""


class Tally:
    """The counters of one target, safe to add to from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()
        self._frozen = False

    @property
    def counts(self) -> Counts:
        """A snapshot."""
        return self._counts

    def add(self, **more: int) -> None:
        """Add to the counters named."""
        with self._lock:
            if self._frozen:
                return
            counts = self._counts
            self._counts = counts._replace(
                **{name: getattr(counts, name) + number for name, number in more.items()}
            )

    def freeze(self) -> None:
        """Ignore later additions: an attempt that outlasts the end is counted as dropped."""
        with self._lock:
            self._frozen = True
