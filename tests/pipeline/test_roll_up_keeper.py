from __future__ import annotations

import time
from pathlib import Path

from spantoll.pipeline.roll_ups import keep_roll_ups
from spantoll.query import Query, run
from spantoll.storage import SqlStore, open_store
from spantoll.storage.roll_up_fill import clear_roll_ups, list_gaps
from tests.support.records import make_record

PATIENCE_S = 60


def has_gaps(store: SqlStore) -> bool:
    with store.engine.connect() as connection:
        return bool(list_gaps(connection))


def test_a_ledger_that_is_older_than_the_roll_ups_is_filled(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/usage.db")
    assert isinstance(store, SqlStore)
    store.write([make_record()])
    clear_roll_ups(store)

    with keep_roll_ups(store):
        until_s = time.monotonic() + PATIENCE_S
        while has_gaps(store) and time.monotonic() < until_s:
            time.sleep(0.01)

    assert run(store.engine, Query()).sources == ["roll_up_model_day: 1 period"]
    store.close()
