"""The exporters that applications really use, against the real receiver."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from opentelemetry.exporter.otlp.json.http.trace_exporter import (
    OTLPSpanExporter as JsonExporter,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
    OTLPSpanExporter as GrpcExporter,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
    OTLPSpanExporter as ProtobufExporter,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from tests.receiver.conftest import COST_NANO, PATIENCE_S, Rows, Running, as_json, chat, request

CALLS = 1_000


def grpc_exporter(running: Running) -> SpanExporter:
    endpoint = f"http://127.0.0.1:{running.grpc_port}"
    return GrpcExporter(endpoint=endpoint, insecure=True, timeout=PATIENCE_S)


def protobuf_exporter(running: Running) -> SpanExporter:
    endpoint = f"http://127.0.0.1:{running.http_port}/v1/traces"
    return ProtobufExporter(endpoint=endpoint, timeout=PATIENCE_S)


def json_exporter(running: Running) -> SpanExporter:
    endpoint = f"http://127.0.0.1:{running.http_port}/v1/traces"
    return JsonExporter(endpoint=endpoint, timeout=PATIENCE_S)


every_exporter = pytest.mark.parametrize(
    "exporter",
    [grpc_exporter, protobuf_exporter, json_exporter],
    ids=["grpc", "http-protobuf", "http-json"],
)
Exporter = Callable[[Running], SpanExporter]


def make_calls(provider: TracerProvider, calls: int) -> list[ReadableSpan]:
    """An application: model calls inside requests of its own."""
    tracer = provider.get_tracer("opentelemetry.instrumentation.openai_v2", "2.4b0")
    finished = []
    for number in range(calls):
        with (
            tracer.start_as_current_span("POST /ask"),
            tracer.start_as_current_span(
                "chat gpt-4o-mini",
                attributes={
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o-mini",
                    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                    "gen_ai.usage.input_tokens": 1_000,
                    "gen_ai.usage.output_tokens": 500,
                    "user.id": f"user-{number % 7}",
                },
            ) as span,
        ):
            finished.append(span)
    return finished  # type: ignore[return-value]  # spans of the SDK are readable


@every_exporter
def test_every_call_of_an_application_arrives_once(
    running: Running, rows: Rows, exporter: Exporter
) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(exporter(running), max_queue_size=4 * CALLS, max_export_batch_size=512)
    )

    make_calls(provider, CALLS)
    provider.force_flush()  # Has no deadline; shutdown() drops what is left after 30 s.
    provider.shutdown()

    assert rows.select("count(*), sum(cost_nano)") == [(CALLS, CALLS * COST_NANO)]
    assert running.receiver.intake.spans == {
        "received": 2 * CALLS, "records": CALLS, "skipped": CALLS, "rejected": 0
    }  # fmt: skip


@every_exporter
def test_an_exporter_takes_a_second_export_for_success(
    running: Running, rows: Rows, exporter: Exporter
) -> None:
    spans = make_calls(TracerProvider(shutdown_on_exit=False), 10)
    sender = exporter(running)

    results = [sender.export(spans) for _ in range(2)]
    sender.shutdown()

    assert results == [SpanExportResult.SUCCESS] * 2
    assert rows.count() == 10


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("transport", ["http_protobuf", "http_json"])
def test_a_large_request_is_decoded_beside_the_loop(
    start: Callable[..., Running], rows: Rows, transport: str, compressed: bool
) -> None:
    running = start(inline_bytes=10_000)
    export = request(*(chat(n) for n in range(2_000)))
    body = as_json(export) if transport == "http_json" else export.SerializeToString()
    headers = {"content_encoding": "gzip"} if compressed else {}

    send = running.http_json if transport == "http_json" else running.http_protobuf
    reply = send(gzip.compress(body) if compressed else body, **headers)

    assert (reply.outcome, reply.rejected) == ("OK", 0)
    assert rows.count() == 2_000
    assert running.receiver.intake.admission.taken_bytes == 0


def test_requests_beyond_the_budget_are_answered_retry(start: Callable[..., Running]) -> None:
    running = start(budget_bytes=10)
    with running.receiver.intake.admission.admit() as ticket:
        ticket.grow(10)
        replies = [
            running.send(transport, request(chat(1)))
            for transport in ("grpc", "http_protobuf", "http_json")
        ]

    assert [reply.outcome for reply in replies] == ["RETRY"] * 3
    assert all(reply.retry_after_s is not None for reply in replies)
