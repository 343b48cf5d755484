"""Forwarding over many ends of the process, a target that fails in every way, and a full disk.

Each test prints the figures it bounds. `soak` runs for a minute or two, `soak_long` for longer.
"""

from __future__ import annotations

import functools
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import urllib3
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.forward.conftest import (
    CUT_OFF,
    Disk,
    Sink,
    Up,
    disk,
    free_port,
    http_sink,
    up,
    wait_until,
)

__all__ = ["disk", "up"]

SPANS = 20
LARGE_SPANS = 40
LARGE_NAME = "x" * 250_000
"""Of a request that has to be divided: 10 MiB, in parts of 4 MiB."""

RUNS = [
    pytest.param(6, marks=pytest.mark.soak, id="6"),
    pytest.param(60, marks=pytest.mark.soak_long, id="60"),
]


class FaultyTarget(Sink):
    """Takes what it can: answers 503, is slow, or cuts its answer off, at random."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self.faulty = True
        self.span_ids: list[bytes] = []

    def answer(self, arrived: Any) -> Any:
        """Take the request or not."""
        fault = self._random.random() if self.faulty else 1.0
        if fault < 0.2:
            return 503
        if fault < 0.3:
            time.sleep(0.2)
        export = ExportTraceServiceRequest.FromString(arrived.body)
        self.span_ids += [
            span.span_id
            for group in export.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        return CUT_OFF if fault < 0.4 else None


class Acknowledged(NamedTuple):
    """When a span was acknowledged, and by which process."""

    at: float
    process: subprocess.Popen[str] | None


class Application(threading.Thread):
    """Sends to a receiver that comes and goes; remembers what was acknowledged, and when."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.receiver: Up | None = None
        self.acknowledged: dict[bytes, Acknowledged] = {}
        self.unacknowledged = 0
        self.stop = threading.Event()
        self.pause_s = 0.005
        self.large = True
        self._pool = urllib3.PoolManager()

    def run(self) -> None:
        """Send one request after the other."""
        number = 0
        while not self.stop.is_set():
            number += 1
            large = self.large and number % 50 == 25
            ids = [
                (number * 100 + offset).to_bytes(8, "big")
                for offset in range(LARGE_SPANS if large else SPANS)
            ]
            process = self.receiver.process if self.receiver else None
            if self._sent(ids, LARGE_NAME if large else "GET /"):
                acknowledged = Acknowledged(time.monotonic(), process)
                self.acknowledged |= dict.fromkeys(ids, acknowledged)
            else:
                self.unacknowledged += 1
            self.stop.wait(self.pause_s)

    def has_acknowledged(self, spans: int) -> bool:
        """Whether so many spans were acknowledged."""
        return len(self.acknowledged) >= spans

    def _sent(self, ids: list[bytes], name: str) -> bool:
        export = ExportTraceServiceRequest()
        spans = export.resource_spans.add().scope_spans.add().spans
        for span_id in ids:
            spans.add(trace_id=b"t" * 16, span_id=span_id, name=name)
        try:
            answer = self._pool.request(
                "POST",
                f"{self.receiver.http if self.receiver else ''}/v1/traces",
                body=export.SerializeToString(),
                headers={"content-type": "application/x-protobuf"},
                timeout=10,
                retries=False,
            )
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200


def read_metrics(receiver: Up) -> dict[str, float]:
    with urllib.request.urlopen(f"{receiver.http}/metrics", timeout=20) as response:
        text = response.read().decode()
    found = re.findall(r"^spantoll_forward_(\w+)\{.*\} (\S+)$", text, re.MULTILINE)
    return {name: float(number) for name, number in found}


@pytest.fixture
def target() -> Iterator[FaultyTarget]:
    sink = FaultyTarget(seed=1)
    http_sink(given=sink)
    yield sink
    sink.stop()


@pytest.fixture
def application() -> Iterator[Application]:
    thread = Application()
    yield thread
    thread.stop.set()
    thread.join()


