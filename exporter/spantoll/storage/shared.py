"""Stores to which several processes write at the same time.

Input: records and a `Settle`. Output: rows. Inserting and settling are two transactions. The first
runs beside those of other processes, and notes the new rows in the table `unsettled`. The second
follows its commit, one process at a time: it settles all rows that are noted, its own and those
another process has left. So two halves of a call that two processes insert at once are seen
together by whoever settles last, and the groups are those that one writer would have found.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    MetaData,
    Table,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.records.columns import FACTS, usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.facts import store_changes, stored
from spantoll.storage.periods_book import book_late_records
from spantoll.storage.roll_ups import add_records
from spantoll.storage.sent_again import Versions
from spantoll.storage.sql import Insert, Refused, SqlStore, without
from spantoll.storage.store import Settle, Stored, WriteResult
from spantoll.storage.tables import unsettled

__all__ = ["SharedStore", "Unsettled", "is_settling", "read_unsettled", "settling"]

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""Of a transaction that the database ended because it and another one waited for each other."""
PAUSE_S = 0.05
MOST_ROWS = 32_768
"""Rows settled in one transaction, if they are of several writes: two groups of a group commit."""
CHUNK = 1_000
"""Ids in one IN list."""
LONGEST_FAILURE = 254
"""Characters of the column `failure`."""

settling = Table("settling", MetaData(), Column("id", BigInteger, primary_key=True))
"""A temporary table of each connection: ids of the rows that its transaction settles."""

_T = TypeVar("_T")


class Unsettled(NamedTuple):
    """What is stored and not settled."""

    records: int
    since_ns: int
    failure: str | None
    """Why it could not be settled; None where nobody has tried yet."""


class _Range(NamedTuple):
    """Consecutive ids of rows of one write."""

    first_id: int
    last_id: int

    def ids(self) -> range:
        """Return the ids."""
        return range(self.first_id, self.last_id + 1)

    def includes(self, number: int) -> bool:
        """Return True if an id is one of the range."""
        return self.first_id <= number <= self.last_id


def is_settling(rows: FromClause) -> ColumnElement[bool]:
    """Return the condition that a row of `usage_record` is one of those to settle."""
    return rows.c.id.in_(select(settling.c.id))


def read_unsettled(engine: Engine) -> Unsettled | None:
    """Read how many records are not settled, since when, and why; None if all are."""
    u = unsettled.c
    with engine.connect() as connection:
        records, since_ns, failure = connection.execute(
            select(func.sum(u.last_id - u.first_id + 1), func.min(u.since_ns), func.max(u.failure))
        ).one()
    return None if records is None else Unsettled(int(records), since_ns, failure)


