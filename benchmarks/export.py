"""Export speed: `spantoll records --format csv|jsonl` beside `sqlite3 -csv` for the same columns.

    python benchmarks/export.py
    python benchmarks/export.py --records 1000000

CPU time of the whole command, its start included, so that other work on the machine weighs less;
and the peak memory of the export, which must not grow with the records.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spantoll.query import RECORD_SOURCES
from spantoll.storage import open_store

if TYPE_CHECKING:
    from benchmarks.ingest import records
else:  # the folder of a script is where it imports from
    from ingest import records

GROUP = 4_096
TIMES = 3


class Spent(NamedTuple):
    cpu_s: float
    peak_mib: float


def measure(command: Sequence[str]) -> Spent:
    """Run a command, its output thrown away."""
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Spent(usage.ru_utime + usage.ru_stime, peak)


def fill(database: Path, count: int) -> None:
    store = open_store(f"sqlite:///{database}")
    written = 0
    while written < count:
        part = records(min(GROUP, count - written))
        store.write(part)
        written += len(part)
    store.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000)
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
        commands = {"sqlite3 -csv": plain} | {
            f"records --format {name}": [*export, "--format", name] for name in ("csv", "jsonl")
        }
        spent = {
            name: min(measure(command) for _ in range(TIMES)) for name, command in commands.items()
        }
    base = spent["sqlite3 -csv"].cpu_s
    for name, (cpu_s, peak_mib) in spent.items():
        print(
            f"{name:<24} {cpu_s / given.records * 1e6:6.1f} us a record  "
            f"{cpu_s / base:4.1f} x sqlite3  peak {peak_mib:4.0f} MiB"
        )


if __name__ == "__main__":
    main()