def drain(receiver: Up) -> None:
    wait_until(lambda: read_metrics(receiver)["queue_requests"] == 0, patience_s=300)


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "queue"])
def test_acknowledged_spans_arrive_over_many_ends_of_the_process(
    up: Callable[..., Up],
    target: FaultyTarget,
    application: Application,
    tmp_path: Path,
    durable: bool,
    end: signal.Signals,
    runs: int,
) -> None:
    flags = ["--forward", target.url, "--forward-queue", str(tmp_path / "queue")]
    flags += ["--forward-durable"] if durable else []
    between = random.Random(runs)
    ended: dict[subprocess.Popen[str] | None, float] = {}
    dropped = 0

    for _ in range(runs):
        application.receiver = up(*flags)
        if not application.is_alive():
            application.start()
        enough = len(application.acknowledged) + 5 * SPANS
        wait_until(functools.partial(application.has_acknowledged, enough))
        time.sleep(between.uniform(0, 1))
        process = application.receiver.process
        process.send_signal(end)
        ended[process] = time.monotonic()
        log = process.communicate(timeout=60)[1]
        dropped += sum(int(spans) for spans in re.findall(r"with (\d+) spans are left", log))
    application.stop.set()
    application.join()
    target.faulty = False
    receiver = up(*flags)
    drain(receiver)

    missing = application.acknowledged.keys() - set(target.span_ids)
    lost = [application.acknowledged[span_id] for span_id in missing]
    ages_ms = [1000 * max(0.0, ended[process] - at) for at, process in lost]
    print(
        f"{end.name} x {runs}, {'durable' if durable else 'queue'}: "
        f"{len(application.acknowledged):,} spans acknowledged, {len(missing)} never arrived, "
        f"acknowledged at most {max(ages_ms, default=0):.0f} ms before the end; "
        f"{dropped} counted as dropped; "
        f"{len(target.span_ids) - len(set(target.span_ids)):,} arrived again"
    )
    assert read_metrics(receiver)["dropped_spans_total"] == 0
    if durable or end is signal.SIGTERM:
        assert not missing
    # Without --forward-durable, what was acknowledged and not written yet is lost to kill -9.
    assert max(ages_ms, default=0.0) < 3_000


@pytest.mark.parametrize(
    "down_s",
    [
        pytest.param(30, marks=pytest.mark.soak, id="30"),
        pytest.param(600, marks=pytest.mark.soak_long, id="600"),
    ],
)
@pytest.mark.parametrize("on_disk", [True, False], ids=["queue", "memory"])
def test_every_span_arrives_at_a_target_that_was_down(
    up: Callable[..., Up], application: Application, tmp_path: Path, on_disk: bool, down_s: float
) -> None:
    port = free_port()
    flags = ["--forward", f"http://127.0.0.1:{port}"]
    receiver = up(*flags, *(["--forward-queue", str(tmp_path / "queue")] if on_disk else []))
    application.receiver, application.pause_s, application.large = receiver, 0.1, False
    application.start()

    time.sleep(down_s)
    target = FaultyTarget(seed=2)
    http_sink(port, target)
    application.stop.set()
    application.join()
    target.faulty = False
    drain(receiver)
    target.stop()

    metrics = read_metrics(receiver)
    arrived = set(target.span_ids)
    missing = application.acknowledged.keys() - arrived
    print(
        f"target down for {down_s:g} s: {len(application.acknowledged):,} spans acknowledged, "
        f"{len(missing):,} missing, {metrics['dropped_spans_total']:,.0f} counted as dropped"
    )
    # In memory a request is given up after 300 s.
    assert len(missing) == metrics["dropped_spans_total"]
    assert not missing or (not on_disk and down_s > 300)
    assert application.unacknowledged == 0


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "queue"])
def test_a_disk_that_fills_up_again_and_again_loses_nothing_uncounted(
    up: Callable[..., Up],
    target: FaultyTarget,
    application: Application,
    disk: Disk,
    durable: bool,
    runs: int,
) -> None:
    flags = ["--forward", target.url, "--forward-queue", str(disk.queue)]
    receiver = up(*flags, *(["--forward-durable"] if durable else []))
    application.receiver, application.large = receiver, False
    # While it answered 503, the queue itself would fill the disk.
    target.faulty = False
    application.start()

    for _ in range(runs):
        disk.fill()
        wait_until(lambda: read_metrics(receiver)["queue_paused"] == 1)
        time.sleep(0.5)
        disk.free()
        wait_until(lambda: read_metrics(receiver)["queue_paused"] == 0)
    application.stop.set()
    application.join()
    drain(receiver)

    metrics = read_metrics(receiver)
    missing = application.acknowledged.keys() - set(target.span_ids)
    print(
        f"disk full x {runs}, {'durable' if durable else 'queue'}: "
        f"{len(application.acknowledged):,} spans acknowledged, {len(missing)} missing, "
        f"{metrics['dropped_spans_total']:,.0f} counted as dropped, "
        f"{metrics['refused_requests_total']:,.0f} requests refused, "
        f"{shutil.disk_usage(disk.queue).free:,} bytes free at the end"
    )
    assert len(missing) == metrics["dropped_spans_total"] == 0
    assert metrics["queue_bytes"] == 0
    assert (application.unacknowledged > 0) == durable