class SharedStore(SqlStore):
    """A ledger that several processes write at once; see `Store` and `SqlStore`.

    `transaction` holds off other corrections, but not the insertion of records.
    """

    @abstractmethod
    def insertion(self) -> AbstractContextManager[Connection]:
        """Begin a transaction as `transaction` does, beside those of other processes."""

    @abstractmethod
    def is_conflict(self, error: BaseException | None) -> bool:
        """Whether a transaction was ended for another one's sake, so that it may be repeated."""

    @abstractmethod
    def fill_settling(self, connection: Connection, ids: Sequence[int]) -> None:
        """Make the table `settling` have these ids and no others."""

    def bind_gained(self, connection: Connection, ids: Sequence[int]) -> Mapping[str, Any]:
        """Return nothing: the statements of `groups` read the ids from the table `settling`."""
        return {}

    def write_with(
        self, insert: Insert, records: Sequence[UsageRecord], settle: Settle | None
    ) -> tuple[WriteResult, list[Refused]]:
        """Insert, and when that is durable, settle; return also which records were refused."""
        ids, refused = self._repeat(
            lambda: self._insert_and_note(insert, records, settle is not None)
        )
        corrected = left = elsewhere = 0
        if settle is not None and ids:
            own = _Own(without(records, refused), frozenset(ids))
            try:
                done = self._settle_noted(settle, own)
            except StoreUnavailable as error:
                log.warning("%d records are stored and not settled yet: %s", len(ids), error)
                left = len(ids)
            else:
                corrected = done.corrected
                left = sum(any(each.includes(number) for each in done.failed) for number in ids)
                here = sum(len(each.ids()) for each in done.settled if each.first_id in own.ids)
                elsewhere = len(ids) - left - here
        duplicates = len(records) - len(refused) - len(ids)
        return WriteResult(len(ids), duplicates, corrected, left, elsewhere), refused

    def settle_pending(self, settle: Settle) -> int:
        """Settle what other writes have left, and try again what has failed before."""
        with self.transaction() as connection:
            has_failed = unsettled.c.failure.is_not(None)
            connection.execute(update(unsettled).where(has_failed).values(failure=None))
        return self._settle_noted(settle, NOTHING_OWN).corrected

    def complete_records(self, versions: Versions, settle: Settle | None) -> int:
        """See `SqlStore`; what other writes have noted is settled before.

        Whoever has inserted one of these records would settle it by what it was then.
        """
        if settle is not None:
            self._settle_noted(settle, NOTHING_OWN)
        return super().complete_records(versions, settle)

    def change_facts(
        self,
        connection: Connection,
        changes: Sequence[tuple[Stored, Stored]],
        settle: Settle | None,
    ) -> int:
        """See `SqlStore`."""
        self.fill_settling(connection, [before.id for before, _ in changes])
        return super().change_facts(connection, changes, settle)

    def find_groups(
        self, connection: Connection, records: Sequence[UsageRecord], ids: Sequence[int]
    ) -> Iterable[Sequence[Stored]]:
        """See `SqlStore`; the ids are in the table `settling`."""
        return self.groups.find(connection, records, self.bind_gained(connection, ids))

    def _insert_and_note(
        self, insert: Insert, records: Sequence[UsageRecord], note: bool
    ) -> tuple[list[int], list[Refused]]:
        with self.insertion() as connection:
            found, refused = self.insert_in_time(connection, insert, records)
            ids = list(found)
            book_late_records(connection, records, ids)
            add_records(connection, ids, records)
            if note and ids:
                since_ns = time.time_ns()
                rows = [{**each._asdict(), "since_ns": since_ns} for each in _join_ids(ids)]
                connection.execute(unsettled.insert(), rows)
        return ids, refused

    def _settle_noted(self, settle: Settle, own: _Own) -> _Batch:
        """Settle all rows that are noted; return what that came to, all batches together."""
        done = _Batch()
        while True:
            try:
                batch = self._repeat(lambda: self._settle_batch(settle, own))
            except _SettlingFailed as failed:
                done = self._settle_apart(settle, own, failed.ranges, done)
                continue
            done = done.add(batch)
            if batch.is_last:
                return done

    def _settle_apart(
        self, settle: Settle, own: _Own, ranges: Sequence[_Range], done: _Batch
    ) -> _Batch:
        """Settle one write after the other, so that one that fails costs only itself."""
        for each in ranges:
            try:
                batch = self._repeat(
                    lambda only=each: self._settle_batch(settle, own, only)  # type: ignore[misc]  # bound now
                )
                done = done.add(batch)
            except _SettlingFailed as failed:
                cause = failed.__cause__
                log.exception("%d records cannot be settled", each.last_id - each.first_id + 1)
                text = f"{type(cause).__name__}: {cause}"[:LONGEST_FAILURE]
                with self.transaction() as connection:
                    this = unsettled.c.first_id == each.first_id
                    connection.execute(update(unsettled).where(this).values(failure=text))
        return done

    def _settle_batch(self, settle: Settle, own: _Own, only: _Range | None = None) -> _Batch:
        with self.transaction() as connection:
            ranges, failed, is_last = _read_noted(connection, only)
            if not ranges:
                return _Batch(failed=failed, is_last=is_last)
            ids = [number for each in ranges for number in each.ids()]
            self.fill_settling(connection, ids)
            try:
                records = _read_facts(connection, own, ids)
                corrected = self.settle_rows(connection, records, ids, settle)
            except DBAPIError:
                raise
            # A defect that one record brings to light: whatever it is, the others are settled.
            except Exception as error:
                raise _SettlingFailed(ranges) from error
            done = unsettled.c.first_id.in_([each.first_id for each in ranges])
            connection.execute(delete(unsettled).where(done))
        return _Batch(corrected, ranges, failed, is_last)

    def _repeat(self, work: Callable[[], _T]) -> _T:
        for _ in range(ATTEMPTS - 1):
            try:
                return work()
            except StoreUnavailable as error:
                if not self.is_conflict(error.__cause__):
                    raise
                time.sleep(PAUSE_S)
        return work()


