from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from sqlalchemy import Connection, Engine, QueuePool, bindparam, create_engine, event, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.pricing.result import Rate
from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage import tables
from spantoll.storage.migrate import migrate
from spantoll.storage.store import Settle, WriteResult

__all__ = ["SqliteStore", "open_url"]

INSERT = str(
    sqlite.insert(usage_record)
    .values({name: bindparam(name) for name in UsageRecord._fields})
    .on_conflict_do_nothing(index_elements=["tenant_id", "trace_id", "span_id"])
    .compile(dialect=sqlite.dialect())
)


def open_url(scheme: str, path: str, options: Mapping[str, str]) -> SqliteStore:
    """Open `sqlite:///path`; `?timeout=` is how many seconds to wait for another writer."""
    try:
        timeout_s = float(options.get("timeout", "5"))
    except ValueError as error:
        raise ConfigurationError("database option timeout is not a number of seconds") from error
    if unknown := set(options) - {"timeout"}:
        raise ConfigurationError(f"unknown database option {min(unknown)!r}; one of: timeout")
    path = path.removeprefix("///")
    if scheme == "memory" or path in {"", ":memory:"}:
        return SqliteStore(None, timeout_s=timeout_s)
    return SqliteStore(Path(path).expanduser().absolute(), timeout_s=timeout_s)


class SqliteStore:
    """A ledger in one SQLite file."""

    def __init__(self, path: Path | None, *, timeout_s: float = 5.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self.url = f"sqlite:///{path}" if path else "memory:"
        if path is not None and not path.parent.is_dir():
            raise ConfigurationError(f"database {path}: directory {path.parent} does not exist")
        self.writer = create_engine(
            "sqlite+pysqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=timeout_s,
        )
        event.listen(self.writer, "begin", _begin_immediate)
        self.engine: Engine = self.writer
        if path is not None:
            self.engine = create_engine(
                "sqlite+pysqlite://", creator=self._connect, poolclass=QueuePool
            )
            event.listen(self.engine, "begin", _begin)
        with self._guarded():
            migrate(self.writer)

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        if not records:
            return WriteResult(0, 0, 0)
        with self._guarded(), self.writer.begin() as connection:
            last = connection.scalar(select(func.max(usage_record.c.id))) or 0
            connection.exec_driver_sql(INSERT, list(records))
            inserted = connection.scalar(
                select(func.count()).select_from(usage_record).where(usage_record.c.id > last)
            )
        return WriteResult(inserted or 0, len(records) - (inserted or 0), 0)

    def add_rates(self, rates: Sequence[Rate]) -> None:
        rows = [
            {
                **rate._asdict(),
                "prices": orjson.dumps(
                    [[p.metric, str(p.amount_usd), p.per] for p in rate.prices]
                ).decode(),
            }
            for rate in rates
        ]
        if rows:
            with self._guarded(), self.writer.begin() as connection:
                connection.execute(sqlite.insert(tables.rate).on_conflict_do_nothing(), rows)

    def ping(self) -> None:
        with self._guarded(), self.writer.begin() as connection:
            connection.exec_driver_sql("PRAGMA user_version=1")

    def close(self) -> None:
        self.engine.dispose()
        self.writer.dispose()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path or ":memory:",
            timeout=self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=16000")
        return connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise StoreUnavailable(str(getattr(error, "orig", error))) from error


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
