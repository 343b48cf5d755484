"""What can happen to a SQLite file under a running process, and that it passes."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from spantoll.errors import ConfigurationError, RecordRejected, StoreUnavailable
from spantoll.records import usage_record
from spantoll.storage import Store, WriteResult, open_store
from spantoll.storage.sqlite import SqliteStore
from tests.storage.conftest import rows, settle_repeats
from tests.support.records import make_record


@pytest.fixture
def other_writer(sqlite_store: Store, ledger: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another process that has begun a write."""
    connection = sqlite3.connect(ledger, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


@pytest.fixture
def patient_store(ledger: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{ledger}?timeout=30")
    yield opened
    opened.close()


def test_a_lock_shorter_than_the_timeout_only_slows_down(
    other_writer: sqlite3.Connection, patient_store: Store
) -> None:
    release = threading.Timer(1.0, other_writer.execute, ("ROLLBACK",))
    release.start()

    result = patient_store.write([make_record()])
    release.join()

    assert result.inserted == 1


def test_a_longer_lock_is_unavailable_until_it_ends(
    other_writer: sqlite3.Connection, sqlite_store: Store
) -> None:
    record = make_record()

    with pytest.raises(StoreUnavailable, match="locked"):
        sqlite_store.write([record])
    with pytest.raises(StoreUnavailable, match="locked"):
        sqlite_store.ping()
    other_writer.execute("ROLLBACK")

    assert sqlite_store.write([record]) == WriteResult(1, 0, 0)
    sqlite_store.ping()


def test_readers_do_not_wait_for_a_writer(
    other_writer: sqlite3.Connection, sqlite_store: Store
) -> None:
    assert rows(sqlite_store) == []


def test_a_reader_cannot_write(sqlite_store: Store) -> None:
    with sqlite_store.engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute(usage_record.delete())


def test_a_reader_does_not_keep_a_writer_waiting(sqlite_store: Store) -> None:
    sqlite_store.write([make_record()])

    with sqlite_store.engine.connect() as connection:
        before = connection.execute(select(usage_record.c.id)).all()
        sqlite_store.write([make_record()])
        during = connection.execute(select(usage_record.c.id)).all()

    # One snapshot per transaction.
    assert before == during
    assert len(rows(sqlite_store)) == 2


def test_a_full_database_stores_nothing_and_recovers(
    sqlite_store: SqliteStore, ledger: Path
) -> None:
    records = [make_record(error_message="x" * 1000) for _ in range(512)]
    sqlite_store.write(records[:1])
    with sqlite_store.writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        # The pragma lasts as long as the connection, which a failed write replaces.
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StoreUnavailable, match="full"):
        sqlite_store.write(records)
    stored = rows(sqlite_store)

    assert stored == records[:1]
    assert sqlite_store.write(records) == WriteResult(511, 1, 0)


def test_a_ping_finds_a_full_database(sqlite_store: SqliteStore, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        # Dropped tables have left free pages.
        connection.execute("VACUUM")
    with sqlite_store.writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StoreUnavailable, match="full"):
        sqlite_store.ping()

    sqlite_store.ping()


def test_a_ping_finds_a_full_disk(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))

    with pytest.raises(StoreUnavailable, match="disk is full"):
        sqlite_store.ping()


