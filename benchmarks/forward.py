"""What forwarding costs ingest: ratios to a receiver that forwards nothing, in turns in one run.

    python benchmarks/forward.py                  # 3 rounds of 100,000 spans each way
    python benchmarks/forward.py --rounds 9       # steadier

`memory`, `queue` and `durable` forward to a target that takes everything, `down` to none. `queue`
has its queue on disk (--forward-queue), `durable` acknowledges from there (--forward-durable).
Receiver, load generator and target are processes that share the machine: compare the ratios, which
are medians over the rounds, and no more. `forwarded` and `dropped` are requests, at the end of the
last round: an ingest that is faster than the target fills the queue, and what is new is dropped.
`to disk` is the time from a request being queued to its being synced: what a kill -9 can lose.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LOAD = Path(__file__).with_name("load.py")
NOWHERE = "grpc://127.0.0.1:9"

RECEIVER = """
import json, pathlib, statistics, sys, time
from spantoll.forward import Forwarder, Target
from spantoll.forward.queue_file import QueueFile
from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.receiver import ReceiverConfig, run

database, target, queue, durable = sys.argv[1:]
made, queued, waited_s = [], {}, []

class Timed(Forwarder):
    def __call__(self, body, **request):
        queued[id(body)] = time.perf_counter()
        return super().__call__(body, **request)

def append(file, requests, store=QueueFile.append):
    size_bytes = store(file, requests)
    synced = time.perf_counter()
    waited_s.extend(synced - queued.pop(id(request.body)) for request in requests)
    return size_bytes

QueueFile.append = append

def onward(store):
    folder = pathlib.Path(queue) if queue else None
    made.append(Timed([Target.parse(target)], store.engine, queue=folder, durable=bool(durable)))
    return made[0]

def ready(receiver, bound):
    print(json.dumps(bound), flush=True)

config = ReceiverConfig(grpc="127.0.0.1:0", http="127.0.0.1:0")
rate_card = load_rate_card()
run(database, config, rate_card=rate_card, settle=make_settle(rate_card), ready=ready,
    onward=onward if target else None)
for counts in made[0].counts().values() if made else ():
    found = counts._asdict()
    if waited_s:
        found["median_disk_ms"] = 1000 * statistics.median(waited_s)
        found["max_disk_ms"] = 1000 * max(waited_s)
    print(json.dumps(found), flush=True)
"""

SINK = """
from concurrent.futures import ThreadPoolExecutor
import grpc
method = grpc.unary_unary_rpc_method_handler(lambda body, context: b"")
name = "opentelemetry.proto.collector.trace.v1.TraceService"
server = grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"Export": method})])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
"""


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """A gRPC server that takes everything and keeps nothing."""
    with subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        yield f"grpc://127.0.0.1:{popen.stdout.readline().strip()}"
        popen.terminate()


class Mode(NamedTuple):
    """A way to forward."""

    target: str = ""
    queue: bool = False
    durable: bool = False


def measure(database: Path, mode: Mode, given: argparse.Namespace) -> dict[str, Any]:
    """Load one fresh receiver; the figures of the load generator and of the forwarder."""
    queue = str(database.with_suffix(".queue")) if mode.queue else ""
    durable = "durable" if mode.durable else ""
    command = [
        *(sys.executable, "-c", RECEIVER, f"sqlite:///{database}", mode.target, queue, durable)
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as popen:
        assert popen.stdout is not None
        port, _ = json.loads(popen.stdout.readline())
        options = [f"--{name}={getattr(given, name)}" for name in ("spans", "batch", "connections")]
        load = [sys.executable, str(LOAD), f"--grpc=127.0.0.1:{port}", *options]
        printed = subprocess.run(load, check=True, stdout=subprocess.PIPE).stdout
        popen.terminate()
        counts = json.loads(popen.stdout.readline() or "{}")
    return dict(json.loads(printed) | counts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=512, help="spans per request")
    parser.add_argument("--connections", type=int, default=4)
    given = parser.parse_args(arguments)

    results: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory, sink() as up:
        for number in range(given.rounds):
            for name, mode in (
                ("off", Mode()),
                ("memory", Mode(up)),
                ("down", Mode(NOWHERE)),
                ("queue", Mode(up, queue=True)),
                ("durable", Mode(up, queue=True, durable=True)),
            ):
                database = Path(directory, f"{name}-{number}.db")
                results[name].append(measure(database, mode, given))
                database.unlink()
    medians = {
        name: {
            key: statistics.median(run[key] for run in runs) for key in ("spans_per_s", "p99_ms")
        }
        for name, runs in results.items()
    }
    print(
        "forwarding  spans/s  of off  p99 ms  of off  forwarded  dropped  to disk ms: median, max"
    )
    for name, found in medians.items():
        last = results[name][-1]
        print(
            f"{name:10}  {found['spans_per_s']:7,.0f}"
            f"  {found['spans_per_s'] / medians['off']['spans_per_s']:6.2f}"
            f"  {found['p99_ms']:6.0f}  {found['p99_ms'] / medians['off']['p99_ms']:6.2f}"
            f"  {last.get('forwarded', 0):9,}  {last.get('dropped', 0):7,}"
            f"  {last.get('median_disk_ms', 0):19,.1f}, {last.get('max_disk_ms', 0):,.0f}"
        )


if __name__ == "__main__":
    main()
