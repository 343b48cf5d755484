from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spantoll.forward.annotate import SpanKey
from spantoll.records import Billed

__all__ = ["Job"]


class Job(NamedTuple):
    """A committed request that is to go on."""

    body: bytes
    content_type: str
    tenant: str
    keys: Sequence[SpanKey]
    """Its spans that became records."""
    billed: Sequence[Billed] | None
    """What those of them cost that are billed; None if the ledger has to be asked."""
    hops: str

    @property
    def size_bytes(self) -> int:
        """What it takes of the queue, roughly: ids weigh 24 bytes and some objects."""
        return len(self.body) + 200 * (len(self.keys) + len(self.billed or ()))
