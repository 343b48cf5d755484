"""Ingest speed: durable, priced spans per second, against the raw SQLite insert rate beside it.

    python benchmarks/ingest.py                        # both transports, 4 connections x 512 spans
    python benchmarks/ingest.py --spans 1000000        # and what memory the receiver ends with
    python benchmarks/ingest.py --profile              # where the time goes
    python benchmarks/ingest.py --no-roll-ups          # what roll-ups cost, run in turns with them
    python benchmarks/ingest.py --workers 1,2          # the same with worker processes, in one run
    python benchmarks/ingest.py --bound                # and one that only acknowledges: rotel
    python benchmarks/ingest.py --apart                # and two receivers that write to one file
    python benchmarks/ingest.py --batch 64 --group 64 --rate 9000   # what senders wait at that rate
    python benchmarks/ingest.py --connections 1 --in-flight 10      # one connection of a Collector

The receiver runs in a process of its own and acknowledges after its commit (WAL, synchronous=FULL);
`load.py` sends from another. Both share the machine, so compare within one run only; and since its
speed moves within minutes, each run is compared with the raw inserts before and after it.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import gc
import importlib.util
import json
import os
import pstats
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import psutil

from spantoll import semconv
from spantoll.otlp import decode_traces
from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import UsageRecord, to_record
from spantoll.storage import open_store

if TYPE_CHECKING:
    from benchmarks.load import Traffic
else:  # the folder of a script is where it imports from
    from load import Traffic

LOAD = Path(__file__).with_name("load.py")
STAGE_REQUESTS = 100
RAW_ROWS = 60_000
MIB = 1 << 20

RECEIVER = """
import json, sys, threading
from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.receiver import ReceiverConfig, run

def ready(receiver, bound):
    threads = {thread.native_id: thread.name for thread in threading.enumerate()}
    print(json.dumps([*bound, threads]), flush=True)

if "--no-roll-ups" in sys.argv:
    from spantoll.storage import sql, sqlite
    nothing = lambda connection, *given, **named: 0  # what they cost is the difference
    sql.add_records = sql.add_pending = sqlite.add_pending = nothing

config = ReceiverConfig(grpc="127.0.0.1:0", http="127.0.0.1:0", workers=int(sys.argv[2]))
rate_card = load_rate_card()
run(sys.argv[1], config, rate_card=rate_card, settle=make_settle(rate_card), ready=ready)
"""


class Server(NamedTuple):
    process: psutil.Process
    grpc: int
    http: int
    threads: dict[int, str]

    def cpu_s(self) -> dict[str, float]:
        """CPU time so far: the event loop, the writer, and the transport's own threads."""
        spent: defaultdict[str, float] = defaultdict(float)
        names = {"MainThread": "loop", "spantoll-writer": "writer"}
        for thread in self.process.threads():
            name = names.get(self.threads.get(thread.id, ""), "other")
            spent[name] += thread.user_time + thread.system_time
        for child in self.process.children():
            used = child.cpu_times()
            spent["workers"] += used.user + used.system
        return spent

    def memory_mb(self) -> float:
        """Memory of all processes now, in MB: what they share is counted once (PSS)."""
        processes = [self.process, *self.process.children()]
        return sum(each.memory_full_info().pss for each in processes) / MIB

    def wait_for_workers(self, count: int) -> None:
        """Wait until all worker processes take requests."""
        while count > 1:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics") as response:
                if f"\nspantoll_workers_up {count}.0\n" in response.read().decode():
                    return
            time.sleep(0.05)


