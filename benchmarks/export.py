"""Export speed: `spantoll records --format csv|jsonl` beside `sqlite3 -csv` for the same columns.

    python benchmarks/export.py
    python benchmarks/export.py --records 1000000

Least CPU time of three runs of the whole command, its start included, which is also shown apart:
CPU time, so that other work on the machine weighs less.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spantoll.pipeline import Ingest
from spantoll.pricing import load_rate_card
from spantoll.query import RECORD_SOURCES
from spantoll.storage import open_store

if TYPE_CHECKING:
    from benchmarks.load import Traffic
else:  # the folder of a script is where it imports from
    from load import Traffic

TIMES = 3


def measure(command: Sequence[str]) -> float:
    """Run a command, its output thrown away; return its CPU time in seconds."""
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    return usage.ru_utime + usage.ru_stime


def fill(database: Path, count: int) -> None:
    """Write different records, a request of the load generator at a time."""
    ingest, traffic = Ingest(load_rate_card()), Traffic(99, batch=512)
    store = open_store(f"sqlite:///{database}")
    written = 0
    while written < count:
        read = ingest.traces(traffic.request(), received_ns=time.time_ns()).records
        written += store.write(read[: count - written]).inserted
    store.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=300_000)
    given = parser.parse_args(arguments)
    sqlite = shutil.which("sqlite3")
    if sqlite is None:
        parser.error("sqlite3 is not installed (Debian: apt-get install sqlite3)")
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "usage.db"
        fill(database, given.records)
        wanted = f"SELECT {', '.join(RECORD_SOURCES)} FROM usage_record WHERE counted"
        plain = [sqlite, "-csv", str(database), f"{wanted} ORDER BY started_ns DESC, id DESC"]
        export = [sys.executable, "-m", "spantoll", "records", "--database", str(database)]
        commands = {
            "sqlite3 -csv": plain,
            "start, one record": [*export, "--format", "csv", "--limit", "1"],
        } | {f"records --format {name}": [*export, "--format", name] for name in ("csv", "jsonl")}
        spent = {
            name: min(measure(command) for _ in range(TIMES)) for name, command in commands.items()
        }
    base = spent["sqlite3 -csv"]
    for name, cpu_s in spent.items():
        each_us = cpu_s / given.records * 1e6
        print(f"{name:<24} {each_us:6.1f} us a record  {cpu_s / base:4.1f} x sqlite3")


if __name__ == "__main__":
    main()
