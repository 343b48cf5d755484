"""Row 70 of the fault matrix: spans accepted, retried and rejected through a real Collector."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spantoll.errors import RecordRejected, StoreUnavailable
from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.receiver import Limits, Receiver
from spantoll.records import UsageRecord
from spantoll.storage import Settle, Store, WriteResult, open_store
from tests.peers.conftest import Collector, calls, wait_until
from tests.receiver.conftest import Rows, Running, local

Collect = Callable[..., Collector]

SENDERS = 8
REQUESTS = 15
SPANS = 16


class SelectiveStore:
    """A real store that accepts, first refuses or always rejects a span, by its id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url
        self.writers = store.writers
        self.engine = store.engine
        self.add_rates = store.add_rates
        self.settle_pending = store.settle_pending
        self.ping = store.ping
        self.checkpoint = store.checkpoint
        self.transaction = store.transaction
        self.close = store.close
        self.rejected: list[bytes] = []
        self.delayed: set[bytes] = set()
        self._lock = threading.Lock()

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        with self._lock:
            delayed = {each.span_id for each in records if outcome_of_span(each.span_id) == "RETRY"}
            if delayed - self.delayed:
                self.delayed |= delayed
                raise StoreUnavailable("busy")
            bad = [n for n, each in enumerate(records) if outcome_of_span(each.span_id) == "BAD"]
            kept = [each for each in records if outcome_of_span(each.span_id) != "BAD"]
            result = self._store.write(kept, settle=settle)
            if bad:
                self.rejected += [records[n].span_id for n in bad]
                raise RecordRejected("refused by the database", bad)
            return result


def outcome_of_span(span_id: bytes) -> str:
    return random.Random(span_id).choices(["OK", "RETRY", "BAD"], [90, 5, 5])[0]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SelectiveStore]:
    store = SelectiveStore(open_store(f"sqlite:///{tmp_path}/usage.db"))
    yield store
    store.close()


@pytest.fixture
def receiver(store: SelectiveStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    card = load_rate_card()
    receiver = Receiver(
        store,
        card,
        local(limits=Limits(retry_s=0.0)),
        settle=make_settle(card),
    )
    monkeypatch.setattr(receiver.intake.admission, "retry_after_s", lambda: 0.1)
    running = Running(receiver)
    yield running
    running.stop()


@pytest.mark.parametrize("file", ["fan-out-grpc.yaml", "fan-out-http.yaml"])
def test_accepted_and_rejected_are_exactly_what_was_sent(
    collector: Collect, receiver: Running, store: SelectiveStore, tmp_path: Path, file: str
) -> None:
    protocol = file.removesuffix(".yaml").rpartition("-")[2]
    exporter = f"otlp_{protocol}/spantoll"
    gateway = collector(
        file,
        f"service.pipelines.traces.exporters=[{exporter}]",
        f"exporters.{exporter}.retry_on_failure.initial_interval=100ms",
        f"exporters.{exporter}.retry_on_failure.max_interval=1s",
        SPANTOLL_GRPC=f"127.0.0.1:{receiver.grpc_port}",
        SPANTOLL_HTTP=f"127.0.0.1:{receiver.http_port}",
    )
    rows = Rows(tmp_path / "usage.db")

    def send(sender: int) -> None:
        for number in range(REQUESTS):
            first = (sender * REQUESTS + number) * SPANS
            gateway.send(*calls(range(first, first + SPANS)))

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send, range(SENDERS)))
    sent = {span.span_id for span in calls(range(SENDERS * REQUESTS * SPANS))}
    bad = {span_id for span_id in sent if outcome_of_span(span_id) == "BAD"}
    wait_until(lambda: sent - bad == set(rows.span_ids()), "complete set of accepted spans")
    wait_until(lambda: set(store.rejected) == bad, "complete set of rejected spans")

    assert rows.count() == len(sent) - len(bad)
    assert {span_id for span_id in sent if outcome_of_span(span_id) == "RETRY"} == store.delayed
    assert receiver.receiver.intake.spans["rejected"] >= len(bad)
    assert "Dropping data" not in gateway.read_log()
