"""Row 57 of the fault matrix: who is told when to come back does not come back earlier."""

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
from spantoll.pricing import load_rate_card
from spantoll.receiver import Limits, Receiver
from spantoll.records import UsageRecord
from spantoll.storage import Settle, Store, WriteResult, open_store
from tests.peers.conftest import Collector, calls, wait_until
from tests.receiver.conftest import Running
from tests.receiver.test_real_clients import make_calls

Collect = Callable[..., Collector]
TOLD_S = 3.0
"""More than either sender waits on its own before a second try (1.5 s at most)."""


class StoreAwayAtFirst:
    """A real store that is away until the first sender was told to come back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.url = store.url
        self.engine = store.engine
        self.add_rates = store.add_rates
        self.ping = store.ping
        self.close = store.close
        self.told: list[float] = []
        self.came_back: list[float] = []

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        if not self.told:
            raise StoreUnavailable("away")
        self.came_back.append(time.monotonic())
        return self._store.write(records, settle=settle)

    def tell(self) -> float:
        self.told.append(time.monotonic())
        return TOLD_S


@pytest.fixture
def store(tmp_path: object) -> Iterator[StoreAwayAtFirst]:
    store = StoreAwayAtFirst(open_store(f"sqlite:///{tmp_path}/usage.db"))
    yield store
    store.close()


@pytest.fixture
def receiver(store: StoreAwayAtFirst, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The real receiver, with a delay that is known beforehand."""
    receiver = Receiver(
        store,
        load_rate_card(),
        grpc="127.0.0.1:0",
        http="127.0.0.1:0",
        limits=Limits(retry_s=0.02),
    )
    monkeypatch.setattr(receiver.intake.admission, "retry_after_s", store.tell)
    running = Running(receiver)
    yield running
    running.stop()


def assert_came_back_when_told(store: StoreAwayAtFirst) -> None:
    wait_until(lambda: store.came_back, "the second try")
    assert len(store.told) == 1
    assert store.came_back[0] - store.told[0] >= TOLD_S


@pytest.mark.parametrize("file", ["fan-out-grpc.yaml", "fan-out-http.yaml"])
def test_the_collector_waits_as_long_as_it_is_told(
    collector: Collect, receiver: Running, store: StoreAwayAtFirst, file: str
) -> None:
    gateway = collector(
        file,
        SPANTOLL_GRPC=f"127.0.0.1:{receiver.grpc_port}",
        SPANTOLL_HTTP=f"127.0.0.1:{receiver.http_port}",
    )

    gateway.send(*calls(range(10)))

    assert_came_back_when_told(store)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_python_sdk_waits_as_long_as_it_is_told(
    receiver: Running, store: StoreAwayAtFirst, protocol: str
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

    assert_came_back_when_told(store)
