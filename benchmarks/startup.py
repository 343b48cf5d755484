"""How long a command takes to start: CPU time, against that of `import sqlalchemy` alone.

    python benchmarks/startup.py

`up` is measured until its first line, which it prints when it receives; the others until they end,
on a ledger without calls. The least of several runs of each: compare the ratios. Before them one
run of each compiles the modules, as an installation does, into a folder that is removed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from spantoll.storage import open_store

LEDGER = "ledger.db"
YARDSTICK = [sys.executable, "-c", "import sqlalchemy"]
SPANTOLL = [sys.executable, "-m", "spantoll"]
COMMANDS = {
    "import sqlalchemy": YARDSTICK,
    "spantoll usage": [*SPANTOLL, "usage"],
    "spantoll up": [*SPANTOLL, "up", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"],
}


def measure(command: list[str], directory: Path) -> tuple[float, float]:
    """Return the seconds until the command ends or prints a line: on the clock, and of CPU."""
    environment = {
        **os.environ,
        "SPANTOLL_DATABASE": f"sqlite:///{directory / LEDGER}",
        "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    began_s = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if "up" in command:
            clock_s = time.perf_counter() - began_s
            spent = psutil.Process(process.pid).cpu_times()
            process.terminate()
            return clock_s, spent.user + spent.system
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        clock_s = time.perf_counter() - began_s
        spent = psutil.Process(process.pid).cpu_times()
    return clock_s, spent.user + spent.system


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        open_store(f"sqlite:///{folder / LEDGER}").close()
        for command in COMMANDS.values():
            measure(command, folder)
        found = {
            name: list(zip(*(measure(command, folder) for _ in range(runs)), strict=True))
            for name, command in COMMANDS.items()
        }
    least = min(found["import sqlalchemy"][1])
    print("command             clock   CPU     CPU / import sqlalchemy")
    for name, (clock_s, cpu_s) in found.items():
        print(f"{name:18}  {min(clock_s):.2f} s  {min(cpu_s):.2f} s  {min(cpu_s) / least:.1f}")


if __name__ == "__main__":
    main()
