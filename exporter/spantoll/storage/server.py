"""Stores on a database server: how they connect, and what their errors become.

Input: a URL, one engine that writes and one that reads. Output: a `SharedStore` without the
statements of a database, which the modules of PostgreSQL and MariaDB add. The database itself must
exist; its tables are made or migrated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spantoll.errors import NoLedger, StoreUnavailable
from spantoll.storage.migrate import is_current, migrate
from spantoll.storage.shared import SharedStore

__all__ = ["POOL_TIMEOUT_S", "ServerStore"]

POOL_TIMEOUT_S = 5.0


class ServerStore(SharedStore):
    """A ledger on a server; see `Store` and `SharedStore`.

    `writer` has one connection; `take_lock` runs at the beginning of its transactions that exclude
    those of other processes. Each transaction of `reader` sees one snapshot.
    """

    def __init__(
        self, url: URL, *, writer: Engine, reader: Engine, take_lock: Callable[[Connection], None]
    ) -> None:
        self._url = url
        self._closed = False
        self._writer = writer
        # The same connection, for transactions that exclude each other.
        self._alone = writer.execution_options()
        event.listen(self._alone, "begin", take_lock)
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
                    self.prepare_migration(self._alone)
                    migrate(self._alone)
            except DBAPIError as error:
                raise self._make_error(error) from error
            unless_opened.pop_all()

    def prepare_migration(self, engine: Engine) -> None:
        """Do what a database needs before its first migration."""

    @property
    def url(self) -> str:
        """Where the ledger is, without the password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def engine(self) -> Engine:
        """For reading: each transaction sees one snapshot."""
        return self._reader

    def close(self) -> None:
        """Release the connections; later calls raise StoreUnavailable."""
        self._closed = True
        self._reader.dispose()
        self._writer.dispose()

    def transaction(self) -> AbstractContextManager[Connection]:
        """Take the lock of all that correct records; see `SqlStore`."""
        return self._begin(self._alone)

    def insertion(self) -> AbstractContextManager[Connection]:
        """Begin beside other processes; see `SharedStore`."""
        return self._begin(self._writer)

    def check_room(self, connection: Connection) -> None:
        """Do nothing: a server that is full refuses the row that a ping writes."""

    @contextmanager
    def _begin(self, engine: Engine) -> Iterator[Connection]:
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
