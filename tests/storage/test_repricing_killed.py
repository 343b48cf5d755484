"""A process that is killed in the middle of a re-pricing or an undo leaves a run to go on with."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from spantoll.records import usage_record
from spantoll.storage import Store, open_store
from spantoll.storage.reprice import Run, RunState, list_runs
from tests.support.records import make_record

RECORDS = 15_000
RIGHT_NANO = 2_500_000
"""1,000 input tokens of gpt-4o at $2.50 per million."""


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/ledger.db")
    wrong = {"request_model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 0, "cost_nano": 1}
    store.write([make_record(**wrong) for _ in range(RECORDS)])
    yield store
    store.close()


def command(store: Store, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "spantoll", "reprice", *arguments, "--database", store.url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_in_the_middle(store: Store, state: RunState, *arguments: str) -> Run:
    """Kill a command as soon as it has written a batch; return the run it leaves."""
    process = command(store, *arguments)
    try:
        while not any(run.state is state and run.last_id for run in list_runs(store.engine)):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    (run,) = list_runs(store.engine)
    return run


def go_on(store: Store, run: Run) -> Run:
    assert command(store, "resume", str(run.run_id)).wait() == 0
    (run,) = list_runs(store.engine)
    return run


def sums(store: Store) -> tuple[int, int]:
    """How many records have a cost, and its sum."""
    cost = usage_record.c.cost_nano
    with store.engine.connect() as connection:
        records, nano = connection.execute(select(func.count(cost), func.sum(cost))).one()
    return int(records), int(nano)


def test_a_killed_run_and_a_killed_undo_go_on_where_they_stopped(filled: Store) -> None:
    killed = kill_in_the_middle(filled, RunState.RUNNING, "--yes")
    finished = go_on(filled, killed)
    priced = sums(filled)
    killed_undo = kill_in_the_middle(filled, RunState.UNDOING, "undo", "1")
    undone = go_on(filled, killed_undo)

    assert 0 < killed.changed < RECORDS
    assert (finished.state, finished.changed) == (RunState.FINISHED, RECORDS)
    assert (finished.old_cost_nano, finished.new_cost_nano) == (RECORDS, RECORDS * RIGHT_NANO)
    assert priced == (RECORDS, RECORDS * RIGHT_NANO)
    assert 0 < killed_undo.last_id < killed_undo.end_id
    assert (undone.state, undone.kept) == (RunState.UNDONE, 0)
    assert sums(filled) == (RECORDS, RECORDS)
