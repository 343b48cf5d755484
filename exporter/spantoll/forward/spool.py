from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import orjson

from spantoll.errors import ConfigurationError
from spantoll.forward.job import Job

__all__ = ["Spool"]

SPOOL_BYTES = 1 << 30


class Spool:
    """A queue on disk of the requests for one target, oldest first: SQLite, synced at each commit.

    A file that was cut off in the middle of a write is what SQLite is made for. One process uses a
    directory at a time. Raises ConfigurationError if it cannot be opened.
    """

    def __init__(self, directory: Path, target: str, *, limit_bytes: int = SPOOL_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        name = sha256(target.encode()).hexdigest()[:16]
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                directory / f"{name}.queue", check_same_thread=False, isolation_level=None
            )
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "locking_mode=EXCLUSIVE"):
                self._file.execute(f"PRAGMA {pragma}")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, body BLOB, about BLOB)"
            )
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"--forward-queue {directory}: {error}") from None
        self.count, self.size_bytes = self._file.execute(
            "SELECT count(*), coalesce(sum(length(body) + length(about)), 0) FROM job"
        ).fetchone()

    def append(self, jobs: Sequence[Job]) -> int:
        """Keep requests; answers how many found room. They survive the process. Raises OSError."""
        rows = []
        for job in jobs:
            about = _about(job)
            size_bytes = len(job.body) + len(about)
            if self.size_bytes + size_bytes > self._limit_bytes:
                break
            rows.append((job.body, about))
            self.size_bytes += size_bytes
        with self._lock:
            try:
                self._file.execute("BEGIN")
                self._file.executemany("INSERT INTO job (body, about) VALUES (?, ?)", rows)
                self._file.execute("COMMIT")
            except sqlite3.Error as error:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                self.size_bytes -= sum(len(body) + len(about) for body, about in rows)
                raise OSError(str(error)) from error
            self.count += len(rows)
        return len(rows)

    def first(self) -> tuple[int, Job] | None:
        """Read the oldest request, and the number it has here."""
        with self._lock:
            row = self._file.execute(
                "SELECT id, body, about FROM job ORDER BY id LIMIT 1"
            ).fetchone()
        return None if row is None else (row[0], _job(row[1], row[2]))

    def remove(self, number: int) -> None:
        """Forget a request that needs no further attempt."""
        with self._lock:
            [[size_bytes]] = self._file.execute(
                "SELECT length(body) + length(about) FROM job WHERE id = ?", (number,)
            )
            self._file.execute("DELETE FROM job WHERE id = ?", (number,))
            self.count -= 1
            self.size_bytes -= size_bytes

    def close(self) -> None:
        """Close the file; what it holds stays."""
        with self._lock:
            self._file.close()


def _about(job: Job) -> bytes:
    keys = [key.hex() for pair in job.keys for key in pair]
    billed = None
    if job.billed is not None:
        billed = [(trace.hex(), span.hex(), *rest) for trace, span, *rest in job.billed]
    return orjson.dumps([job.content_type, job.tenant, job.hops, keys, billed])


def _job(body: bytes, about: bytes) -> Job:
    content_type, tenant, hops, keys, billed = orjson.loads(about)
    ids = [bytes.fromhex(key) for key in keys]
    return Job(
        body,
        content_type,
        tenant,
        list(zip(ids[::2], ids[1::2], strict=True)),
        None
        if billed is None
        else [(bytes.fromhex(trace), bytes.fromhex(span), *rest) for trace, span, *rest in billed],
        hops,
    )
