"""The protocol of a database that no ledger is kept in: what an adapter does with priced records.

Input: `UsageRecord`s of a ledger. Output: the same records, each once, in a database of the user's
choice, and sums of those that are counted. No base class is needed. The ledger stays in SQL:
counting each call once takes transactions; an adapter is given what the ledger has decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from spantoll.records.record import UsageRecord

__all__ = ["Adapter", "StatsFilter", "UsageStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsFilter:
    """Which records statistics are about; None restricts nothing."""

    project: str | None = None
    provider: str | None = None
    model: str | None = None
    start_ns: int | None = None
    """Inclusive, of `started_ns`, UTC nanoseconds."""
    end_ns: int | None = None
    """Exclusive."""


class UsageStats(NamedTuple):
    """Sums over the records with `counted`; None where no record knows the number."""

    requests: int
    successes: int
    """Requests of records with the status `success`."""
    errors: int
    """Requests of records with the status `error` or `timeout`; cancelled ones are neither."""
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    """Input and output together."""
    cost_nano: int | None
    """In nano-USD; a lower bound where there are `unpriced_requests`."""
    unpriced_requests: int
    """Requests of records with the pricing status `unpriced`."""
    latency_avg_ms: float | None
    """Mean of `duration_ns` over the records that have one, in milliseconds."""


class Adapter(Protocol):
    """Keeps priced records in a database.

    A record is identified by (tenant_id, trace_id, span_id). Saved again it is still one record,
    with the content that was saved last: settling, re-pricing and erasing change a record. Every
    method but `disconnect` raises StoreUnavailable for what may work later; saving is then tried
    again from the beginning of the batch.
    """

    def connect(self) -> None:
        """Open what is needed, and make collections and indexes that are missing."""

    def disconnect(self) -> None:
        """Release what is open. Does nothing where nothing is."""

    def save(self, record: UsageRecord) -> None:
        """Save one record; durable on return."""

    def save_batch(self, records: Sequence[UsageRecord]) -> None:
        """Save records; durable on return. After an error any part of them may be saved."""

    def get_stats(self, chosen: StatsFilter) -> UsageStats:
        """Add up the counted records that the filter chooses."""
