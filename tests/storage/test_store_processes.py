"""Several processes on one database, and processes that are killed."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from spantoll.storage import open_store
from tests.storage.conftest import Backend, rows

ROOT = Path(__file__).parents[2]


def start(url: str, *, first: int, batches: int, size: int) -> subprocess.Popen[str]:
    arguments = [url, str(first), str(batches), str(size)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage.writer_process", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def spans(batches: list[int], size: int) -> set[int]:
    return {batch * size + n for batch in batches for n in range(1, size + 1)}


def stored(url: str) -> list[int]:
    store = open_store(url)
    found = [int.from_bytes(row.span_id) for row in rows(store)]
    store.close()
    return found


def test_processes_that_start_at_once_share_a_new_database(backend: Backend, new_url: str) -> None:
    if not backend.lasts:
        pytest.skip("no other process sees it")
    writers = [start(new_url, first=n, batches=1, size=20) for n in range(6)]

    ends = [writer.communicate()[0].split() for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * 6
    assert ends == [["open", str(n)] for n in range(6)]
    assert stored(new_url) == sorted(spans(list(range(6)), 20))


def test_processes_that_write_the_same_store_each_record_once(backend: Backend, url: str) -> None:
    if not backend.lasts:
        pytest.skip("no other process sees it")
    writers = [start(url, first=0, batches=10, size=50) for _ in range(4)]

    for writer in writers:
        writer.communicate()

    assert [writer.returncode for writer in writers] == [0] * 4
    assert stored(url) == sorted(spans(list(range(10)), 50))


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_a_killed_writer_has_stored_all_it_acknowledged(tmp_path: Path, kills: int) -> None:
    url, size = f"sqlite:///{tmp_path}/ledger.db", 100
    acknowledged: list[int] = []
    begun = 0

    for _ in range(kills):
        writer = start(url, first=begun, batches=10_000, size=size)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        lines = [writer.stdout.readline() for _ in range(random.randrange(1, 40))]
        writer.send_signal(signal.SIGKILL)
        lines += writer.communicate()[0].splitlines()
        acknowledged += map(int, lines)
        # The batch after the last acknowledged one may or may not be there, but not in part.
        begun = acknowledged[-1] + 1
    found = stored(url)

    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert set(acknowledged) == set(range(begun))
    assert len(found) == len(set(found))
    assert spans(acknowledged, size) <= set(found)
    assert len(found) % size == 0
