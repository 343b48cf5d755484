from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spantoll.forward.annotate import SpanKey
from spantoll.records import Billed

__all__ = ["QueuedRequest"]

KEY_BYTES = 200
"""Of a span key or a billed row in memory: two ids of 24 bytes and their Python objects."""


class QueuedRequest(NamedTuple):
    """A committed request of spans that waits for one target."""

    body: bytes
    content_type: str
    tenant: str
    keys: Sequence[SpanKey]
    """Its spans that became records."""
    billed: Sequence[Billed] | None
    """The cost of those that are billed; None if the ledger has to be asked when it is sent."""
    hops: str
    spans: int
    """How many spans the body holds, GenAI or not."""
    sent_spans: int = 0
    """The first of them, in the order of the body, that need no further attempt."""

    @property
    def size_bytes(self) -> int:
        """Estimate the memory it takes."""
        return len(self.body) + KEY_BYTES * (len(self.keys) + len(self.billed or ()))

    @property
    def unsent_spans(self) -> int:
        """Count the spans that the target has neither taken nor refused."""
        return max(0, self.spans - self.sent_spans)
