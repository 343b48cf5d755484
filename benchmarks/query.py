"""Query speed: answers from roll-ups, from records, and the same sums as raw SQL, in one run.

    python benchmarks/query.py                          # 1,000,000 records of 30 days on SQLite
    python benchmarks/query.py --records 100000
    python benchmarks/query.py --ledger FILE            # keep the ledger, or use one that was kept

Times are medians of `--rounds` runs after one that warms up, in milliseconds; CPU time is that of
SpanToll and SQLite, which is the same on a machine that does other work. The records are those
of `load.py`: 20 models of 6 providers, 50 users.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spantoll.query import Filter, Query, RecordQuery, list_records, run
from spantoll.storage import SqlStore, open_store
from spantoll.storage.roll_up_merge import merge_roll_ups
from spantoll.storage.roll_ups import ROLL_UPS, add_pending

if TYPE_CHECKING:
    from benchmarks.questions import check, list_cases, make_batches, median_ms
else:  # the folder of a script is where it imports from
    from questions import check, list_cases, make_batches, median_ms


def fill(store: SqlStore, number: int) -> None:
    """Write records that are spread evenly over the last 30 days."""
    for batch in make_batches(number):
        store.write(batch)
    with store.transaction() as connection:
        add_pending(connection)
    merge_roll_ups(store)


def compare(store: SqlStore, raw: sqlite3.Connection, rounds: int) -> None:
    """Print one line per question."""
    print(f"{'ms':31} roll-ups  CPU time   records   raw SQL  raw / roll-ups  read from")
    for case in list_cases("sqlite"):
        from_records = replace(case.query, roll_ups=False)
        answer = run(store.engine, case.query)
        if answer.rows != run(store.engine, from_records).rows:
            raise SystemExit(f"{case.name}: roll-ups and records answer differently")
        check(case, answer, raw.execute(case.sql).fetchall())
        rolled = median_ms(lambda query=case.query: run(store.engine, query), rounds)  # type: ignore[misc]  # bound now
        cpu = median_ms(
            lambda query=case.query: run(store.engine, query),  # type: ignore[misc]  # bound now
            rounds,
            clock=time.process_time,
        )
        read = median_ms(lambda query=from_records: run(store.engine, query), 1)  # type: ignore[misc]  # bound now
        plain = median_ms(lambda sql=case.sql: raw.execute(sql).fetchall(), 3)  # type: ignore[misc]  # bound now
        print(
            f"{case.name:31} {rolled:8.1f}  {cpu:8.1f}  {read:8.0f}  {plain:8.0f}  "
            f"{plain / rolled:14.0f}  " + ", ".join(answer.sources)
        )
    users = run(store.engine, Query(measures=["requests"], dimensions=["user_id"], limit=1)).rows
    for title, user in (
        ("newest 50 records of a user", users[0].dimensions["user_id"]),
        ("of a user without any", "nobody"),
    ):
        newest = RecordQuery(filters=[Filter("user_id", (user,))], limit=50)
        page = median_ms(lambda query=newest: list_records(store.engine, query), rounds)  # type: ignore[misc]  # bound now
        cpu = median_ms(
            lambda query=newest: list_records(store.engine, query),  # type: ignore[misc]  # bound now
            rounds,
            clock=time.process_time,
        )
        print(f"{title:31} {page:8.1f}  {cpu:8.1f}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ledger", type=Path, help="a file to keep the ledger in")
    given = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as directory:
        file: Path = given.ledger or Path(directory, "usage.db")
        is_new = not file.exists()
        store = open_store(f"sqlite:///{file}")
        if not isinstance(store, SqlStore):
            raise SystemExit("no SQL database")
        if is_new:
            started = time.perf_counter()
            fill(store, given.records)
            print(f"{given.records:,} records written in {time.perf_counter() - started:.0f} s")
        with contextlib.closing(sqlite3.connect(file)) as raw:
            counts = {
                each.name: raw.execute(f"SELECT count(*) FROM {each.name}").fetchone()[0]
                for each in ROLL_UPS
            }
            print(f"{os.cpu_count()} CPUs; rows: {counts}")
            compare(store, raw, given.rounds)
        store.close()


if __name__ == "__main__":
    main()
