"""How much two threads or processes that write to one ledger bring, and what turns cost.

    python benchmarks/writers.py [--records 40000] [--batch 2000]

Starts PostgreSQL and MariaDB as the tests do (without waiting for a disk) and writes single calls,
each with a response id of its own, from one process, from its two threads (as a receiver does), and
from two processes. Prints rows per second, what two bring over one, and the share of a process's
time in which it holds the lock that settling takes.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import mariadb, postgresql
from tests.support.records import make_record

from spantoll.records import UsageRecord
from spantoll.storage import Correction, Stored, open_store
from spantoll.storage.shared import SharedStore

KEY_STEP = 1_000_003


def make_batches(first: int, records: int, size: int) -> list[list[UsageRecord]]:
    """Make batches of calls whose ids follow `first`."""
    numbers = range(first, first + records)
    made = [
        make_record(
            trace_id=number.to_bytes(16),
            span_id=number.to_bytes(8),
            response_id=f"chatcmpl-{number:012}",
            response_key=number * KEY_STEP,
            usage_key=(number // 50 << 32) + number,
            input_tokens=number % 4_000,
            output_tokens=number % 300,
        )
        for number in numbers
    ]
    return [made[start : start + size] for start in range(0, records, size)]


def settle_nothing(group: Sequence[Stored]) -> list[Correction]:
    return []


def write(
    url: str, first: int, records: int, size: int, threads: int, start: Barrier, answers: Any
) -> None:
    """Write batches when all are ready; answer how long it took, and how long in the lock."""
    batches = deque(make_batches(first, records, size))
    store = open_store(url)
    assert isinstance(store, SharedStore)
    held_s = 0.0
    transaction = store.transaction

    @contextmanager
    def timed() -> Any:
        nonlocal held_s
        with transaction() as connection:
            began_s = time.perf_counter()
            yield connection
        held_s += time.perf_counter() - began_s

    def write_batches() -> None:
        while batches:
            with suppress(IndexError):  # another thread took the last
                store.write(batches.popleft(), settle=settle_nothing)

    store.transaction = timed  # type: ignore[method-assign]  # measured as it is used
    start.wait()
    began_s = time.perf_counter()
    running = [threading.Thread(target=write_batches) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    answers.put((time.perf_counter() - began_s, held_s))
    store.close()


def measure(
    url: str, *, writers: int, threads: int, records: int, size: int
) -> tuple[float, float]:
    """Return rows per second of all writers together, and the mean share of time in the lock."""
    context = get_context("spawn")
    start, answers = context.Barrier(writers), context.Queue()
    each = records // writers
    processes = [
        context.Process(target=write, args=(url, 1 + n * each, each, size, threads, start, answers))
        for n in range(writers)
    ]
    open_store(url).close()
    for process in processes:
        process.start()
    found = [answers.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    longest = max(took_s for took_s, _ in found)
    return each * writers / longest, sum(held_s / took_s for took_s, held_s in found) / writers


def compare(name: str, make_database: Callable[[], str], *, records: int, size: int) -> None:
    alone = 0.0
    for writers, threads in ((1, 1), (1, 2), (2, 1)):
        rate, share = measure(
            make_database(), writers=writers, threads=threads, records=records, size=size
        )
        alone = alone or rate
        print(
            f"{name}: {writers} processes of {threads} threads, {rate:,.0f} rows/s,"
            f" {rate / alone:.2f} x one, {share:.0%} in the lock"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--batch", type=int, default=2_000)
    given = parser.parse_args()
    sizes = {"records": given.records, "size": given.batch}
    if (programs := postgresql.find_programs()) is not None:
        with postgresql.start_server(programs) as server:
            compare("PostgreSQL", server.make_database, **sizes)
    if (found := mariadb.find_programs()) is not None:
        with mariadb.start_server(found) as running:
            compare("MariaDB", running.make_database, **sizes)


if __name__ == "__main__":
    main()
