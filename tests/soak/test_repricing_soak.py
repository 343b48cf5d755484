"""A large ledger is priced again beside live ingest: how long it takes, and what ingest notices.

Each test prints its figures; `pytest -m soak -rP tests/soak/test_repricing_soak.py` shows them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import quantiles

import pytest
from sqlalchemy import func, select

from spantoll.records import UsageRecord, usage_record
from spantoll.storage import Store, open_store
from spantoll.storage.reprice import RunState, list_runs
from tests.support.records import make_record

CHUNK = 5_000
WRITE = 20
"""Records of one write of the live ingest."""
PAUSE_S = 0.02
QUIET_WRITES = 200
RIGHT_NANO = 2_500_000
"""1,000 input tokens of gpt-4o at $2.50 per million."""
SLOWEST_WRITE_S = 5.0
"""As long as a write waits for the lock of SQLite before its sender is told to try again."""

_numbers = count(1)


def make_calls(number: int) -> list[UsageRecord]:
    """Make calls of gpt-4o, each in a trace of its own, all with the same wrong price."""
    call = make_record(request_model="gpt-4o", input_tokens=1_000, output_tokens=0, cost_nano=1)
    ids = (next(_numbers) for _ in range(number))
    return [call._replace(trace_id=(1 << 64 | i).to_bytes(16), span_id=i.to_bytes(8)) for i in ids]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Callable[[int], Store]]:
    stores: list[Store] = []

    def fill(records: int) -> Store:
        store = open_store(f"sqlite:///{tmp_path}/ledger.db")
        stores.append(store)
        for first in range(0, records, CHUNK):
            store.write(make_calls(min(CHUNK, records - first)))
        return store

    yield fill
    for store in stores:
        store.close()


def write_once(store: Store) -> float:
    """Write as a receiver does; return the seconds until it was durable."""
    calls = make_calls(WRITE)
    began_s = time.monotonic()
    store.write(calls)
    took_s = time.monotonic() - began_s
    time.sleep(PAUSE_S)
    return took_s


@pytest.mark.alone
@pytest.mark.parametrize(
    "records",
    [
        pytest.param(100_000, marks=pytest.mark.soak),
        pytest.param(1_000_000, marks=pytest.mark.soak_long),
    ],
)
def test_a_ledger_is_priced_again_beside_live_ingest(
    ledger: Callable[[int], Store], records: int
) -> None:
    store = ledger(records)
    quiet_s = [write_once(store) for _ in range(QUIET_WRITES)]

    began_s = time.monotonic()
    reprice = [sys.executable, "-m", "spantoll", "reprice", "--yes", "--database", store.url]
    with subprocess.Popen(reprice, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        busy_s = []
        while process.poll() is None:
            busy_s.append(write_once(store))
    took_s = time.monotonic() - began_s

    (run,) = list_runs(store.engine)
    quiet_ms, busy_ms = (1_000 * quantiles(times, n=100)[-1] for times in (quiet_s, busy_s))
    print(
        f"{run.changed:,} records priced again in {took_s:.1f} s with preview; p99 of ingest "
        f"{quiet_ms:.1f} ms quiet, {busy_ms:.1f} ms beside it: {busy_ms / quiet_ms:.1f} times; "
        f"slowest {1_000 * max(busy_s):.0f} ms of {len(busy_s):,} writes"
    )
    with store.engine.connect() as connection:
        right = select(func.count()).where(usage_record.c.cost_nano == RIGHT_NANO)
        stored = connection.scalar(select(func.count()).select_from(usage_record))
        assert connection.scalar(right) == run.changed
    assert run.state is RunState.FINISHED
    assert run.changed >= records + QUIET_WRITES * WRITE
    assert stored == records + WRITE * (len(quiet_s) + len(busy_s))
    assert max(busy_s) < SLOWEST_WRITE_S