@contextlib.contextmanager
def receiver(database: Path, *, workers: int = 1, roll_ups: bool = True) -> Iterator[Server]:
    command = [sys.executable, "-c", RECEIVER, f"sqlite:///{database}", str(workers)]
    command += [] if roll_ups else ["--no-roll-ups"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        grpc, http, threads = json.loads(popen.stdout.readline())
        names = {int(number): name for number, name in threads.items()}
        server = Server(psutil.Process(popen.pid), grpc, http, names)
        server.wait_for_workers(workers)
        yield server
        popen.terminate()


def load(server: Server, transport: str, given: argparse.Namespace) -> dict[str, Any]:
    """One run of the load generator, with what it cost the receiver."""
    before = server.cpu_s()
    result = send(transport, server.grpc if transport == "grpc" else server.http, given)
    spent = server.cpu_s()
    result["cpu_us"] = {
        name: (seconds - before[name]) / result["spans"] * 1e6 for name, seconds in spent.items()
    }
    result["peak_rss_mb"] = peak_rss_mb(server.process.pid)
    result["pss_mb"] = server.memory_mb()
    return result


def peak_rss_mb(pid: int) -> float:
    """The most memory the process ever held; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def rotel() -> Iterator[tuple[int, int]]:
    """Run rotel, a Collector in Rust, which acknowledges and drops; yield its two ports."""
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        sys.exit("--bound takes rotel: pip install rotel")
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    command = [str(Path(found.origin).with_name("rotel-agent")), "start", "--exporter", "blackhole"]
    for name, port in zip(("grpc", "http"), ports, strict=True):
        command += [f"--otlp-{name}-endpoint", f"127.0.0.1:{port}"]
    # It needs the shared library of a Python, as this one has where it was built with one.
    library = {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(
            [*command, "--pid-file", f"{directory}/pid"],
            env={**os.environ, **library},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as popen,
    ):
        for port in ports:
            while popen.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
        yield ports[0], ports[1]
        popen.terminate()


def send(transport: str, port: int, given: argparse.Namespace) -> dict[str, Any]:
    """Run the load generator once; return what it reports."""
    command = [sys.executable, str(LOAD), f"--{transport}", f"127.0.0.1:{port}"]
    for option in ("spans", "batch", "connections", "seed", "rate"):
        command += [f"--{option}", str(getattr(given, option))]
    if transport == "grpc":
        command += ["--in-flight", str(given.in_flight)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(ran.stdout))


def records(spans: int) -> list[UsageRecord]:
    ingest, traffic = Ingest(load_rate_card()), Traffic(99, batch=512)
    made: list[UsageRecord] = []
    while len(made) < spans:
        made.extend(ingest.traces(traffic.request(), received_ns=time.time_ns()).records)
    return made[:spans]


class RawInserts:
    """What SQLite takes by itself: the same rows into the same table, `group` a transaction."""

    def __init__(self, directory: Path, *, group: int) -> None:
        rows = records(RAW_ROWS)
        columns = enumerate(zip(*rows, strict=True))
        used = [n for n, column in columns if any(value is not None for value in column)]
        names = ", ".join(f'"{UsageRecord._fields[n]}"' for n in used)
        values = f"VALUES ({', '.join('?' * len(used))}) ON CONFLICT DO NOTHING"
        self._statement = f"INSERT INTO usage_record ({names}) {values}"
        self._tuples = [tuple(row[n] for n in used) for row in rows]
        self._directory, self._group = directory, group
        self.cpu_us = 0.0
        """Of a row, the last time."""
        self.last_per_s = self._insert()

    def around(self) -> float:
        """Insert again; return rows a second, the mean of this time and the time before."""
        before, self.last_per_s = self.last_per_s, self._insert()
        return (before + self.last_per_s) / 2

    def _insert(self) -> float:
        with tempfile.TemporaryDirectory(dir=self._directory) as directory:
            database = Path(directory, "raw.db")
            open_store(f"sqlite:///{database}").close()
            with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA wal_autocheckpoint=16000")
                started, cpu_started = time.perf_counter(), time.process_time()
                for at in range(0, RAW_ROWS, self._group):
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(self._statement, self._tuples[at : at + self._group])
                    connection.execute("COMMIT")
                elapsed_s = time.perf_counter() - started
                self.cpu_us = (time.process_time() - cpu_started) / RAW_ROWS * 1e6
                return RAW_ROWS / elapsed_s


def count(database: Path) -> tuple[int, int]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT count(*), count(cost_nano) FROM usage_record")
        return tuple(found.fetchone())


def timed(work: Callable[[], Any], spans: int) -> tuple[float, Any]:
    started = time.process_time()  # what else the machine does weighs less than on the clock
    result = work()
    return (time.process_time() - started) / spans * 1e6, result


def stages(database: Path, *, roll_ups: bool, group: int) -> dict[str, float]:
    """Microseconds of CPU per span of each step alone, one thread, caches warm."""
    gc.collect()
    gc.disable()  # the receiver collects rarely, too
    card, traffic = load_rate_card(), Traffic(5, batch=512)
    warm = Ingest(card)
    for _ in range(20):
        warm.traces(traffic.request(), received_ns=0)
    bodies = [traffic.request() for _ in range(STAGE_REQUESTS)]
    total = STAGE_REQUESTS * 512
    now_ns = time.time_ns()
    spent: dict[str, float] = {}
    wanted = semconv.could_be_genai
    spent["decode"], decoded = timed(
        lambda: [decode_traces(body, wanted=wanted).spans for body in bodies], total
    )
    spans = [span for some in decoded for span in some]
    spent["read dialect"], calls = timed(lambda: [semconv.read(span) for span in spans], total)
    spent["price"], answers = timed(lambda: [card.price(call) for call in calls if call], total)
    spent["record"], made = timed(
        lambda: [
            to_record(call, answer, tenant="default", source="otlp_trace", received_ns=now_ns)
            for call, answer in zip(calls, answers, strict=True)
            if call
        ],
        total,
    )
    store = open_store(f"sqlite:///{database}")
    ledger = Ledger(store, settle=make_settle(card))
    groups = [made[at : at + group] for at in range(0, len(made), group)]
    with contextlib.ExitStack() as without:
        if not roll_ups:
            without.enter_context(patch("spantoll.storage.sql.add_records"))
            without.enter_context(patch("spantoll.storage.sql.add_pending"))
        spent["store and settle"], _ = timed(
            lambda: [ledger.write(each, rates=()) for each in groups], total
        )
    store.close()
    gc.enable()
    return spent


def profile(database: Path) -> None:
    """The functions of decode to record by their own time, then those of the writer."""
    ingest, traffic = Ingest(load_rate_card()), Traffic(5, batch=512)
    bodies = [traffic.request() for _ in range(STAGE_REQUESTS)]
    with cProfile.Profile() as profiler:
        batches = [ingest.traces(body, received_ns=0) for body in bodies]
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    store = open_store(f"sqlite:///{database}")
    ledger = Ledger(store, settle=make_settle(load_rate_card()))
    with cProfile.Profile() as profiler:
        for some in zip(batches[::2], batches[1::2], strict=True):
            ledger.write([record for batch in some for record in batch.records], rates=())
    pstats.Stats(profiler).sort_stats("tottime").print_stats(10)
    store.close()


def measure(
    database: Path, transport: str, workers: int, raw: RawInserts, given: argparse.Namespace
) -> None:
    """Run the load once, and print a line of what came of it."""
    with receiver(database, workers=workers, roll_ups=not given.no_roll_ups) as server:
        result = load(server, transport, given)
    stored, priced = count(database)
    if stored != result["calls"]:
        sys.exit(f"{result['calls']} calls acknowledged, {stored} stored")
    raw_per_s = raw.around()
    print(
        f"{transport:9}  {workers:7}  {result['spans_per_s']:7,}  {raw_per_s:7,.0f}"
        f"  {result['calls'] / result['seconds'] / raw_per_s:6.2f}"
        f"  {sum(result['cpu_us'].values()):11.1f}  {result['peak_rss_mb']:5.0f} MB"
        f"  {result['pss_mb']:7.0f} MB"
        f"  {result['p50_ms']:5.0f} / {result['p99_ms']:<5.0f}  {stored:,}  {priced:,}  "
        + ", ".join(f"{name} {us:.1f}" for name, us in result["cpu_us"].items())
    )


def measure_apart(
    database: Path, transport: str, raw: RawInserts, given: argparse.Namespace
) -> None:
    """Run half of the load at each of two receivers that write to one file, both at once."""
    half = {"spans": given.spans // 2, "connections": max(1, given.connections // 2)}
    loads = [argparse.Namespace(**vars(given) | half | {"seed": seed}) for seed in (1, 2)]
    with contextlib.ExitStack() as servers, ThreadPoolExecutor(2) as threads:
        running = [
            servers.enter_context(receiver(database, roll_ups=not given.no_roll_ups)) for _ in loads
        ]
        results = list(threads.map(load, running, [transport] * 2, loads))
    calls, spans = (sum(result[name] for result in results) for name in ("calls", "spans"))
    seconds = max(result["seconds"] for result in results)
    stored, _ = count(database)
    if stored != calls:
        sys.exit(f"{calls} calls acknowledged, {stored} stored")
    raw_per_s = raw.around()
    cpu_us = sum(sum(result["cpu_us"].values()) for result in results) / len(results)
    p99_ms = max(result["p99_ms"] for result in results)
    print(
        f"{transport:9}  2 apart  {spans / seconds:7,.0f}  {raw_per_s:7,.0f}"
        f"  {calls / seconds / raw_per_s:6.2f}"
        f"  {cpu_us:11.1f}  {'':11}  {sum(result['pss_mb'] for result in results):7.0f} MB"
        f"  {'':5} / {p99_ms:<5.0f}  {stored:,}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=512, help="spans per request")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=1, help="requests at once, each over gRPC")
    parser.add_argument("--transport", choices=["grpc", "http", "both"], default="both")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="also the hottest functions")
    parser.add_argument("--no-roll-ups", action="store_true", help="receive without roll-ups")
    parser.add_argument("--workers", default="1", help="processes that decode: one run for each")
    parser.add_argument("--bound", action="store_true", help="also a receiver that stores nothing")
    parser.add_argument("--apart", action="store_true", help="also two receivers on one file")
    parser.add_argument("--rate", type=int, default=0, help="at most so many spans a second")
    parser.add_argument("--group", type=int, default=4_096, help="raw inserts a transaction")
    parser.add_argument("--directory", type=Path, help="where the databases go")
    given = parser.parse_args(arguments)

    transports = ["grpc", "http"] if given.transport == "both" else [given.transport]
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        raw = RawInserts(Path(directory), group=given.group)
        print(
            f"{given.connections} connections x {given.batch} spans, {os.cpu_count()} CPUs shared"
        )
        print(
            "transport  workers  spans/s      raw  of raw  CPU us/span  peak RSS  PSS of all"
            "  p50 / p99 ms"
            "  stored  priced  CPU"
        )
        for run, workers in enumerate(map(int, given.workers.split(","))):
            for transport in transports:
                measure(Path(directory, f"{transport}{run}.db"), transport, workers, raw, given)
        if given.apart:
            for transport in transports:
                measure_apart(Path(directory, f"{transport}-apart.db"), transport, raw, given)
        if given.bound:
            with rotel() as ports:
                for transport, port in zip(("grpc", "http"), ports, strict=True):
                    if transport in transports:
                        rate = send(transport, port, given)["spans_per_s"]
                        print(f"{transport:9}    rotel  {rate:7,}  acknowledged and dropped")
        spent = stages(
            Path(directory, "stages.db"), roll_ups=not given.no_roll_ups, group=given.group
        )
        print(
            "one thread, us of CPU per span: "
            + ", ".join(f"{name} {us:.1f}" for name, us in spent.items())
        )
        total, before_us = sum(spent.values()), raw.cpu_us
        raw.around()
        raw_us = (before_us + raw.cpu_us) / 2
        print(f"{'sum':>24} {total:.1f}, {total / raw_us:.2f} of a raw insert, {raw_us:.1f}")
        if given.profile:
            profile(Path(directory, "profile.db"))


if __name__ == "__main__":
    main()
