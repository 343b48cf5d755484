from __future__ import annotations

import json
import sqlite3

import pytest

from spantoll.storage import open_store
from spantoll.storage.reprice import Selection, start_run
from spantoll.storage.reprice_undo import start_undo
from spantoll.storage.roll_ups import DAY_NS, open_gap
from spantoll.storage.sqlite import SqliteStore
from spantoll.storage.tables import unsettled
from tests.support.records import NOON_NS, make_record
from tests.surfaces.conftest import Cli


@pytest.mark.parametrize(
    ("failure", "says"), [(None, "UTC"), ("ValueError: a defect", "UTC: ValueError: a defect")]
)
def test_doctor_names_what_is_not_settled(
    spantoll: Cli, database: str, failure: str | None, says: str
) -> None:
    store = open_store(database)
    assert isinstance(store, SqliteStore)
    left = {"first_id": 1, "last_id": 1_200, "since_ns": NOON_NS, "failure": failure}
    with store.transaction() as connection:
        connection.execute(unsettled.insert(), [left])
    store.close()

    findings = json.loads(spantoll("doctor", "--format", "json").out)

    assert {
        "level": "warning",
        "topic": "ledger",
        "text": f"1,200 records are not settled yet, since 2026-11-20 12:00:00 {says}",
        "advice": "`spantoll up` settles them every minute",
    } in [each for each in findings if each["topic"] == "ledger"]


@pytest.mark.parametrize(
    ("is_undone", "says"),
    [(False, "running: not all its records are priced again"), (True, "undoing: not all its")],
    ids=["run", "undo"],
)
def test_doctor_names_a_run_of_repricing_that_is_not_finished(
    spantoll: Cli, database: str, is_undone: bool, says: str
) -> None:
    store = open_store(database)
    assert isinstance(store, SqliteStore)
    start_run(store, Selection(), end_id=9, rate_card="", by="ann", now_ns=NOON_NS)
    if is_undone:
        start_undo(store, 1, by="ann", now_ns=NOON_NS)
    store.close()

    findings = json.loads(spantoll("doctor", "--format", "json").out)

    (found,) = [each for each in findings if "re-pricing" in each["text"]]
    assert found["level"] == "warning"
    assert f"run 1 of re-pricing is {says}" in found["text"]
    assert found["advice"] == "`spantoll reprice resume 1`, unless it is under way"


@pytest.mark.parametrize(
    ("days", "setting", "level", "says"),
    [
        (0, "400d", "ok", "no records are deleted yet; the setting keeps 400d"),
        (1, "", "ok", "records before 2026-11-19 (UTC) are deleted; roll-ups answer for them"),
        (2, "1y", "problem", "deleted; the setting keeps 1y; days before have no valid roll-ups"),
    ],
    ids=["nothing yet", "deleted", "sums are lost"],
)
def test_doctor_names_what_is_deleted(
    spantoll: Cli,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    setting: str,
    level: str,
    says: str,
) -> None:
    monkeypatch.setenv("SPANTOLL_RETENTION", setting)
    store = open_store(database)
    assert isinstance(store, SqliteStore)
    store.write([make_record(started_ns=NOON_NS - number * DAY_NS) for number in range(4)])
    if days:
        spantoll("db", "retain", "--before", "2026-11-19")
    if days == 2:
        with store.transaction() as connection:
            open_gap(connection, NOON_NS - 3 * DAY_NS, NOON_NS - 2 * DAY_NS)
    store.close()

    findings = json.loads(spantoll("doctor", "--format", "json").out)

    [found] = [each for each in findings if "deleted" in each["text"]]
    assert found["level"] == level
    assert says in found["text"]


@pytest.mark.parametrize(
    ("version", "is_named"),
    [
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.46.1", True),
        ("3.50.6", True),
        ("3.50.7", False),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.53.0", False),
    ],
)
def test_doctor_names_a_version_of_sqlite_that_can_damage_its_file(
    spantoll: Cli,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    is_named: bool,
) -> None:
    open_store(database).close()
    monkeypatch.setattr(sqlite3, "sqlite_version", version)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", tuple(map(int, version.split("."))))

    shown = spantoll("doctor").out

    assert (f"SQLite {version} has the WAL-reset bug" in shown) is is_named
