"""Speed of every page and every REST path that reads, over HTTP, and what they weigh.

    python benchmarks/pages.py                          # 1,000,000 records of 30 days on SQLite
    python benchmarks/pages.py --ledger FILE            # one that `query.py --ledger` has made
    python benchmarks/pages.py --browser                # also the first paint, in Chromium

`spantoll up` serves the ledger of `query.py` in a process of its own. Times are medians and maxima
of `--rounds` requests after one that warms up, in milliseconds; sizes are kB gzipped, those of
pages with the scripts and styles that they name.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
from sqlalchemy import select

from spantoll.query import RecordQuery, list_records
from spantoll.records.columns import usage_record
from spantoll.storage import open_store
from spantoll.storage.sql import SqlStore

if TYPE_CHECKING:
    from benchmarks.query import fill
else:  # the folder of a script is where it imports from
    from query import fill

PERIODS = {
    "30 days": "from=2026-10-22&to=2026-11-21",
    "7 days": "from=2026-11-14&to=2026-11-21",
}
"""The records of `query.py` end at 2026-11-21T00:00Z."""
ZONE = "tz=Europe/Berlin"
"""Days of another zone than UTC are read from buckets of 15 minutes."""
ASSET = re.compile(r'(?:src|href)="(/static/[^"]+)"')
PAGES = ("/", "/explore", "/records", "/models", "/customers", "/health", "/settings")
PATHS = (
    "/api/v1/usage/query?window=day",
    "/api/v1/usage/query?by=model",
    "/api/v1/usage/query?by=user_id&limit=10",
    "/api/v1/usage/query?by=customer_id&window=day",
    "/api/v1/usage/query?measure=latency_p95_ms&by=provider",
    "/api/v1/usage/growth",
    "/api/v1/usage/summary",
    "/api/v1/health/data",
    "/api/v1/records",
    "/api/v1/records?where=user_id=user-011",
    "/api/v1/records?where=user_id=nobody",
    "/api/v1/customers",
    "/api/v1/models",
    "/api/v1/providers",
)
TIMEOUT_S = 300


class Answered(NamedTuple):
    """What the requests of one address took."""

    address: str
    times_ms: Sequence[float]
    kilobytes: float


@contextlib.contextmanager
def serve(ledger: Path) -> Iterator[str]:
    """Start a receiver with REST and pages; yield its address."""
    command = [sys.executable, "-m", "spantoll", "up", "--database", str(ledger)]
    command += ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
            if found is None:
                raise SystemExit("`spantoll up` has not printed its address")
            yield found[0]
        finally:
            process.terminate()


def ask(client: httpx.Client, address: str, rounds: int) -> Answered:
    """Ask for one address several times. Ends the program unless it is answered."""
    spent: list[float] = []
    body = b""
    for _ in range(rounds + 1):
        began_s = time.perf_counter()
        answer = client.get(address)
        spent.append((time.perf_counter() - began_s) * 1e3)
        if answer.is_error:
            raise SystemExit(f"{address}: {answer.status_code} {answer.text[:200]}")
        body = answer.content
    size = len(gzip.compress(body))
    if "html" in answer.headers["content-type"]:
        for asset in set(ASSET.findall(answer.text)):
            size += len(gzip.compress(client.get(asset).content))
    return Answered(address, spent[1:], size / 1e3)


def list_addresses(client: httpx.Client, store: SqlStore) -> tuple[list[str], list[str]]:
    """List the pages and the REST paths to ask for."""
    (newest,) = list_records(store.engine, RecordQuery(limit=1)).records
    with store.engine.connect() as connection:
        provider, model = connection.execute(
            select(usage_record.c.provider, usage_record.c.model).limit(1)
        ).one()
    pages = [f"{page}?{period}" for page in PAGES for period in PERIODS.values()]
    pages += [f"/?{PERIODS['30 days']}&{ZONE}", f"/records/{newest.id}"]
    pages += [f"/models/{provider}/{model}"]
    paths = [
        f"{path}{'&' if '?' in path else '?'}{PERIODS['30 days']}"
        for path in PATHS
        if path not in ("/api/v1/models", "/api/v1/providers")
    ]
    paths += [f"{path}&{ZONE}" for path in paths[:1]]
    paths += ["/api/v1/models", "/api/v1/providers", f"/api/v1/records/{newest.id}"]
    for question in client.get("/api/v1/questions").json()["questions"]:
        paths.append(f"/api/v1/questions/{question['question']}?{PERIODS['30 days']}")
    return pages, paths


def print_answers(title: str, answers: Sequence[Answered]) -> None:
    print(f"{title:66} median     max     kB")
    for each in sorted(answers, key=lambda each: -statistics.median(each.times_ms)):
        median, most = statistics.median(each.times_ms), max(each.times_ms)
        print(f"{each.address:66} {median:6.0f}  {most:6.0f}  {each.kilobytes:5.0f}")
    times = sorted(spent for each in answers for spent in each.times_ms)
    print(f"p95 {times[int(len(times) * 0.95)]:.0f} ms of {len(times)} requests\n")


def print_first_paints(base: str, pages: Sequence[str]) -> None:
    """Open each page in Chromium twice, and print when the second one was painted first."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for address in pages:
            tab = browser.new_page()
            for _ in range(2):
                tab.goto(base + address, wait_until="load", timeout=TIMEOUT_S * 1e3)
            # A paint may follow the load; `wait_for_function` is refused by the pages' policy.
            until = time.monotonic() + TIMEOUT_S
            while (painted_ms := tab.evaluate(paint)) is None and time.monotonic() < until:
                tab.wait_for_timeout(10)
            if painted_ms is None:
                raise SystemExit(f"{address} was not painted in {TIMEOUT_S:.0f} s")
            print(f"{address:66} first paint {painted_ms:6.0f}")
            tab.close()
        browser.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ledger", type=Path, help="a file to keep the ledger in")
    parser.add_argument("--browser", action="store_true", help="also measure in Chromium")
    given = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as directory:
        file: Path = given.ledger or Path(directory, "usage.db")
        is_new = not file.exists()
        with contextlib.closing(open_store(f"sqlite:///{file}")) as store:
            if not isinstance(store, SqlStore):
                raise SystemExit("no SQL database")
            if is_new:
                fill(store, given.records)
            with serve(file) as base, httpx.Client(base_url=base, timeout=TIMEOUT_S) as client:
                pages, paths = list_addresses(client, store)
                for title, addresses in (("pages", pages), ("REST", paths)):
                    print_answers(title, [ask(client, each, given.rounds) for each in addresses])
                if given.browser:
                    print_first_paints(base, pages)


if __name__ == "__main__":
    main()
