"""Calls that are reported as events: the real log exporters against the real receiver."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter as JsonExporter
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import (
    OTLPLogExporter as ProtobufExporter,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter

from tests.receiver.conftest import (
    COST_NANO,
    START_NS,
    Rows,
    Running,
    as_json,
    chat,
    request,
    value,
)

LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
CALLS = 600
DETAILS = "gen_ai.client.inference.operation.details"


def grpc_exporter(running: Running) -> LogRecordExporter:
    return GrpcExporter(endpoint=f"http://127.0.0.1:{running.grpc_port}", insecure=True)


def protobuf_exporter(running: Running) -> LogRecordExporter:
    return ProtobufExporter(endpoint=f"http://127.0.0.1:{running.http_port}/v1/logs")


def json_exporter(running: Running) -> LogRecordExporter:
    return JsonExporter(endpoint=f"http://127.0.0.1:{running.http_port}/v1/logs")


def event(number: int, *, name: str = DETAILS, span: int | None = None, **more: Any) -> bytes:
    """Encode a request with one event of a call, by default one of the convention's."""
    keys = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-of-an-event-{number}",
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 500,
    } | {key.replace("__", "."): content for key, content in more.items()}
    export = ExportLogsServiceRequest()
    record = export.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name = name
    record.time_unix_nano = record.observed_time_unix_nano = START_NS + 800_000_000
    record.attributes.extend(KeyValue(key=k, value=value(v)) for k, v in keys.items())
    if span is not None:
        record.trace_id, record.span_id = chat(span).trace_id, chat(span).span_id
    return export.SerializeToString()


def claude_code(number: int) -> LogRecord:
    return LogRecord(
        timestamp=START_NS + number,
        body="claude_code.api_request",
        attributes={
            "event.name": "api_request",
            "event.sequence": number,
            "session.id": "session-1",
            "user.email": "ann@example.org",
            "model": "claude-sonnet-4-5-20250929",
            "input_tokens": "1000",
            "output_tokens": "100",
            "cache_read_tokens": "10000",
            "cache_creation_tokens": "0",
            "cost_usd": "0.0075",
            "duration_ms": "1500",
        },
    )


@pytest.mark.parametrize(
    "exporter",
    [grpc_exporter, protobuf_exporter, json_exporter],
    ids=["grpc", "http-protobuf", "http-json"],
)
def test_every_request_of_claude_code_is_priced_once(
    running: Running, rows: Rows, exporter: Callable[[Running], LogRecordExporter]
) -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter(running)))
    logger = provider.get_logger("com.anthropic.claude_code.events", "2.1.0")

    for number in range(CALLS):
        logger.emit(claude_code(number))
        logger.emit(LogRecord(timestamp=START_NS, body="claude_code.user_prompt"))
    provider.shutdown()

    # 1,000 x 3 + 10,000 x 0.30 + 100 x 15 USD per million.
    found = rows.select("count(*), sum(cost_nano), min(reported_cost_nano), min(source)")
    assert found == [(CALLS, CALLS * 7_500_000, 7_500_000, "otlp_log")]
    assert rows.select("DISTINCT user_email, input_tokens, cache_read_tokens") == [
        ("ann@example.org", 11_000, 10_000)
    ]
    assert running.receiver.intake.spans == {
        "received": 2 * CALLS, "records": CALLS, "skipped": CALLS, "rejected": 0
    }  # fmt: skip


def test_an_event_without_a_span_is_a_record(running: Running, rows: Rows) -> None:
    reply = running.http_protobuf(event(1), path="/v1/logs")

    assert reply.outcome == "OK"
    assert rows.select("counted, cost_nano, source") == [(1, COST_NANO, "otlp_log")]


@pytest.mark.parametrize("event_first", [False, True], ids=["span first", "event first"])
@pytest.mark.parametrize("named", [True, False], ids=["response id", "parent only"])
def test_an_event_beside_the_span_of_its_call_costs_nothing(
    running: Running, rows: Rows, event_first: bool, named: bool
) -> None:
    response_id: dict[str, Any] = {"gen_ai.response.id": "chatcmpl-of-an-event-3"} if named else {}
    span = request(chat(3, **response_id))
    log = event(3, span=3) if named else event(3, span=3, gen_ai__response__id="")
    sends: list[Callable[[], Any]] = [
        lambda: running.send("grpc", span),
        lambda: running.grpc(log, method=LOGS),
    ]

    for send in reversed(sends) if event_first else sends:
        assert send().outcome == "OK"

    assert rows.select("count(*), sum(counted)") == [(2, 1)]
    assert rows.select("cost_nano", where="counted") == [(COST_NANO,)]


def test_an_event_that_comes_again_is_stored_once(running: Running, rows: Rows) -> None:
    for _ in range(3):
        running.http_protobuf(gzip.compress(event(1)), path="/v1/logs", content_encoding="gzip")

    assert rows.count() == 1


def test_no_content_of_an_event_reaches_the_ledger(running: Running, rows: Rows) -> None:
    content: dict[str, Any] = {"gen_ai__input__messages": "the-prompt-nobody-may-keep"}
    running.http_protobuf(event(1, **content), path="/v1/logs")

    assert "nobody-may-keep" not in repr(rows.select("*"))


@pytest.mark.parametrize("transport", ["grpc", "http_protobuf", "http_json"])
def test_spans_sent_to_the_logs_endpoint_are_bad_with_a_hint(
    running: Running, rows: Rows, transport: str
) -> None:
    spans = request(chat(1))

    if transport == "grpc":
        reply = running.grpc(spans.SerializeToString(), method=LOGS)
    elif transport == "http_json":
        reply = running.http_json(as_json(spans), path="/v1/logs")
    else:
        reply = running.http_protobuf(spans.SerializeToString(), path="/v1/logs")

    assert reply.outcome == "BAD"
    assert "wrong endpoint" in reply.message or "/v1/traces" in reply.message
    assert rows.count() == 0


def test_one_bad_log_record_costs_no_other(running: Running, rows: Rows) -> None:
    (log,) = (
        ExportLogsServiceRequest.FromString(event(1)).resource_logs[0].scope_logs[0].log_records
    )
    good = log.SerializeToString()
    attribute_cut_off = good + b"\x32\x02\x0a\x09"
    scope_logs = nested(2, attribute_cut_off) + nested(2, good)

    reply = running.http_protobuf(nested(1, nested(2, scope_logs)), path="/v1/logs")

    assert (reply.outcome, reply.rejected) == ("OK", 1)
    assert rows.count() == 1


def nested(number: int, content: bytes) -> bytes:
    """Encode a field that holds a message."""
    size = bytes([len(content) & 127 | 128, len(content) >> 7 & 127 | 128, len(content) >> 14])
    return bytes([number << 3 | 2]) + size + content
