"""Row 68 of the fault matrix: everybody is killed in turn, and the ledger is complete."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

import grpc
import pytest

from tests.peers.conftest import Collector, Jaeger, SpanToll, calls, wait_until
from tests.receiver.conftest import COST_NANO, EXPORT, Export, request

Collect = Callable[..., Collector]
Ledger = Callable[..., SpanToll]

BATCH = 50
PROGRESS = 5
"""Requests that are acknowledged before the next thing goes wrong."""


class Application(threading.Thread):
    """Sends one request after another, each until the Collector has acknowledged it."""

    def __init__(self, gateway: Collector) -> None:
        super().__init__(daemon=True)
        self._address = gateway.grpc
        self.acknowledged = 0
        self.refused: list[str] = []
        self.stop = threading.Event()
        self.rests = threading.Event()
        """Nothing more is sent while it is set: what waits already is enough."""

    def run(self) -> None:
        while not self.stop.is_set():
            if self.rests.is_set():
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
                export(body, timeout=5)
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    self.refused.append(error.code().name)
                return False
            return True

    def progress(self) -> None:
        enough = self.acknowledged + PROGRESS
        wait_until(lambda: self.acknowledged >= enough, f"{PROGRESS} more requests")


@pytest.mark.parametrize(
    ("file", "locked_s"), [("persistent-queue.yaml", 60), ("batching.yaml", 0)]
)
def test_killed_and_locked_in_turn_loses_nothing_and_doubles_nothing(
    collector: Collect, spantoll: Ledger, jaeger: Jaeger, file: str, locked_s: float
) -> None:
    ledger = spantoll()
    gateway = collector(
        file,
        # Somebody who waits 30 s between two tries is right, but this test would wait too.
        "exporters.otlp_grpc/spantoll.retry_on_failure.max_interval=2s",
        SPANTOLL_GRPC=ledger.grpc,
        JAEGER_GRPC=jaeger.grpc,
    )
    application = Application(gateway)
    application.start()

    for _ in range(3):
        application.progress()
        gateway.end(signal.SIGKILL)
        gateway.start()
        application.progress()
        ledger.end(signal.SIGKILL)
        application.progress()
        ledger.start()
        with ledger.locked():
            application.progress()
            gateway.end(signal.SIGKILL)
            gateway.start()
            application.progress()
    with ledger.locked():
        since = time.monotonic()
        application.progress()
        wait_until(lambda: gateway.said().count("Throttle (") >= 3, "the word to come back later")
        application.rests.set()
        time.sleep(max(0.0, locked_s - (time.monotonic() - since)))
    application.rests.clear()
    application.progress()
    application.stop.set()
    application.join()
    sent = {span.span_id for span in calls(range(application.acknowledged * BATCH))}
    wait_until(lambda: sent <= set(ledger.span_ids()), f"{len(sent)} records")

    assert application.refused == []
    stored = ledger.select("span_id, cost_nano")
    assert len(stored) == len({span_id for span_id, _ in stored})
    # The last request may have arrived although nobody waited for its acknowledgement.
    assert len(stored) - len(sent) in (0, BATCH)
    assert {cost_nano for _, cost_nano in stored} == {COST_NANO}


def test_what_jaegers_full_queue_sends_back_is_counted_once(
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
    wait_until(lambda: "sending queue is full" in gateway.said(), "a full queue")
    application.stop.set()
    application.join()
    gateway.end(signal.SIGTERM)

    assert application.refused == []
    stored = ledger.select("span_id, cost_nano")
    assert len(stored) == len({span_id for span_id, _ in stored})
    assert application.acknowledged * BATCH <= len(stored) <= (application.acknowledged + 1) * BATCH
