"""`spantoll db verify`, `spantoll db rebuild` and `spantoll usage --explain-plan`."""

from __future__ import annotations

from sqlalchemy import delete

from spantoll.storage import SqlStore, open_store
from spantoll.storage.roll_ups import ROLL_UPS
from tests.support.records import make_record
from tests.support.roll_up_changes import roll_up_pending
from tests.surfaces.conftest import Cli


def write_ledger(database: str, *, damage: bool) -> None:
    store = open_store(database)
    assert isinstance(store, SqlStore)
    store.write([make_record(), make_record(model="claude")])
    roll_up_pending(store)
    if damage:
        with store.transaction() as connection:
            connection.execute(delete(ROLL_UPS[0].table))
    store.close()


def test_verify_says_that_roll_ups_equal_records(spantoll: Cli, database: str) -> None:
    write_ledger(database, damage=False)

    ran = spantoll("db", "verify")

    assert ran == (0, "1 days compared: roll-ups equal records\n", "")


def test_verify_names_the_day_and_table_that_differ(spantoll: Cli, database: str) -> None:
    write_ledger(database, damage=True)

    ran = spantoll("db", "verify")

    assert ran.status == 1
    assert ran.out.splitlines()[0] == (
        "2026-11-20 roll_up_model_day: 2 rows differ; 0 records summed, 2 counted"
    )


def test_rebuild_makes_what_verify_accepts(spantoll: Cli, database: str) -> None:
    write_ledger(database, damage=True)

    rebuilt, verified = spantoll("db", "rebuild"), spantoll("db", "verify")

    assert rebuilt == (0, "the roll-ups are made again\n", "")
    assert verified.status == 0


def test_usage_explains_from_which_tables_it_reads(spantoll: Cli, database: str) -> None:
    write_ledger(database, damage=False)

    rolled = spantoll("usage", "--by", "model", "--explain-plan")
    read = spantoll("usage", "--by", "session_id", "--explain-plan")

    assert rolled.err.startswith("read from roll_up_model_day: 1 period")
    assert read.err.startswith("read from records: 1 period")
