"""The requests for one target in an SQLite file: append synced, read the oldest, delete.

A write that was cut off by a kill or a full disk is what SQLite's write-ahead log is made for
(https://sqlite.org/wal.html). One process uses a file at a time, and locks it. Numbers of requests
rise and are never used again while the file is open.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import orjson

from spantoll.errors import ConfigurationError
from spantoll.forward.request import QueuedRequest

__all__ = ["QueueFile", "StoredRequest"]

CLOSE_S = 1.0
TABLES = (
    "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, body BLOB, about BLOB)",
    # Apart from the body, which SQLite would write again with it.
    "CREATE TABLE IF NOT EXISTS sent (id INTEGER PRIMARY KEY, spans INTEGER)",
)


class StoredRequest(NamedTuple):
    """A row of the file."""

    number: int
    size_bytes: int
    body: bytes
    about: bytes
    sent_spans: int

    def decode(self) -> QueuedRequest:
        """Make the request of it. Raises ValueError if the row is damaged."""
        try:
            return _decode(self.body, self.about, self.sent_spans)
        except (AttributeError, TypeError) as error:
            raise ValueError(str(error)) from error


class QueueFile:
    """A queue on disk. Every method but the constructor raises OSError if the disk fails."""

    def __init__(self, directory: Path, target: str) -> None:
        """Open or create the file. Raises ConfigurationError."""
        self._path = directory / f"{sha256(target.encode()).hexdigest()[:16]}.queue"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with self._database() as database:
                self.last, self.requests, self.size_bytes = database.execute(
                    "SELECT coalesce(max(id), 0), count(*), "
                    "coalesce(sum(length(body) + length(about)), 0) FROM job"
                ).fetchone()
        except OSError as error:
            self.close()
            raise ConfigurationError(f"--forward-queue {directory}: {error}") from None

    def append(self, requests: Sequence[QueuedRequest]) -> int:
        """Store all of them or none, synced to disk; answers with their size in bytes."""
        rows = [
            (number, request.body, _encode_about(request))
            for number, request in enumerate(requests, self.last + 1)
        ]
        with self._database() as database:
            database.execute("PRAGMA synchronous=FULL")
            with _transaction(database):
                database.executemany("INSERT INTO job VALUES (?, ?, ?)", rows)
        self.last += len(rows)
        return sum(len(body) + len(about) for _, body, about in rows)

    def read_first(self, *, after: int) -> StoredRequest | None:
        """Read the oldest request with a number above `after`."""
        with self._database() as database:
            row = database.execute(
                "SELECT id, length(body) + length(about), body, about, coalesce(spans, 0) "
                "FROM job LEFT JOIN sent USING (id) WHERE id > ? ORDER BY id LIMIT 1",
                (after,),
            ).fetchone()
        return None if row is None else StoredRequest(*row)

    def check_writable(self) -> None:
        """Write a few bytes that mean nothing."""
        self.record_sent(0, 0)

    def record_sent(self, number: int, spans: int) -> None:
        """Remember how many spans of a request need no further attempt."""
        with self._database() as database:
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute("INSERT OR REPLACE INTO sent VALUES (?, ?)", (number, spans))

    def remove(self, *, through: int) -> None:
        """Delete the requests up to a number.

        Not synced: after a power failure they may be sent again, after a kill they are not.
        """
        with self._database() as database:
            database.execute("PRAGMA synchronous=NORMAL")
            with _transaction(database):
                for table in ("job", "sent"):
                    database.execute(f"DELETE FROM {table} WHERE id <= ?", (through,))  # noqa: S608  constants

    def replace_if_empty(self, *, after: int, above_bytes: int = 0) -> bool:
        """Replace the file by an empty one if it holds no request with a number above `after`.

        SQLite neither shrinks a file nor deletes on a full disk; this does both. Files up to
        `above_bytes` are left. Answers whether the file was replaced.
        """
        paths = (self._path.with_name(f"{self._path.name}-wal"), self._path)
        if sum(path.stat().st_size for path in paths if path.exists()) <= above_bytes:
            return False
        with self._database() as database:
            if database.execute("SELECT 1 FROM job WHERE id > ?", (after,)).fetchone():
                return False
            database.close()
            self._connection = None
            for path in paths:
                path.unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Close the file; what it holds stays. A disk that hangs is left after CLOSE_S."""
        if self._lock.acquire(timeout=CLOSE_S):
            try:
                self._closed = True
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
            finally:
                self._lock.release()

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise OSError("the queue is closed")
            try:
                if self._connection is None:
                    self._connection = _open(self._path)
                yield self._connection
            except sqlite3.Error as error:
                raise OSError(str(error)) from error


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        # Exclusive: the index of the log is in memory, not in a mapped file, which a full disk
        # would turn into SIGBUS.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        for table in TABLES:
            connection.execute(table)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # SQLite rolls back by itself on a full disk.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _encode_about(request: QueuedRequest) -> bytes:
    keys = [key.hex() for pair in request.keys for key in pair]
    billed = None
    if request.billed is not None:
        billed = [(trace.hex(), span.hex(), *rest) for trace, span, *rest in request.billed]
    about = [request.content_type, request.tenant, request.hops, keys, billed, request.spans]
    return orjson.dumps(about)


def _decode(body: bytes, about: bytes, sent_spans: int) -> QueuedRequest:
    content_type, tenant, hops, keys, billed, *spans = orjson.loads(about)
    ids = [bytes.fromhex(key) for key in keys]
    return QueuedRequest(
        body,
        content_type,
        tenant,
        list(zip(ids[::2], ids[1::2], strict=True)),
        None
        if billed is None
        else [(bytes.fromhex(trace), bytes.fromhex(span), *rest) for trace, span, *rest in billed],
        hops,
        # Files of the first development versions do not hold it.
        spans[0] if spans else len(keys) // 2,
        sent_spans,
    )
