"""What open dashboards cost ingest: half load alone and beside 20 of them, in turns in one run.

    python benchmarks/dashboards.py                    # 20 pages that refresh every 15 seconds
    python benchmarks/dashboards.py --pages 40 --seconds 60

`spantoll up` receives on SQLite while `load.py` sends; first as much as it takes, then half of
that. A page does what `static/live.js` does: it asks for itself every 15 seconds, with the ETag of
its last answer. Prints the ratio of the spans taken per second, and exits with 1 where a call is
lost, a page fails, or ingest is slower by 20 % or more. Both sides share the machine: compare
within one run only.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LOAD = Path(__file__).with_name("load.py")
SPANTOLL = str(Path(sys.executable).with_name("spantoll"))
PAUSE_S = 15
"""Of `static/live.js`."""
MOST_SLOWER = 0.20
ADDRESSES = (
    "/?live=1",
    "/?live=1&last=24h",
    "/?live=1&last=7d&against=previous",
    "/explore?live=1&measure=cost_usd&by=model&window=day",
    "/records?live=1",
    "/health?live=1",
    "/customers?live=1",
)
"""What is open; each page is one of them."""


class Page(threading.Thread):
    """A page that refreshes itself until it is closed."""

    def __init__(self, port: int, number: int, pages: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._address = ADDRESSES[number % len(ADDRESSES)]
        self._wait_s = PAUSE_S * number / pages
        self._closed = threading.Event()
        self.times_s: list[float] = []
        self.statuses: list[int] = []
        self._etag = ""

    def run(self) -> None:
        """Ask for the page at once, with the others spread over the pause, and then every pause."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        with contextlib.closing(connection):
            while not self._closed.wait(self._wait_s):
                self._wait_s = PAUSE_S
                self._ask(connection)

    def close(self) -> None:
        """Close the page and wait for what it last asked for."""
        self._closed.set()
        self.join()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        started = time.perf_counter()
        headers = {"If-None-Match": self._etag} if self._etag else {}
        try:
            connection.request("GET", self._address, headers=headers)
            response = connection.getresponse()
            response.read()
        except OSError:
            connection.close()
            self.statuses.append(0)
            return
        self.times_s.append(time.perf_counter() - started)
        self.statuses.append(response.status)
        self._etag = response.headers.get("ETag", "")


class Turn(NamedTuple):
    """What one run of the load generator saw."""

    load: dict[str, Any]
    pages: Sequence[Page] = ()


@contextlib.contextmanager
def serve(database: Path) -> Iterator[int]:
    """Run `spantoll up` on ports that are free; yield that of HTTP."""
    command = [SPANTOLL, "up", "--database", f"sqlite:///{database}", "--grpc", "off"]
    command += ["--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://[^:]+:(\d+)", process.stdout.readline())
        if found is None:
            sys.exit("spantoll up printed no address")
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield int(found[1])
        process.terminate()


def send(port: int, *, seed: int, spans: int, rate: int = 0) -> dict[str, Any]:
    """Send spans over HTTP, at most `rate` a second where that is not 0."""
    command = [sys.executable, str(LOAD), "--http", f"127.0.0.1:{port}", "--spans", str(spans)]
    command += ["--seed", str(seed), "--rate", str(rate)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(result.stdout))


def send_beside(port: int, *, pages: int, seed: int, spans: int, rate: int) -> Turn:
    """Send spans while pages are open."""
    opened = [Page(port, number, pages) for number in range(pages)]
    for page in opened:
        page.start()
    load = send(port, seed=seed, spans=spans, rate=rate)
    for page in opened:
        page.close()
    return Turn(load, opened)


def count_calls(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (found,) = connection.execute("SELECT count(*) FROM usage_record").fetchone()
    return int(found)


def compare(port: int, given: argparse.Namespace) -> tuple[list[Turn], list[Turn], int]:
    """Run the turns, alone and beside pages; return them, and the calls that were acknowledged."""
    full = send(port, seed=1, spans=given.fill)
    rate = full["spans_per_s"] // 2
    print(f"takes {full['spans_per_s']:,} spans/s; sent from now on: {rate:,} /s")
    alone, beside = [], []
    spans = rate * given.seconds
    for turn in range(given.turns):
        alone.append(Turn(send(port, seed=100 + turn, spans=spans, rate=rate)))
        beside.append(send_beside(port, pages=given.pages, seed=200 + turn, spans=spans, rate=rate))
    calls = [full["calls"], *(turn.load["calls"] for turn in (*alone, *beside))]
    return alone, beside, sum(calls)


def report(name: str, turns: Sequence[Turn]) -> float:
    """Print what the turns saw; return the spans taken per second."""
    spans, seconds = (sum(turn.load[key] for turn in turns) for key in ("spans", "seconds"))
    spans_per_s = float(spans / seconds)
    p50, p99 = (max(turn.load[key] for turn in turns) for key in ("p50_ms", "p99_ms"))
    resent = sum(turn.load["resent"] for turn in turns)
    print(
        f"{name:7} {spans_per_s:8,.0f} spans/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms, {resent} resent"
    )
    return spans_per_s


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--fill", type=int, default=100_000, help="spans sent before")
    parser.add_argument("--seconds", type=int, default=30, help="of each turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--directory", type=Path, help="where the database goes")
    given = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        database = Path(directory, "usage.db")
        with serve(database) as port:
            alone, beside, sent = compare(port, given)
        stored = count_calls(database)
    slower = 1 - report("beside", beside) / report("alone", alone)
    pages = [page for turn in beside for page in turn.pages]
    times_s = sorted(seconds for page in pages for seconds in page.times_s)
    statuses = [status for page in pages for status in page.statuses]
    print(
        f"{len(statuses)} pages, median {statistics.median(times_s) * 1e3:.0f} ms,"
        f" slowest {times_s[-1] * 1e3:.0f} ms, {statuses.count(304)} not modified"
    )
    print(f"{sent:,} calls acknowledged, {stored:,} stored; ingest slower by {slower:.1%}")
    if stored != sent or slower >= MOST_SLOWER or set(statuses) - {200, 304}:
        sys.exit(1)


if __name__ == "__main__":
    main()
