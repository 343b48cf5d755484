"""`spantoll db`: copies and backups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from spantoll.records import UsageRecord
from spantoll.storage import open_store
from tests.support.records import stored_records
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]


def read(path: Path) -> list[UsageRecord]:
    store = open_store(str(path), create=False)
    found = stored_records(store.engine)
    store.close()
    return found


def test_copy_shows_rows_and_sums_of_both(
    spantoll: Cli, stored: Stored, record: Record, tmp_path: Path
) -> None:
    records = [record(input_tokens=1_000, output_tokens=5) for _ in range(3)]
    stored(records)
    target = tmp_path / "copy.db"

    first = spantoll("db", "copy", "--to", str(target))
    second = spantoll("db", "copy", "--to", f"sqlite:///{target}")

    assert (first.status, second.status) == (0, 0)
    assert "usage_record: 3 rows equal, 3 of them written now" in first.out
    assert "usage_record: 3 rows equal, 0 of them written now" in second.out
    assert (
        "in both: 3 records, 3,000 input tokens, 15 output tokens, cost $7.500000000" in first.out
    )
    assert read(target) == records


def test_a_ledger_is_not_copied_to_itself(spantoll: Cli, stored: Stored, database: str) -> None:
    stored([])

    ran = spantoll("db", "copy", "--to", database)

    assert ran.status == 2
    assert "cannot be copied to itself" in ran.err


def test_a_copy_never_touches_another_ledger(
    spantoll: Cli, stored: Stored, record: Record, tmp_path: Path
) -> None:
    stored([record()])
    other = open_store(str(tmp_path / "other.db"))
    other.write([mine := record()])
    other.close()

    ran = spantoll("db", "copy", "--to", str(tmp_path / "other.db"))

    assert ran.status == 1
    assert "has rows of its own: copy into an empty database" in ran.err
    assert read(tmp_path / "other.db") == [mine]


def test_a_backup_is_a_ledger_and_never_replaces_a_file(
    spantoll: Cli, stored: Stored, record: Record, tmp_path: Path
) -> None:
    records = [record(), record()]
    stored(records)
    file = tmp_path / "usage-2026.db"

    made = spantoll("db", "backup", str(file))
    again = spantoll("db", "backup", str(file))

    assert (made.status, again.status) == (0, 2)
    assert "is there already" in again.err
    assert read(file) == records
    assert [each.name for each in tmp_path.glob("usage-2026*")] == ["usage-2026.db"]
