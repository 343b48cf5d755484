"""A deletion that is killed goes on when it is started again; no sum changes meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from spantoll.query import Query, run
from spantoll.records import usage_record
from spantoll.storage import Store, open_store
from tests.support.records import make_record

RECORDS = 6_000
OLD_NS, NEW_NS = 1_735_732_800 * 10**9, 1_738_411_200 * 10**9
"""2025-01-01T12:00:00Z and 2025-02-01T12:00:00Z"""


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path}/ledger.db")) as store:
        store.write([make_record(started_ns=OLD_NS, user_id=str(i % 9)) for i in range(RECORDS)])
        store.write([make_record(started_ns=NEW_NS)])
        yield store


def start(store: Store) -> subprocess.Popen[bytes]:
    arguments = ["db", "retain", "--before", "2025-02-01", "--database", store.url]
    return subprocess.Popen(
        [sys.executable, "-m", "spantoll", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def count_records(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.scalar(select(func.count(usage_record.c.id))) or 0


def read_sums(store: Store) -> object:
    return run(store.engine, Query(dimensions=["user_id"], measures=["requests", "cost_usd"])).rows


def test_a_killed_deletion_goes_on_and_changes_no_sum(filled: Store) -> None:
    sums = read_sums(filled)
    killed = start(filled)
    try:
        while count_records(filled) > RECORDS:
            assert killed.poll() is None
            time.sleep(0.005)
    finally:
        killed.kill()
        killed.wait()

    left = count_records(filled)
    assert 1 < left < RECORDS
    assert read_sums(filled) == sums
    assert start(filled).wait() == 0
    assert count_records(filled) == 1
    assert read_sums(filled) == sums
