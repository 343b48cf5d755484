from __future__ import annotations

import json

import pytest

from spantoll.storage import open_store
from spantoll.storage.sqlite import SqliteStore
from spantoll.storage.tables import unsettled
from tests.support.records import NOON_NS
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
