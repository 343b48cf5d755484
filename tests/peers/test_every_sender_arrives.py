"""Rows 67 and 69 of the fault matrix: N calls are N records, from every sender and exporter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as ProtobufExporter,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
)

from tests.peers.conftest import Collector, SpanToll, calls, wait_until
from tests.receiver.conftest import COST_NANO
from tests.receiver.test_real_clients import make_calls

Collect = Callable[..., Collector]
Ledger = Callable[..., SpanToll]
CALLS = 1_000


def over_grpc(gateway: Collector) -> SpanExporter:
    return GrpcExporter(endpoint=f"http://{gateway.grpc}", insecure=True)


def over_http(gateway: Collector) -> SpanExporter:
    return ProtobufExporter(endpoint=f"http://{gateway.http}/v1/traces")


def over_json(gateway: Collector) -> SpanExporter:
    return JsonExporter(endpoint=f"http://{gateway.http}/v1/traces")


def batched(exporter: SpanExporter) -> SpanProcessor:
    """Return the processor with the SDK's defaults, 512 spans or 5 s, and a queue for all calls."""
    return BatchSpanProcessor(exporter, max_queue_size=4 * CALLS)


def assert_every_call_is_one_record(ledger: SpanToll, number: int = CALLS) -> None:
    wait_until(lambda: ledger.count() == number, f"{number} records")
    assert ledger.select("count(DISTINCT span_id), sum(cost_nano)") == [
        (number, number * COST_NANO)
    ]


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(
    ("file", "exporter", "settings"),
    [
        ("fan-out-grpc.yaml", "otlp_grpc", ()),
        ("fan-out-http.yaml", "otlp_http", ("encoding=proto",)),
        ("fan-out-http.yaml", "otlp_http", ("encoding=json",)),
    ],
    ids=["grpc", "http-protobuf", "http-json"],
)
def test_the_collectors_exporters(
    collector: Collect,
    spantoll: Ledger,
    file: str,
    exporter: str,
    settings: tuple[str, ...],
    compression: str,
) -> None:
    ledger = spantoll()
    gateway = collector(
        file,
        *(
            f"exporters.{exporter}/spantoll.{setting}"
            for setting in (*settings, f"compression={compression}")
        ),
        SPANTOLL_GRPC=ledger.grpc,
        SPANTOLL_HTTP=ledger.http,
    )

    for first in range(0, CALLS, 100):
        gateway.send(*calls(range(first, first + 100)))

    assert_every_call_is_one_record(ledger)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_rotels_exporters(rotel: Callable[..., Collector], spantoll: Ledger, protocol: str) -> None:
    ledger = spantoll()
    endpoint = {"grpc": ledger.grpc, "http": ledger.http}[protocol]
    gateway = rotel(f"http://{endpoint}", protocol)

    for first in range(0, CALLS, 100):
        gateway.send(*calls(range(first, first + 100)))

    assert_every_call_is_one_record(ledger)


@pytest.mark.parametrize("exporter", [over_grpc, over_http, over_json])
@pytest.mark.parametrize("processor", [batched, SimpleSpanProcessor], ids=["batched", "single"])
def test_an_sdk_through_the_collector(
    collector: Collect,
    spantoll: Ledger,
    exporter: Callable[[Collector], SpanExporter],
    processor: Callable[[SpanExporter], SpanProcessor],
) -> None:
    ledger = spantoll()
    gateway = collector(
        "fan-out-grpc.yaml",
        # Without Jaeger its exporter's queue would fill, and the Collector would throttle senders.
        "service.pipelines.traces.exporters=[otlp_grpc/spantoll]",
        SPANTOLL_GRPC=ledger.grpc,
    )
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(processor(exporter(gateway)))

    make_calls(provider, CALLS)
    provider.shutdown()

    assert_every_call_is_one_record(ledger)


@pytest.mark.parametrize("exporter", ["grpc", "http", "proto"])
def test_the_javascript_sdks_exporters(
    javascript: Callable[[str, str, int], None], spantoll: Ledger, exporter: str
) -> None:
    ledger = spantoll()
    address = f"http://{ledger.grpc}" if exporter == "grpc" else f"http://{ledger.http}/v1/traces"

    javascript(exporter, address, CALLS)

    assert_every_call_is_one_record(ledger)


def test_a_collectors_full_batches_of_8192(collector: Collect, spantoll: Ledger) -> None:
    ledger = spantoll()
    gateway = collector(
        "batching.yaml",
        "exporters.otlp_grpc/spantoll.sending_queue.batch.min_size=8192",
        "exporters.otlp_grpc/spantoll.sending_queue.batch.flush_timeout=1h",
        SPANTOLL_GRPC=ledger.grpc,
    )

    for first in range(0, 2 * 8192, 512):
        gateway.send(*calls(range(first, first + 512)))

    # The timeout of an hour has not passed: a record was sent because a batch was full.
    assert_every_call_is_one_record(ledger, 2 * 8192)
