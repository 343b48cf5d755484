"""A ledger in ClickHouse, by clickhouse-connect.

Input: a URL of the scheme `clickhouse`. Output: a `Store`: what ClickHouse does its own way, beside
what `ServerStore` does for all. ClickHouse has neither transactions nor locks. Every statement is
durable at once, in an order in which a crash loses nothing: what a write will add is noted before
it is added, and stays noted until it is settled. One process corrects records at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from clickhouse_connect.driver.exceptions import DataError, Error
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    create_engine,
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.records.columns import ADJUSTED, FACTS, usage_record
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.storage.clickhouse import schema
from spantoll.storage.clickhouse.blocks import check_types, insert_columns
from spantoll.storage.clickhouse.dialect import DRIVER
from spantoll.storage.clickhouse.numbers import RecordNumbers, start_after
from spantoll.storage.clickhouse.retention import delete_records, move_mark
from spantoll.storage.clickhouse.row_versions import keep_row_versions
from spantoll.storage.clickhouse.statements import ClickhouseStatements
from spantoll.storage.groups import Groups
from spantoll.storage.identities import read_stored
from spantoll.storage.periods import read_periods
from spantoll.storage.periods_book import encode_late, is_late
from spantoll.storage.periods_resume import finish_bookings
from spantoll.storage.retention_run import Deletion, RetentionPlan
from spantoll.storage.server import POOL_TIMEOUT_S, ServerStore
from spantoll.storage.shared import is_settling, settling
from spantoll.storage.sql import Insert, Refused
from spantoll.storage.store import Settle, Stored
from spantoll.storage.tables import probe, unsettled

__all__ = ["ClickhouseStore", "open_url"]

LOCK_TIMEOUT_S = 30.0

SETTINGS = {
    "final": 1,
    "do_not_merge_across_partitions_select_final": 1,
    "max_partitions_per_insert_block": 0,
    "aggregate_functions_null_for_empty": 1,
    "join_use_nulls": 1,
    "prefer_column_name_to_alias": 1,
    "use_skip_indexes_if_final": 1,
    "use_skip_indexes_if_final_exact_mode": 1,
}
"""`final`: every row is read in its latest version, whether or not ClickHouse has merged the parts.
All versions of a record are in one partition, and a block of records may be of many. The others
make SQL mean what it means in other databases; the last two find rows by their indexes
nevertheless."""

SETTLING = "CREATE TEMPORARY TABLE IF NOT EXISTS settling (id Int64) ENGINE = Memory"

OPTIONS = {"ca_cert", "client_cert", "client_cert_key", "interface", "path", "secure", "verify"}
"""What a URL may say beside the host and the name; `interface=chdb` is the engine in process."""

_COLUMNS = [usage_record.c[name] for name in ("id", *COLUMNS)]


def open_url(url: URL, *, create: bool = True) -> ClickhouseStore:
    """Open `clickhouse://user:password@host/name`; the database itself must exist."""
    return ClickhouseStore(url, create=create)


class _Locks:
    """What the stores of this process on one database exclude each other by; shared."""

    def __init__(self) -> None:
        self.inserting = threading.Lock()
        self.correcting = threading.Lock()
        self.must_book = True
        """Whether late records may not be booked yet, or what is booked not kept beside its record:
        by this process, or by one that was killed before it."""


_LOCKS: WeakValueDictionary[str, _Locks] = WeakValueDictionary()
_LOCKS_LOCK = threading.Lock()


class ClickhouseStore(ServerStore):
    """A ledger in ClickHouse; see `Store` and `ServerStore`.

    What other processes insert meanwhile is seen; of two that correct records at once, each in a
    process of its own, one may decide without what the other has just inserted.
    """

    groups: ClassVar = Groups(is_settling, ClickhouseStatements)
    has_transactions: ClassVar[bool] = False
    reprice_batch: ClassVar[int] = 5_000

    def __init__(self, url: URL, *, create: bool = True) -> None:
        url = url.set(drivername="clickhouse")
        if not url.database:
            shown = url.render_as_string(hide_password=True)
            raise ConfigurationError(f"database {shown}: name a database after the host")
        if unknown := set(url.query) - OPTIONS:
            raise ConfigurationError(
                f"unknown database option {min(unknown)!r}; one of: {', '.join(sorted(OPTIONS))}"
            )
        with _LOCKS_LOCK:
            self._locks = _LOCKS.setdefault(str(url), _Locks())
        self._numbers = RecordNumbers()
        self._ids = range(0)
        super().__init__(
            url, writer=_make_engine(url, pool_size=2, max_overflow=0), reader=_make_engine(url)
        )
        keep_row_versions(self._writer)
        self.open(create=create)

    def update_schema(self) -> None:
        """Add the tables and columns that are missing."""
        with self._locks.correcting:
            schema.migrate(self._reader)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Hold off what else of this process corrects records.

        Each statement is durable at once: an error in the block does not undo those before it, and
        the next transaction finishes what they have booked.
        """
        with self._begin_alone(self._locks.correcting) as connection:
            if self._locks.must_book:
                self._locks.must_book = False
                finish_bookings(connection)
            yield connection

    @contextmanager
    def exclusive_transaction(self) -> Iterator[Connection]:
        """Hold off what else of this process corrects or inserts records."""
        with self.transaction() as connection, self._hold(self._locks.inserting):
            yield connection

    def insertion(self) -> AbstractContextManager[Connection]:
        """Hold off what else of this process inserts records."""
        return self._begin_alone(self._locks.inserting)

    def insert_records(
        self, connection: Connection, records: Sequence[UsageRecord]
    ) -> Sequence[int]:
        """Insert those that are not stored, in one block, which is stored whole or not at all.

        Those of a closed period are stored as not counted; the next transaction books them.
        """
        # Of two copies in one write the first.
        wanted = {record[:3]: record for record in reversed(records)}
        for identity in read_stored(connection, list(wanted)):
            wanted.pop(identity, None)
        if not wanted:
            return ()
        ids = self._ids[: len(wanted)]
        new = dict(zip(ids, reversed(wanted.values()), strict=True))
        periods = read_periods(connection)
        late = {number: record for number, record in new.items() if is_late(record, periods)}
        try:
            _insert_block(connection, new, late)
        except Error as error:
            raise DBAPIError("INSERT", None, error) from error
        self._ids = self._ids[len(ids) :]
        if late:
            self._locks.must_book = True
        return ids

    def change_facts(
        self,
        connection: Connection,
        changes: Sequence[tuple[Stored, Stored]],
        settle: Settle | None,
    ) -> int:
        """Note what is to be settled before it changes; see `SqlStore`."""
        ids = [before.id for before, _ in changes]
        u = unsettled.c
        noted = connection.scalars(select(u.first_id).where(u.first_id.in_(ids))).all()
        rows = [
            {"first_id": each, "last_id": each, "since_ns": time.time_ns()}
            for each in sorted({*ids}.difference(noted))
        ]
        if rows and settle is not None:
            connection.execute(unsettled.insert(), rows)
        corrected = super().change_facts(connection, changes, settle)
        if rows and settle is not None:
            connection.execute(delete(unsettled).where(u.first_id.in_(ids)))
        return corrected

    def insert_missing(
        self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert the rows whose primary key is not there yet."""
        key = list(table.primary_key)
        wanted = {tuple(row[column.name] for column in key): row for row in rows}
        found = connection.execute(select(*key).where(tuple_(*key).in_(list(wanted))))
        for row in found.all():
            wanted.pop(tuple(row), None)
        if wanted:
            connection.execute(table.insert(), list(wanted.values()))

    def continue_numbering(self, connection: Connection, table: Table) -> None:
        """Let new records have higher ids than those that were copied in."""
        if table is usage_record:
            start_after(connection, connection.scalar(select(func.max(usage_record.c.id))) or 0)

    def fill_settling(self, connection: Connection, ids: Sequence[int]) -> None:
        """Make the temporary table `settling`, empty it and fill it."""
        connection.exec_driver_sql(SETTLING)
        connection.exec_driver_sql("TRUNCATE TABLE settling")
        insert_columns(connection, settling.name, [settling.c.id], [list(ids)])

    def check_retention(self) -> None:
        """Do nothing: sums are kept of what is deleted, in roll-ups of that time alone."""

    def move_mark(self, planned: RetentionPlan, *, by: str, now_ns: int) -> bool:
        """Keep the sums of one day after the other, and move the mark behind each."""
        return move_mark(self, planned, by=by, now_ns=now_ns)

    def delete_records(
        self,
        mark_ns: int,
        *,
        pause: Callable[[], None],
        progress: Callable[[Deletion], None] = lambda done: None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Deletion:
        """Delete what started before the mark, week by week as it was received."""
        return delete_records(self, mark_ns, pause=pause, progress=progress, is_stopped=is_stopped)

    def ping(self) -> None:
        """Insert a row, which replaces that of the last ping."""
        with self.transaction() as connection:
            connection.execute(probe.insert(), {"id": 1, "written_ns": time.time_ns()})

    def is_bad_data(self, error: Exception) -> bool:
        """Whether the driver refuses the values themselves."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        return isinstance(cause, (DataError, OverflowError, UnicodeError))

    def is_conflict(self, error: BaseException | None) -> bool:
        """Return False: there are no locks over which ClickHouse could end a statement."""
        return False

    def _insert_and_note(
        self, insert: Insert, records: Sequence[UsageRecord], note: bool
    ) -> tuple[list[int], list[Refused]]:
        """Note the ids that the records will have before they are stored, not after."""
        with self.insertion() as connection:
            self._ids = ids = self._numbers.take(connection, len(records))
            # What is late is booked by what is noted.
            if note or read_periods(connection):
                noted = {"first_id": ids[0], "last_id": ids[-1], "since_ns": time.time_ns()}
                connection.execute(unsettled.insert(), noted)
            ids_inserted, refused = self.insert_in_time(connection, insert, records)
            return list(ids_inserted), refused

    @contextmanager
    def _begin_alone(self, lock: threading.Lock) -> Iterator[Connection]:
        with self._hold(lock):
            try:
                with self.begin(self._writer) as connection:
                    yield connection
            except BaseException:
                self._locks.must_book = True
                raise

    @contextmanager
    def _hold(self, lock: threading.Lock) -> Iterator[None]:
        if not lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise StoreUnavailable(
                f"database {self.url}: another thread has been writing for {LOCK_TIMEOUT_S:.0f} s"
            )
        try:
            yield
        finally:
            lock.release()


def _insert_block(
    connection: Connection, new: Mapping[int, UsageRecord], late: Mapping[int, UsageRecord]
) -> None:
    """Insert records by id; those that are late with what they should be beside their columns."""
    encoded = {number: encode_late(record) for number, record in late.items()}
    rows = [encoded[number][0] if number in late else record for number, record in new.items()]
    columns = list(_COLUMNS)
    values = [list(new), *map(list, zip(*rows, strict=True))]
    if late:
        beside = [encoded[number][1] if number in late else None for number in new]
        columns += [usage_record.c[name] for name in (FACTS, ADJUSTED)]
        values += [beside, beside]
    for column, given in zip(columns, values, strict=True):
        check_types(column, given)
    insert_columns(connection, usage_record.name, columns, values)


def _make_engine(url: URL, **pool: int) -> Engine:
    return create_engine(
        url.set(drivername=DRIVER.replace(".", "+")),
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={f"ch_{name}": value for name, value in SETTINGS.items()},
        **pool,
    )
