"""What forwarding costs ingest: off, on, and towards a target that is down, in turns in one run.

    python benchmarks/forward.py                  # 3 rounds of 100,000 spans each way
    python benchmarks/forward.py --rounds 9       # steadier

Receiver, load generator and target are processes that share the machine: compare the ratios, which
are medians over the rounds, and no more. `forwarded` and `dropped` are requests, at the end of the
last round: an ingest that is faster than the target fills the queue, and what is new is dropped.
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
from typing import Any

LOAD = Path(__file__).with_name("load.py")
NOWHERE = "grpc://127.0.0.1:9"

RECEIVER = """
import json, sys
from spantoll.forward import Forwarder, Target
from spantoll.receiver import run

made = []

def onward(store):
    made.append(Forwarder([Target.parse(sys.argv[2])], store.engine))
    return made[0]

def ready(receiver, bound):
    print(json.dumps(bound), flush=True)

run(database=sys.argv[1], grpc="127.0.0.1:0", http="127.0.0.1:0", ready=ready,
    onward=onward if sys.argv[2] else None)
for counts in made[0].counts().values() if made else ():
    print(json.dumps(counts._asdict()), flush=True)
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


def measure(database: Path, target: str, given: argparse.Namespace) -> dict[str, Any]:
    """Load one fresh receiver; what the load generator says, and the counts of the forwarder."""
    command = [sys.executable, "-c", RECEIVER, f"sqlite:///{database}", target]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as popen:
        assert popen.stdout is not None
        port, _ = json.loads(popen.stdout.readline())
        options = [f"--{name}={getattr(given, name)}" for name in ("spans", "batch", "connections")]
        load = [sys.executable, str(LOAD), f"--grpc=127.0.0.1:{port}", *options]
        said = subprocess.run(load, check=True, stdout=subprocess.PIPE).stdout
        popen.terminate()
        counts = json.loads(popen.stdout.readline() or "{}")
    return dict(json.loads(said) | counts)


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
            for name, target in (("off", ""), ("on", up), ("down", NOWHERE)):
                database = Path(directory, f"{name}-{number}.db")
                results[name].append(measure(database, target, given))
                database.unlink()
    medians = {
        name: {
            key: statistics.median(run[key] for run in runs) for key in ("spans_per_s", "p99_ms")
        }
        for name, runs in results.items()
    }
    print("forwarding  spans/s  of off  p99 ms  of off  forwarded  dropped")
    for name, found in medians.items():
        last = results[name][-1]
        print(
            f"{name:10}  {found['spans_per_s']:7,.0f}"
            f"  {found['spans_per_s'] / medians['off']['spans_per_s']:6.2f}"
            f"  {found['p99_ms']:6.0f}  {found['p99_ms'] / medians['off']['p99_ms']:6.2f}"
            f"  {last.get('forwarded', 0):9,}  {last.get('dropped', 0):7,}"
        )


if __name__ == "__main__":
    main()