def test_a_file_that_may_grow_no_more_stores_nothing_and_recovers(sqlite_store: Store) -> None:
    """The operating system's own refusal: no file of this process may exceed a size."""
    resource = pytest.importorskip("resource")
    records = [make_record(error_message="x" * 1000) for _ in range(2_000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(StoreUnavailable):
            sqlite_store.write(records)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert rows(sqlite_store) == []
    assert sqlite_store.write(records) == WriteResult(2_000, 0, 0)


def test_a_read_only_database_is_unavailable_and_recovers(sqlite_store: SqliteStore) -> None:
    record = make_record()
    with sqlite_store.writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    with pytest.raises(StoreUnavailable, match="readonly"):
        sqlite_store.write([record])

    assert sqlite_store.write([record]).inserted == 1


def test_a_removed_directory_is_unavailable_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    store = open_store(f"sqlite:///{directory}/ledger.db")
    records = [make_record(), make_record()]
    store.write(records[:1])

    shutil.rmtree(directory)
    with pytest.raises(StoreUnavailable):
        store.write(records)
    with pytest.raises(StoreUnavailable):
        store.ping()
    directory.mkdir()

    assert store.write(records) == WriteResult(2, 0, 0)
    assert rows(store) == records
    assert "removed or replaced" in caplog.text
    store.close()


def test_a_replaced_file_is_the_one_that_is_written(tmp_path: Path) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    restored, lost, late = make_record(), make_record(), make_record()
    with_backup = open_store(str(backup))
    with_backup.write([restored])
    with_backup.close()
    store = open_store(str(path))
    store.write([lost])

    backup.replace(path)
    store.write([late])

    assert rows(store) == [restored, late]
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    store.close()


def test_a_write_into_a_file_that_goes_away_is_not_acknowledged(
    sqlite_store: Store, ledger: Path
) -> None:
    same_trace = [make_record(trace_id=b"t" * 16) for _ in range(2)]

    def settle(group: object) -> list[object]:
        ledger.unlink()
        return []

    with pytest.raises(StoreUnavailable, match="removed or replaced"):
        sqlite_store.write(same_trace, settle=settle)  # type: ignore[arg-type]

    assert sqlite_store.write(same_trace) == WriteResult(2, 0, 0)


def test_a_damaged_file_is_unavailable(ledger: Path) -> None:
    store = open_store(str(ledger))
    store.write([make_record() for _ in range(200)])
    store.close()
    with ledger.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (ledger.stat().st_size - 4096))

    with pytest.raises(StoreUnavailable, match=r"malformed|database"):
        open_store(str(ledger)).write([make_record()])


def test_a_failed_settling_stores_nothing(sqlite_store: Store) -> None:
    same_trace = [make_record(trace_id=b"t" * 16) for _ in range(2)]

    def fail(group: object) -> list[object]:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        sqlite_store.write(same_trace, settle=fail)  # type: ignore[arg-type]

    assert rows(sqlite_store) == []
    assert sqlite_store.write(same_trace).inserted == 2


def test_one_bad_record_among_thousands_costs_only_itself(sqlite_store: Store) -> None:
    records = [make_record() for _ in range(5_000)]
    records[4_321] = records[4_321]._replace(cost_nano=2**63)

    with pytest.raises(RecordRejected) as refused:
        sqlite_store.write(records, settle=settle_repeats)

    assert refused.value.indexes == (4_321,)
    assert (refused.value.inserted, refused.value.duplicates) == (4_999, 0)
    assert len(rows(sqlite_store)) == 4_999


STATEMENTS = vars(SqliteStore.groups.statements)


def planned(store: SqliteStore, statement: str) -> list[str]:
    values = {"last": 5, "keys": [1, 2], "tenant": "t", "traces": [b"x" * 16]}
    compiled = (
        STATEMENTS[statement]
        .params({**values, "trace": b"x" * 16, "spans": [b"y" * 8], "but": [1]})
        .params({"first_ns": 1, "last_ns": 2, "first_key": 1, "last_key": 2})
        .compile(store.engine, compile_kwargs={"literal_binds": True})
    )
    with store.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
    return [step for *_, step in plan if step.startswith(("SCAN", "SEARCH"))]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_settling_never_reads_the_whole_table(sqlite_store: SqliteStore, statement: str) -> None:
    steps = planned(sqlite_store, statement)

    assert steps
    assert [step for step in steps if step.startswith("SCAN")] == []
    assert [step for step in steps if step.endswith(("(tenant_id=?)", "(rowid<?)"))] == []


@pytest.mark.parametrize(
    "statement",
    ["children", "child_with_usage", "stream_events", "root_events", "root_requests", "orphans"],
)
def test_what_is_below_a_span_and_parts_of_streams_are_read_by_their_parent(
    sqlite_store: SqliteStore, statement: str
) -> None:
    steps = planned(sqlite_store, statement)

    assert any("ix_usage_record_parent (trace_id=? AND parent_span_id" in step for step in steps)


def test_roots_that_report_their_usage_are_not_in_the_index_of_parents(
    sqlite_store: SqliteStore, ledger: Path
) -> None:
    reported = make_record(input_tokens=5, duration_ns=7)
    failed = make_record(input_tokens=None, output_tokens=0, duration_ns=7)
    event, child = make_record(duration_ns=0), make_record(parent_span_id=b"p" * 8)

    sqlite_store.write([reported, failed, event, child])

    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("ANALYZE ix_usage_record_parent")
        [entries] = connection.execute("SELECT stat FROM sqlite_stat1").fetchall()
    assert entries == ("3 1 1",)


def test_equal_usage_is_one_step_away_however_many_used_the_same(
    sqlite_store: SqliteStore,
) -> None:
    both = [step for step in planned(sqlite_store, "usages") if "response_key" in step]

    assert len(both) == 4
    assert all("usage_key=?" in step for step in both)
    assert [step.endswith(("scope_name<?)", "scope_name>?)")) for step in both[2:]] == [True] * 2


def test_a_store_writes_durably(sqlite_store: SqliteStore) -> None:
    with sqlite_store.writer.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
        }

    assert found == {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 16_000}


def test_a_directory_or_another_file_is_a_wrong_setting(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to look like one" * 100)

    with pytest.raises(ConfigurationError, match="is a directory"):
        open_store(str(tmp_path))
    with pytest.raises(ConfigurationError, match="not a SQLite database"):
        open_store(str(text))
    with pytest.raises(ConfigurationError, match="there is no directory"):
        open_store(str(tmp_path / "missing" / "ledger.db"))


def test_logs_name_the_database_not_its_content(
    sqlite_store: Store, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="spantoll")
    sqlite_store.write([make_record(user_email="secret@example.org")])

    ledger.unlink()
    sqlite_store.write([make_record(user_email="secret@example.org")])

    assert str(ledger) in caplog.text
    assert "secret" not in caplog.text
