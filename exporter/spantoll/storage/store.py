"""The contract of a ledger in a database.

Input: records, rates, and the function that settles them. Output: a `WriteResult`, or an error that
says whether to try again. `storage/sql.py` implements it for SQL databases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, Engine

from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord

__all__ = ["Correction", "Settle", "Store", "Stored", "WriteResult"]


class Stored(NamedTuple):
    """A record in the database with its surrogate id.

    `facts` is the record as its own span reported it, before any correction was applied.
    """

    id: int
    facts: UsageRecord
    current: UsageRecord
    has_common_id: bool = False
    """Whether more records than `MAX_SHARED` have its response key, which so connects none."""
    is_context: bool = False
    """Whether it is given only because others depend on it: its own verdict is not asked for."""


class Correction(NamedTuple):
    """What settling decided for one stored record: its complete new content."""

    id: int
    record: UsageRecord
    rate: Rate | None = None
    """The rate the record now names, stored in the same transaction."""


Settle = Callable[[Sequence[Stored]], Sequence[Correction]]
"""Given the stored records of one connected group, in no particular order, return those whose
`current` is not what it should be. Decides from `facts` alone and changes no identity (tenant,
trace, span), so that the same facts always end the same way. What connects a record, its trace id
and its keys, stays as its facts have it. The store drops corrections of what is context."""


class WriteResult(NamedTuple):
    """What one write did."""

    inserted: int
    duplicates: int
    """Records whose (tenant, trace_id, span_id) was already there: the stored version stays,
    unless this one outranks it (`sent_again.rank_version`) and so is one of `corrected`."""
    corrected: int
    unsettled: int = 0
    """Records that are stored and not settled yet; `Store.settle_pending` does that later."""
    settled_elsewhere: int = 0
    """Records that another writer was quicker to settle: what it corrected is not known here."""


class Store(Protocol):
    """Where usage records live.

    `write` is idempotent on (tenant_id, trace_id, span_id), except that a record becomes
    what another version of its span reports that outranks its own. It is durable when it returns: a
    record it accepted survives a kill and, with the database's default settings, a power loss.
    Raises StoreUnavailable (nothing stored, try again) or RecordRejected (names the records that
    can never be stored; all others were stored).

    Every connected group that gained a record is handed to `settle`, and its corrections are
    stored: in the same transaction where one process writes at a time, else in a second one. What
    a crash in between, or an error, leaves unsettled is noted, and settled with the next write of
    any process, or by `settle_pending`. Records of one tenant are connected as `groups` says: by
    parent, by response id, by the parts of a stream, and by equal usage at one time. A response id
    that more than `MAX_SHARED` records have connects none. A billable record that is connected to
    no other is not handed over: its facts are the answer.

    `add_rates` is idempotent and must precede the first record that names the rate.
    All methods may be called from any thread; the caller lets `writers` of its threads `write` at
    the same time.
    """

    @property
    def writers(self) -> int:
        """How many threads of one process may be in `write`; more would only wait."""

    @property
    def url(self) -> str:
        """Where the ledger is; `open_store` takes it."""

    @property
    def engine(self) -> Engine:
        """For reading, by `spantoll.query` only. Readers never block the writer."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Begin a write transaction, for the modules of storage that keep other tables.

        Raises StoreUnavailable. Durable when the block has ended without an error.
        """

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        """Store records, each once, and settle the groups they join."""

    def settle_pending(self, settle: Settle) -> int:
        """Settle what other writes have left unsettled; return how many records were corrected."""

    def add_rates(self, rates: Sequence[Rate]) -> None:
        """Store rates that are not there yet."""

    def checkpoint(self) -> None:
        """Do what a later write would have to do first; called when no write waits.

        Raises StoreUnavailable, of which the next write is no worse.
        """

    def ping(self) -> None:
        """Raise StoreUnavailable unless a write could succeed now."""

    def close(self) -> None:
        """Release what is open; later calls raise StoreUnavailable."""
