"""What every SQL database does the same: idempotent writes, settling, corrections, rates.

Input: records and a `Settle`. Output: rows, by the few verbs in which databases differ: how a
transaction begins, how rows are loaded, which errors are the data's fault. A backend is a subclass
of `SqlStore` that gives those verbs, or of `SharedStore` where several processes write at once;
`Store` is the contract of all.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, Table, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import RecordRejected
from spantoll.pricing.result import Rate
from spantoll.records.record import UsageRecord
from spantoll.storage.facts import list_corrections, store_changes
from spantoll.storage.groups import Groups
from spantoll.storage.periods_book import book_late_records
from spantoll.storage.rates import to_row
from spantoll.storage.retention import find_late_records
from spantoll.storage.retention_run import (
    Deletion,
    RetentionPlan,
    check_retention,
    delete_records,
    move_mark,
)
from spantoll.storage.roll_ups import add_pending, add_records
from spantoll.storage.sent_again import (
    Versions,
    complete_stored,
    find_versions,
    leave_groups,
)
from spantoll.storage.statements import bind_list
from spantoll.storage.store import Settle, Stored, WriteResult
from spantoll.storage.tables import probe, rate

__all__ = ["Insert", "Refused", "SqlStore", "without"]

PROBE_BYTES = 65_000
"""As much as a BLOB of MySQL takes."""

CHANGED_GROUPS = Groups(lambda rows: rows.c.id.in_(bind_list("changed")))
"""Finds the groups of any rows, where `SqlStore.groups` finds those of new ones only."""

MOST_PENDING = 4_096
"""Records that a write leaves out of roll-ups: queries read these one by one."""

Refused = tuple[int, str]
"""Position in the write, and why."""

Insert = Callable[[Connection, Sequence[UsageRecord]], tuple[list[int], list[Refused]]]
"""Returns the ids of the records that were new, and which can never be stored."""


class SqlStore(ABC):
    """A ledger in a SQL database; `Store` is the contract of its methods.

    One writer at a time: `transaction` holds off every other one.
    """

    groups: ClassVar[Groups]
    """Finds the groups to settle; made with the condition that selects the rows to settle."""

    has_transactions: ClassVar[bool] = True
    """Whether all statements of a `transaction` are undone when one fails."""

    writers: ClassVar[int] = 1
    """How many threads of one process may be in `write`."""

    reprice_batch: ClassVar[int] = 250
    """Records that one transaction of re-pricing changes: about 10 ms on SQLite
    (`tests/soak/test_repricing_soak.py`)."""

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

    def exclusive_transaction(self) -> AbstractContextManager[Connection]:
        """Begin a transaction that also waits for insertions of records, and lets none begin."""
        return self.transaction()

    def long_statements(self) -> AbstractContextManager[None]:
        """Wait in the block for each statement as long as it takes; for no receiver."""
        return nullcontext()

    @abstractmethod
    def insert_records(
        self, connection: Connection, records: Sequence[UsageRecord]
    ) -> Sequence[int]:
        """Load records, skipping those whose identity is stored; return the ids of the new rows."""

    @abstractmethod
    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""

    @abstractmethod
    def bind_gained(self, connection: Connection, ids: Sequence[int]) -> Mapping[str, Any]:
        """Return the values by which the statements of `groups` select the rows `ids`."""

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
            result, refused = self.write_with(self._insert_together, records, settle)
        except _BadData:
            result, refused = self.write_with(self._insert_apart, records, settle)
        if result.duplicates:
            versions = find_versions(without(records, refused))
            completed = self.complete_records(versions, settle) if versions else 0
            result = result._replace(corrected=result.corrected + completed)
        if refused:
            reasons = "; ".join(sorted({reason for _, reason in refused}))
            raise RecordRejected(
                reasons,
                [index for index, _ in refused],
                inserted=result.inserted,
                duplicates=result.duplicates,
                corrected=result.corrected,
            )
        return result

    def continue_numbering(self, connection: Connection, table: Table) -> None:  # noqa: B027  optional
        """Let the next row of a table, into which rows with ids were copied, have a higher one."""

    def settle_pending(self, settle: Settle) -> int:
        """Return 0: what a write adds is settled in its transaction."""
        return 0

    def checkpoint(self) -> None:  # noqa: B027  optional
        """Do nothing: servers do what a write leaves behind by themselves."""

    def check_retention(self) -> None:
        """Raise RetentionError where a database would keep no sums of what is deleted."""
        check_retention(self)

    def move_mark(self, planned: RetentionPlan, *, by: str, now_ns: int) -> bool:
        """Move the mark of retention, and keep the sums of what is before it; see `retention_run`.

        Returns False while records before it are not settled. Raises RetentionError where sums
        would be lost, and StoreUnavailable.
        """
        return move_mark(self, planned, by=by, now_ns=now_ns)

    def delete_records(
        self,
        mark_ns: int,
        *,
        pause: Callable[[], None],
        progress: Callable[[Deletion], None] = lambda done: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Deletion:
        """Delete what started before the mark, in batches; see `retention_run`."""
        return delete_records(self, mark_ns, pause=pause, progress=progress, is_stopped=is_stopped)

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

    def write_with(
        self, insert: Insert, records: Sequence[UsageRecord], settle: Settle | None
    ) -> tuple[WriteResult, list[Refused]]:
        """Insert and settle in one transaction; return also which records were refused."""
        with self.transaction() as connection:
            ids, refused = self.insert_in_time(connection, insert, records)
            book_late_records(connection, records, ids)
            add_records(connection, ids, records)
            corrected = 0
            if settle is not None and ids:
                corrected = self.settle_rows(connection, without(records, refused), ids, settle)
            add_pending(connection, least=MOST_PENDING)
        duplicates = len(records) - len(refused) - len(ids)
        return WriteResult(len(ids), duplicates, corrected), refused

    def insert_in_time(
        self, connection: Connection, insert: Insert, records: Sequence[UsageRecord]
    ) -> tuple[Sequence[int], list[Refused]]:
        """Insert the records that did not start before the mark of retention; refuse the others."""
        late = find_late_records(connection, records)
        if not late:
            return insert(connection, records)
        is_late = dict(late)
        kept = [index for index in range(len(records)) if index not in is_late]
        ids, refused = insert(connection, [records[index] for index in kept]) if kept else ([], [])
        return ids, [*late, *((kept[index], why) for index, why in refused)]

    def complete_records(self, versions: Versions, settle: Settle | None) -> int:
        """Give stored records what another version of their span reports that outranks theirs.

        Returns how many records were corrected, those settled with them included.
        """
        with self.transaction() as connection:
            changes = list(complete_stored(connection, versions))
            return self.change_facts(connection, changes, settle) if changes else 0

    def change_facts(
        self,
        connection: Connection,
        changes: Sequence[tuple[Stored, Stored]],
        settle: Settle | None,
    ) -> int:
        """Store what spans report now, and settle the groups of their records.

        Records that are one call with them by what they reported before are settled without them.
        """
        if settle is None:
            return store_changes(connection, changes)
        ids = [before.id for before, _ in changes]
        joined = self.find_groups(connection, [before.facts for before, _ in changes], ids)
        left = list(leave_groups(joined, [before for before, _ in changes]))
        corrected = self._settle_groups(connection, left, settle)
        corrected += store_changes(connection, changes)
        groups = self.find_groups(connection, [after.facts for _, after in changes], ids)
        return corrected + self._settle_groups(connection, groups, settle)

    def find_groups(
        self, connection: Connection, records: Sequence[UsageRecord], ids: Sequence[int]
    ) -> Iterable[Sequence[Stored]]:
        """Find the groups of the rows `ids`, which may be old ones; `records` has their facts."""
        return CHANGED_GROUPS.find(connection, records, {"changed": ids})

    def settle_rows(
        self,
        connection: Connection,
        records: Sequence[UsageRecord],
        ids: Sequence[int],
        settle: Settle,
    ) -> int:
        """Settle the groups that the rows `ids` join; return how many records were corrected.

        `records` has the facts of each of these rows, which nothing has corrected yet.
        """
        bound = self.bind_gained(connection, ids)
        return self._settle_groups(connection, self.groups.find(connection, records, bound), settle)

    def _settle_groups(
        self, connection: Connection, groups: Iterable[Sequence[Stored]], settle: Settle
    ) -> int:
        changes: list[tuple[Stored, Stored]] = []
        for group in groups:
            context = {member.id for member in group if member.is_context}
            corrections = [each for each in settle(group) if each.id not in context]
            self._add_rates(connection, [each.rate for each in corrections if each.rate])
            changes += list_corrections(group, corrections)
        return store_changes(connection, changes)

    def _add_rates(self, connection: Connection, rates: Sequence[Rate]) -> None:
        if rates:
            self.insert_missing(connection, rate, [to_row(each) for each in rates])

    def _insert_together(
        self, connection: Connection, records: Sequence[UsageRecord]
    ) -> tuple[list[int], list[Refused]]:
        try:
            return list(self.insert_records(connection, records)), []
        except (DBAPIError, OverflowError, UnicodeError) as error:
            if self.is_bad_data(error):
                raise _BadData(error.orig if isinstance(error, DBAPIError) else error) from error
            raise

    def _insert_apart(
        self, connection: Connection, records: Sequence[UsageRecord], first: int = 0
    ) -> tuple[list[int], list[Refused]]:
        """Halve until only what can never be stored is left out."""
        try:
            with connection.begin_nested():
                return self._insert_together(connection, records)
        except _BadData as error:
            if len(records) == 1:
                return [], [(first, str(error))]
        middle = len(records) // 2
        some, some_refused = self._insert_apart(connection, records[:middle], first)
        more, more_refused = self._insert_apart(connection, records[middle:], first + middle)
        return some + more, some_refused + more_refused


class _BadData(Exception):
    """Raised when a statement failed for what it was given, not for how the database is."""


def without(records: Sequence[UsageRecord], refused: Sequence[Refused]) -> Sequence[UsageRecord]:
    """Return the records that were not refused."""
    if not refused:
        return records
    bad = {index for index, _ in refused}
    return [record for index, record in enumerate(records) if index not in bad]
