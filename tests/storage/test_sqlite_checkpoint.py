"""A checkpoint between writes copies the WAL to the file, whatever else has the file open."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from spantoll.errors import StoreUnavailable
from spantoll.records import usage_record
from spantoll.storage import Store, open_store
from spantoll.storage.sqlite import CHECKPOINT_RECORDS, SqliteStore
from tests.support.records import make_record

ENOUGH = [make_record(span_id=n.to_bytes(8, "big")) for n in range(1, CHECKPOINT_RECORDS + 1)]


@pytest.fixture(autouse=True)
def made_ledger(ledger: Path) -> None:
    """Make the file, so that the tables are no longer in the WAL."""
    open_store(f"sqlite:///{ledger}").close()


@pytest.fixture
def reader(sqlite_store: Store, ledger: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another process that goes on reading what was there before any write."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM usage_record").fetchone()
        yield connection


def count_in_file(ledger: Path) -> int:
    """Count the records of the database file alone, as if its WAL were lost."""
    copied = ledger.with_name("copied.db")
    shutil.copyfile(ledger, copied)
    with closing(sqlite3.connect(copied)) as connection:
        return int(connection.execute("SELECT count(*) FROM usage_record").fetchone()[0])


def test_enough_records_are_copied_to_the_file(sqlite_store: Store, ledger: Path) -> None:
    sqlite_store.write(ENOUGH)
    before = count_in_file(ledger)

    sqlite_store.checkpoint()

    assert (before, count_in_file(ledger)) == (0, len(ENOUGH))


def test_fewer_records_wait_for_more(sqlite_store: Store, ledger: Path) -> None:
    sqlite_store.write(ENOUGH[:-1])
    sqlite_store.checkpoint()
    before = count_in_file(ledger)

    sqlite_store.write(ENOUGH[-1:])
    sqlite_store.checkpoint()

    assert (before, count_in_file(ledger)) == (0, len(ENOUGH))


def test_a_reader_is_not_waited_for(
    sqlite_store: Store, ledger: Path, reader: sqlite3.Connection
) -> None:
    sqlite_store.write(ENOUGH)

    sqlite_store.checkpoint()

    assert count_in_file(ledger) == 0
    assert reader.execute("SELECT count(*) FROM usage_record").fetchone() == (0,)
    assert sqlite_store.write(ENOUGH).duplicates == len(ENOUGH)


def test_another_writer_is_not_waited_for(sqlite_store: SqliteStore, ledger: Path) -> None:
    sqlite_store.write(ENOUGH)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        sqlite_store.checkpoint()

    # Later writes wait for another writer as long as before.
    with sqlite_store.writer.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 200


def test_a_file_that_was_removed_is_not_made_anew(sqlite_store: Store, ledger: Path) -> None:
    sqlite_store.write(ENOUGH)
    ledger.unlink()

    sqlite_store.checkpoint()

    assert not ledger.exists()


def test_a_closed_store_has_no_checkpoints(ledger: Path) -> None:
    store = open_store(f"sqlite:///{ledger}")
    store.write(ENOUGH)
    store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        store.checkpoint()


def test_a_database_in_memory_has_nothing_to_copy() -> None:
    store = open_store("memory:")
    store.write(ENOUGH)

    store.checkpoint()

    with store.engine.connect() as connection:
        assert len(connection.execute(select(usage_record.c.id)).all()) == len(ENOUGH)
    store.close()