class _Own(NamedTuple):
    """What the write that settles has inserted itself, so that it need not be read."""

    records: Sequence[UsageRecord]
    ids: Set[int]


NOTHING_OWN = _Own((), frozenset())


class _Batch(NamedTuple):
    """What one transaction has settled, or several."""

    corrected: int = 0
    settled: Sequence[_Range] = ()
    failed: Sequence[_Range] = ()
    """What is noted as failed, by whatever process."""
    is_last: bool = False
    """Whether it took all that was noted."""

    def add(self, later: _Batch) -> _Batch:
        """Return both together."""
        return later._replace(
            corrected=self.corrected + later.corrected, settled=[*self.settled, *later.settled]
        )


class _SettlingFailed(Exception):
    """Raised when `Settle` or what it answers is at fault, not the database."""

    def __init__(self, ranges: Sequence[_Range]) -> None:
        super().__init__()
        self.ranges = ranges


def _read_noted(
    connection: Connection, only: _Range | None
) -> tuple[list[_Range], list[_Range], bool]:
    """Return what to settle now, what has failed, and whether this is all that is noted."""
    u = unsettled.c
    noted = select(u.first_id, u.last_id, u.failure).order_by(u.since_ns, u.first_id)
    if only is not None:
        noted = noted.where(u.first_id == only.first_id)
    found: list[_Range] = []
    failed: list[_Range] = []
    rows = 0
    for first_id, last_id, failure in connection.execute(noted):
        if failure is not None:
            failed.append(_Range(first_id, last_id))
        elif rows < MOST_ROWS:
            found.append(_Range(first_id, last_id))
            rows += last_id - first_id + 1
        else:
            return found, failed, False
    return found, failed, True


def _read_facts(connection: Connection, own: _Own, ids: Sequence[int]) -> list[UsageRecord]:
    """Read the facts of the rows to settle, and undo what others have corrected on them.

    Another process may have met them, when it settled its own, before anybody settled them.
    """
    records = list(own.records)
    others = [number for number in ids if number not in own.ids]
    for start in range(0, len(others), CHUNK):
        chosen = usage_record.c.id.in_(others[start : start + CHUNK])
        rows = connection.execute(select(usage_record).where(chosen))
        records += [stored(row).facts for row in rows]
    is_corrected = is_settling(usage_record) & usage_record.c[FACTS].is_not(None)
    members = map(stored, connection.execute(select(usage_record).where(is_corrected)).all())
    store_changes(
        connection, [(member, member._replace(current=member.facts)) for member in members]
    )
    return records


def _join_ids(ids: Sequence[int]) -> list[_Range]:
    """Join consecutive ids to ranges."""
    ranges: list[_Range] = []
    for number in sorted(ids):
        if ranges and ranges[-1].last_id == number - 1:
            ranges[-1] = ranges[-1]._replace(last_id=number)
        else:
            ranges.append(_Range(number, number))
    return ranges
