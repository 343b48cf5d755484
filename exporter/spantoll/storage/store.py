from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Engine

from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord

__all__ = ["Correction", "Settle", "Store", "Stored", "WriteResult"]


class Stored(NamedTuple):
    """A record in the database with its surrogate id.

    `facts` is the record as its own span told it, before any correction was applied.
    """

    id: int
    facts: UsageRecord
    current: UsageRecord


class Correction(NamedTuple):
    """What settling decided for one stored record: its complete new content."""

    id: int
    record: UsageRecord


Settle = Callable[[Sequence[Stored]], Sequence[Correction]]
"""Given every stored record of one connected group (linked by trace id or response id), in no
particular order, answer with the records that must change. Pure: same group, same answer."""


class WriteResult(NamedTuple):
    """What one write did."""

    inserted: int
    duplicates: int
    """Records whose (tenant, trace_id, span_id) was already there: first complete write wins."""
    corrected: int


class Store(Protocol):
    """Where usage records live; all methods may be called from any thread.

    `write` is idempotent on (tenant_id, trace_id, span_id) and durable when it returns: a record it
    accepted survives a kill and, with the database's default settings, a power loss. In the same
    transaction every group that gained a record and has more than one is handed to `settle`, and
    its corrections are stored.
    """

    @property
    def url(self) -> str:
        """Where the database is, as given to `open_store`."""

    @property
    def engine(self) -> Engine:
        """Connections for reading; readers never hold up the writer."""

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        """Store records. Raises StoreUnavailable (nothing was stored) or RecordRejected.

        RecordRejected names the records that can never be stored; all others were.
        """

    def add_rates(self, rates: Sequence[Rate]) -> None:
        """Store the rates records will name; idempotent. Raises StoreUnavailable."""

    def ping(self) -> None:
        """Raise StoreUnavailable unless a write could succeed now."""

    def close(self) -> None:
        """Release the database; idempotent."""
