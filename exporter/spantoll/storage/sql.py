"""What every SQL database does the same: idempotent writes, settling, corrections, rates.

Input: records and a `Settle`. Output: rows, by the few verbs in which databases differ: how a
transaction begins, how rows are loaded, which errors are the data's fault. A backend is a subclass
of `SqlStore` that gives those verbs; `Store` is the contract of both.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, Table, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import RecordRejected
from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord
from spantoll.storage.facts import correct
from spantoll.storage.groups import Groups
from spantoll.storage.rates import to_row
from spantoll.storage.store import Settle, WriteResult
from spantoll.storage.tables import probe, rate

__all__ = ["SqlStore"]

PROBE_BYTES = 65_000
"""As much as a BLOB of MySQL takes."""

_Refused = tuple[int, str]
"""Position in the write, and why."""

_Insert = Callable[[Connection, Sequence[UsageRecord]], tuple[int, list[_Refused]]]
"""Returns how many records were new, and which can never be stored."""


class SqlStore(ABC):
    """A ledger in a SQL database; `Store` is the contract of its methods.

    One writer at a time: `transaction` holds off every other one.
    """

    groups: ClassVar[Groups]
    """Finds the groups to settle; made with the condition that selects the rows of the write."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the ledger is, without a password."""

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """For reading; never blocks the writer."""

    @abstractmethod
    def close(self) -> None:
        """Release the connections; later calls raise StoreUnavailable."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Connection]:
        """Begin the write transaction; it is durable when the block has ended without an error.

        What the driver raises in the block becomes StoreUnavailable, other errors pass through.
        """

    @abstractmethod
    def insert_records(self, connection: Connection, records: Sequence[UsageRecord]) -> int:
        """Load records, skipping those whose identity is stored; return how many were new."""

    @abstractmethod
    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""

    @abstractmethod
    def mark_write(self, connection: Connection) -> Mapping[str, Any]:
        """Return the values by which SQL distinguishes the rows of the write that begins."""

    @abstractmethod
    def is_bad_data(self, error: Exception) -> bool:
        """Whether a statement failed for what it was given, so that it will always fail.

        Anything unknown is False, a fault that may pass: the sender should try again.
        """

    @abstractmethod
    def check_room(self, connection: Connection) -> None:
        """Raise StoreUnavailable where it can be seen without a write that the disk is full."""

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        """Store records, each once, and settle the groups they join; see `Store`."""
        if not records:
            return WriteResult(0, 0, 0)
        try:
            result, refused = self._write(records, settle, self._insert_together)
        except _BadData:
            result, refused = self._write(records, settle, self._insert_apart)
        if refused:
            reasons = "; ".join(sorted({reason for _, reason in refused}))
            raise RecordRejected(reasons, [index for index, _ in refused], **result._asdict())
        return result

    def add_rates(self, rates: Sequence[Rate]) -> None:
        """Store rates that are not there yet."""
        if rates:
            with self.transaction() as connection:
                self._add_rates(connection, rates)

    def ping(self) -> None:
        """Commit a row, having seen that there is room for more."""
        now_ns = time.time_ns()
        with self.transaction() as connection:
            self.check_room(connection)
            with connection.begin_nested() as trial:
                padded = {"id": 2, "written_ns": now_ns, "padding": bytes(PROBE_BYTES)}
                connection.execute(probe.insert(), padded)
                trial.rollback()
            self.insert_missing(connection, probe, [{"id": 1, "written_ns": now_ns}])
            connection.execute(update(probe).where(probe.c.id == 1).values(written_ns=now_ns))

    def _write(
        self, records: Sequence[UsageRecord], settle: Settle | None, insert: _Insert
    ) -> tuple[WriteResult, list[_Refused]]:
        with self.transaction() as connection:
            mark = self.mark_write(connection)
            inserted, refused = insert(connection, records)
            corrected = 0
            if settle is not None:
                stored = _without(records, refused)
                for group in self.groups.find(connection, stored, mark):
                    context = {member.id for member in group if member.is_context}
                    corrections = [each for each in settle(group) if each.id not in context]
                    self._add_rates(connection, [each.rate for each in corrections if each.rate])
                    corrected += correct(connection, group, corrections)
        duplicates = len(records) - len(refused) - inserted
        return WriteResult(inserted, duplicates, corrected), refused

    def _add_rates(self, connection: Connection, rates: Sequence[Rate]) -> None:
        if rates:
            self.insert_missing(connection, rate, [to_row(each) for each in rates])

    def _insert_together(
        self, connection: Connection, records: Sequence[UsageRecord]
    ) -> tuple[int, list[_Refused]]:
        try:
            return self.insert_records(connection, records), []
        except (DBAPIError, OverflowError, UnicodeError) as error:
            if self.is_bad_data(error):
                raise _BadData(error.orig if isinstance(error, DBAPIError) else error) from error
            raise

    def _insert_apart(
        self, connection: Connection, records: Sequence[UsageRecord], first: int = 0
    ) -> tuple[int, list[_Refused]]:
        """Halve until only what can never be stored is left out."""
        try:
            with connection.begin_nested():
                return self._insert_together(connection, records)
        except _BadData as error:
            if len(records) == 1:
                return 0, [(first, str(error))]
        middle = len(records) // 2
        some, some_refused = self._insert_apart(connection, records[:middle], first)
        more, more_refused = self._insert_apart(connection, records[middle:], first + middle)
        return some + more, some_refused + more_refused


class _BadData(Exception):
    """Raised when a statement failed for what it was given, not for how the database is."""


def _without(records: Sequence[UsageRecord], refused: Sequence[_Refused]) -> Sequence[UsageRecord]:
    if not refused:
        return records
    bad = {index for index, _ in refused}
    return [record for index, record in enumerate(records) if index not in bad]
