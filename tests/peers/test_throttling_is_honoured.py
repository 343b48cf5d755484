"""Row 57 of the fault matrix: a throttled sender retries no earlier than it was asked to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as ProtobufExporter,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from spantoll.errors import StoreUnavailable
from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.receiver import Limits, Receiver
from spantoll.records import UsageRecord
from spantoll.storage import Settle, Store, WriteResult, open_store
from tests.peers.conftest import Collector, calls, wait_until
from tests.receiver.conftest import Running, local
from tests.receiver.test_real_clients import make_calls

Collect = Callable[..., Collector]
RETRY_AFTER_S = 3.0
"""More than either sender waits before a second attempt by itself (1.5 s at most)."""


class StoreUnavailableAtFirst:
    """A real store that is unavailable until the first sender was throttled."""

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
        self.throttled_at: list[float] = []
        self.retried_at: list[float] = []

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        if not self.throttled_at:
            raise StoreUnavailable("not yet")
        self.retried_at.append(time.monotonic())
        return self._store.write(records, settle=settle)

    def retry_after_s(self) -> float:
        self.throttled_at.append(time.monotonic())
        return RETRY_AFTER_S


@pytest.fixture
def store(tmp_path: object) -> Iterator[StoreUnavailableAtFirst]:
    store = StoreUnavailableAtFirst(open_store(f"sqlite:///{tmp_path}/usage.db"))
    yield store
    store.close()


@pytest.fixture
def receiver(store: StoreUnavailableAtFirst, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The real receiver, with a known delay in RetryInfo and Retry-After."""
    card = load_rate_card()
    receiver = Receiver(
        store,
        card,
        local(limits=Limits(retry_s=0.02)),
        settle=make_settle(card),
    )
    monkeypatch.setattr(receiver.intake.admission, "retry_after_s", store.retry_after_s)
    running = Running(receiver)
    yield running
    running.stop()


def assert_retried_no_earlier(store: StoreUnavailableAtFirst) -> None:
    wait_until(lambda: store.retried_at, "second attempt")
    assert len(store.throttled_at) == 1
    assert store.retried_at[0] - store.throttled_at[0] >= RETRY_AFTER_S


@pytest.mark.parametrize("file", ["fan-out-grpc.yaml", "fan-out-http.yaml"])
def test_the_collector_waits_for_the_delay(
    collector: Collect, receiver: Running, store: StoreUnavailableAtFirst, file: str
) -> None:
    gateway = collector(
        file,
        SPANTOLL_GRPC=f"127.0.0.1:{receiver.grpc_port}",
        SPANTOLL_HTTP=f"127.0.0.1:{receiver.http_port}",
    )

    gateway.send(*calls(range(10)))

    assert_retried_no_earlier(store)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_python_sdk_waits_for_the_delay(
    receiver: Running, store: StoreUnavailableAtFirst, protocol: str
) -> None:
    exporter = (
        GrpcExporter(endpoint=f"http://127.0.0.1:{receiver.grpc_port}", insecure=True)
        if protocol == "grpc"
        else ProtobufExporter(endpoint=f"http://127.0.0.1:{receiver.http_port}/v1/traces")
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    make_calls(provider, 1)
    provider.shutdown()

    assert_retried_no_earlier(store)
