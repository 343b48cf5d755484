"""Stores on a database server: how they connect, and what their errors become.

Input: a URL, one engine that writes and one that reads. Output: a `SharedStore` without the
statements of a database, which the modules of PostgreSQL, MariaDB and ClickHouse add. The database
itself must exist; its tables are made or migrated here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import ClassVar

from sqlalchemy import URL, Connection, Engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spantoll.errors import NoLedger, StoreUnavailable
from spantoll.storage.migrate import is_current, migrate
from spantoll.storage.promoted import adopt_columns
from spantoll.storage.shared import SharedStore
from spantoll.storage.tables import retention

__all__ = ["POOL_TIMEOUT_S", "WRITER_POOL", "LockingStore", "ServerStore"]

POOL_TIMEOUT_S = 5.0
WRITERS = 2
"""Of one process: while one is settled, or waited for, the next group is inserted. A third brings
nothing more, since settling takes turns (`benchmarks/writers.py`)."""
WRITER_POOL: Mapping[str, int] = {"pool_size": WRITERS + 1, "max_overflow": 0}
"""Connections that change records: one is left for what is no write, such as closing a period."""


class ServerStore(SharedStore):
    """A ledger behind connections; see `Store` and `SharedStore`.

    `writer` changes records, `reader` never does.
    """

    def __init__(self, url: URL, *, writer: Engine, reader: Engine) -> None:
        self._url = url
        self._closed = False
        self._writer = writer
        self._reader = reader

    def open(self, *, create: bool) -> None:
        """Make the tables or bring them up to date.

        Raises NoLedger where there are none and `create` is False, StoreUnavailable where the
        server cannot be reached; the connections are released then.
        """
        with ExitStack() as unless_opened:
            unless_opened.callback(self.close)
            try:
                if not is_current(self._reader):
                    if not create:
                        raise NoLedger(self.url)
                    self.update_schema()
                adopt_columns(self._reader)
            except DBAPIError as error:
                raise self._make_error(error) from error
            unless_opened.pop_all()

    @abstractmethod
    def update_schema(self) -> None:
        """Make the tables or bring them up to date, one process at a time where there are locks."""

    @property
    def url(self) -> str:
        """Where the ledger is, without the password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def engine(self) -> Engine:
        """For reading: what was committed, and each record in its latest version."""
        return self._reader

    def close(self) -> None:
        """Release the connections; later calls raise StoreUnavailable."""
        self._closed = True
        self._reader.dispose()
        self._writer.dispose()

    def check_room(self, connection: Connection) -> None:
        """Do nothing: a server that is full refuses the row that a ping writes."""

    @contextmanager
    def begin(self, engine: Engine) -> Iterator[Connection]:
        """Begin a transaction. What the driver raises in the block becomes StoreUnavailable."""
        if self._closed:
            raise StoreUnavailable(f"database {self.url} is closed")
        try:
            with engine.begin() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            raise self._make_error(error) from error

    def _make_error(self, error: DBAPIError | PoolTimeout) -> StoreUnavailable:
        reason = error.orig if isinstance(error, DBAPIError) else error
        return StoreUnavailable(f"database {self.url}: {' '.join(str(reason).split())}")


class LockingStore(ServerStore):
    """A ledger on a server with locks and transactions, of which each reading one is a snapshot.

    `writer` has the connections of `WRITER_POOL`; `take_lock` runs at the beginning of those of its
    transactions that exclude each other's, and those of other processes.
    """

    writers: ClassVar = WRITERS

    def __init__(
        self, url: URL, *, writer: Engine, reader: Engine, take_lock: Callable[[Connection], None]
    ) -> None:
        super().__init__(url, writer=writer, reader=reader)
        # The same connections, for transactions that exclude each other.
        self._alone = writer.execution_options()
        event.listen(self._alone, "begin", take_lock)

    def update_schema(self) -> None:
        """Run the migrations that are missing."""
        self.prepare_migration(self._alone)
        migrate(self._alone)

    def prepare_migration(self, engine: Engine) -> None:
        """Do what a database needs before its first migration."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Take the lock of all that correct records; see `SqlStore`."""
        return self.begin(self._alone)

    @contextmanager
    def exclusive_transaction(self) -> Iterator[Connection]:
        """Lock the mark of retention too, which each insertion holds: see `find_late_records`."""
        with self.transaction() as connection:
            connection.execute(select(retention).with_for_update()).all()
            yield connection

    def insertion(self) -> AbstractContextManager[Connection]:
        """Begin beside other processes; see `SharedStore`."""
        return self.begin(self._writer)
