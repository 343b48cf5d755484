"""Row 68 of the fault matrix: Collector and receiver are killed in turn, the ledger is complete."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import grpc
import pytest

from tests.peers.conftest import PATIENCE_S, Collector, Jaeger, SpanToll, calls, wait_until
from tests.receiver.conftest import COST_NANO, EXPORT, Export, request

Collect = Callable[..., Collector]
Ledger = Callable[..., SpanToll]

BATCH = 50
PROGRESS = 5
"""Requests that are acknowledged before the next fault."""


class Application(threading.Thread):
    """Sends one request after another, each until the Collector has acknowledged it."""

    def __init__(self, gateway: Collector) -> None:
        super().__init__(daemon=True)
        self._address = gateway.grpc
        self.acknowledged = 0
        self.refused: list[str] = []
        self.stop = threading.Event()
        self.paused = threading.Event()
        """While it is set, nothing is sent: the Collector's queue keeps what it has."""

    def run(self) -> None:
        while not self.stop.is_set():
            if self.paused.is_set():
                self.stop.wait(0.05)
                continue
            first = self.acknowledged * BATCH
            body = request(*calls(range(first, first + BATCH))).SerializeToString()
            while not self._sent(body) and not self.stop.wait(0.05):
                pass
            self.acknowledged += not self.stop.is_set()
            self.stop.wait(0.01)

    def _sent(self, body: bytes) -> bool:
        with grpc.insecure_channel(self._address) as channel:
            export: Export = channel.unary_unary(EXPORT)
            try:
                export(body, timeout=PATIENCE_S)
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    self.refused.append(error.code().name)
                return False
            return True

    def wait_for_progress(self) -> None:
        enough = self.acknowledged + PROGRESS
        wait_until(lambda: self.acknowledged >= enough, f"{PROGRESS} more requests")


@pytest.mark.parametrize(
    ("file", "locked_s", "rounds"),
    [
        ("batching.yaml", 0, 1),
        pytest.param("batching.yaml", 0, 3, marks=pytest.mark.soak),
        pytest.param("persistent-queue.yaml", 60, 3, marks=pytest.mark.soak),
    ],
)
def test_kills_and_locks_in_turn_lose_nothing_and_store_nothing_twice(
    collector: Collect, spantoll: Ledger, jaeger: Jaeger, file: str, locked_s: float, rounds: int
) -> None:
    ledger = spantoll()
    gateway = collector(
        file,
        # The default, 30 s between two attempts, would make the test as slow.
        "exporters.otlp_grpc/spantoll.retry_on_failure.max_interval=2s",
        SPANTOLL_GRPC=ledger.grpc,
        JAEGER_GRPC=jaeger.grpc,
    )
    application = Application(gateway)
    application.start()

    for _ in range(rounds):
        application.wait_for_progress()
        gateway.end(signal.SIGKILL)
        gateway.start()
        application.wait_for_progress()
        ledger.end(signal.SIGKILL)
        application.wait_for_progress()
        ledger.start()
        with ledger.locked():
            application.wait_for_progress()
            gateway.end(signal.SIGKILL)
            gateway.start()
            application.wait_for_progress()
    with ledger.locked():
        since = time.monotonic()
        application.wait_for_progress()
        wait_until(
            lambda: gateway.read_log().count("Throttle (") >= 3, "throttling by the receiver"
        )
        application.paused.set()
        time.sleep(max(0.0, locked_s - (time.monotonic() - since)))
    application.paused.clear()
    application.wait_for_progress()
    application.stop.set()
    application.join()
    sent = {span.span_id for span in calls(range(application.acknowledged * BATCH))}
    wait_until(lambda: sent <= set(ledger.span_ids()), f"{len(sent)} records")

    assert application.refused == []
    stored = ledger.select("span_id, cost_nano")
    assert len(stored) == len({span_id for span_id, _ in stored})
    # The last request may be stored although its acknowledgement was not awaited.
    assert len(stored) - len(sent) in (0, BATCH)
    assert {cost_nano for _, cost_nano in stored} == {COST_NANO}


def test_a_request_refused_for_the_full_queue_of_jaeger_is_counted_once(
    collector: Collect, spantoll: Ledger
) -> None:
    ledger = spantoll()
    gateway = collector(
        "fan-out-grpc.yaml",
        "exporters.otlp_grpc/jaeger.sending_queue.queue_size=1",
        SPANTOLL_GRPC=ledger.grpc,
    )
    application = Application(gateway)
    application.start()

    wait_until(lambda: ledger.count() >= BATCH, "the first request")
    wait_until(lambda: "sending queue is full" in gateway.read_log(), "a full queue")
    application.stop.set()
    application.join()
    gateway.end(signal.SIGTERM)

    assert application.refused == []
    stored = ledger.select("span_id, cost_nano")
    assert len(stored) == len({span_id for span_id, _ in stored})
    assert application.acknowledged * BATCH <= len(stored) <= (application.acknowledged + 1) * BATCH
