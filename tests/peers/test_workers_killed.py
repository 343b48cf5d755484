"""Row 71 of the fault matrix through a Collector's queue: workers and their receiver are killed."""

from __future__ import annotations

import os
import random
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.peers.conftest import Collector, SpanToll, calls, wait_until
from tests.peers.test_nothing_lost_nothing_twice import BATCH, Application
from tests.receiver.conftest import COST_NANO
from tests.support.ports import free_address

CONFIGURATION = Path(__file__).with_name("two-receivers.yaml")
"""Its first pipeline: a queue of 20 requests, which are sent again until they are stored."""
WORKERS = 2


def read_metric(ledger: SpanToll, name: str) -> float:
    with urllib.request.urlopen(f"http://{ledger.http}/metrics") as response:
        text = response.read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def wait_for_requests_of_workers(ledger: SpanToll) -> None:
    """Wait until all workers are there, and have taken another request together."""
    wait_until(lambda: read_metric(ledger, "spantoll_workers_up") == WORKERS, "all workers")
    before = read_metric(ledger, "spantoll_worker_requests_total")
    wait_until(
        lambda: read_metric(ledger, "spantoll_worker_requests_total") > before + 1, "requests"
    )


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(20, marks=pytest.mark.soak),
        pytest.param(100, marks=pytest.mark.soak_long),
    ],
)
def test_kills_of_workers_and_their_receiver_lose_nothing_that_a_collector_sends(
    collector: Callable[..., Collector], spantoll: Callable[..., SpanToll], kills: int
) -> None:
    rng = random.Random(kills)
    ledger = spantoll("--workers", str(WORKERS))
    gateway = collector(
        str(CONFIGURATION),
        # A sender that waits for room could give up before a receiver has started again.
        "exporters.otlp_grpc/first.sending_queue.block_on_overflow=false",
        FIRST_GRPC=ledger.grpc,
        SECOND_GRPC=free_address(),
        COLLECTOR_SECOND_GRPC=free_address(),
    )
    application = Application(gateway)
    application.start()

    for kill in range(kills):
        wait_for_requests_of_workers(ledger)
        if kill % 2:
            workers = [child.pid for child in psutil.Process(ledger.pid).children()]
            os.kill(rng.choice(workers), signal.SIGKILL)
        else:
            ledger.end(signal.SIGKILL)
            ledger.start()
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
