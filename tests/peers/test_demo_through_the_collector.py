"""The demo application, unchanged, through a real Collector into SpanToll and Jaeger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from loopback_provider import LoopbackProvider
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.peers.conftest import EXAMPLES, Collector, Jaeger, SpanToll, wait_until

Collect = Callable[..., Collector]
Ledger = Callable[..., SpanToll]

CALLS = 18
"""Of `support_desk.py`: fifteen tickets, three greetings."""
FAILED = 1
UNPRICED = 1


class Tap:
    """A proxy that passes OTLP over HTTP on to the Collector and keeps the spans."""

    def __init__(self, target: str) -> None:
        self.sent: list[tuple[Span, Resource, str]] = []
        tap = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name: self.headers[name] for name in ("content-type",)}
                forwarded = urllib.request.Request(f"http://{target}{self.path}", body, headers)
                with urllib.request.urlopen(forwarded, timeout=10) as answer:
                    reply = answer.read()
                if self.path == "/v1/traces":
                    tap.keep(ExportTraceServiceRequest.FromString(body))
                self.send_response(answer.status)
                self.send_header("content-type", answer.headers["content-type"])
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: Any) -> None:
                """Write no access log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def keep(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.sent += [(span, resource.resource, scope.scope.name) for span in scope.spans]

    def __enter__(self) -> Tap:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as provider:
        yield provider


def run_support_desk(provider: LoopbackProvider, endpoint: str) -> None:
    subprocess.run(
        [
            *(str(Path(sys.executable).with_name("spantoll")), "run", "--"),
            *(sys.executable, str(EXAMPLES / "support_desk.py")),
        ],
        env={
            **os.environ,
            **provider.environment,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_SERVICE_NAME": "support-desk",
        },
        check=True,
        timeout=120,
    )


def jaeger_value(value: AnyValue) -> Any:
    """Return a value as Jaeger returns it: OTLP/JSON, with an array as its JSON text."""
    match value.WhichOneof("value"):
        case "int_value":
            return {"intValue": str(value.int_value)}
        case "double_value":
            return {"doubleValue": value.double_value}
        case "bool_value":
            return {"boolValue": value.bool_value}
        case "array_value":
            texts = [each.string_value for each in value.array_value.values]
            return {"stringValue": json.dumps(texts, separators=(",", ":"))}
        case _:
            return {"stringValue": value.string_value}


def sent_attributes(attributes: Any) -> dict[str, Any]:
    return {each.key: jaeger_value(each.value) for each in attributes if isinstance(each, KeyValue)}


def attributes_by_key(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in attributes}


def sent_span(span: Span, resource: Resource, scope: str) -> dict[str, Any]:
    """Return the fields of a span that was sent, named as in OTLP/JSON."""
    return {
        "traceId": span.trace_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": sent_attributes(span.attributes),
        "events": [(event.name, sent_attributes(event.attributes)) for event in span.events],
        "status": span.status.code,
        "scope": scope,
        "resource": sent_attributes(resource.attributes),
    }


def jaeger_span(span: dict[str, Any]) -> dict[str, Any]:
    """Return the same fields of a span that Jaeger stored, without the key that Jaeger adds."""
    attributes = attributes_by_key(span["attributes"])
    attributes.pop("internal.span.format", None)
    return {
        "traceId": span["traceId"],
        "parentSpanId": span.get("parentSpanId", ""),
        "name": span["name"],
        "kind": span["kind"],
        "start": int(span["startTimeUnixNano"]),
        "end": int(span["endTimeUnixNano"]),
        "attributes": attributes,
        "events": [
            (event["name"], attributes_by_key(event.get("attributes", [])))
            for event in span.get("events", ())
        ],
        "status": span.get("status", {}).get("code", 0),
        "scope": span["scope"]["name"],
        "resource": attributes_by_key(span["resource"]["attributes"]),
    }


@pytest.mark.parametrize("file", ["fan-out-grpc.yaml", "fan-out-http.yaml"])
def test_every_call_is_one_record_and_every_span_is_in_jaeger(
    provider: LoopbackProvider, collector: Collect, spantoll: Ledger, jaeger: Jaeger, file: str
) -> None:
    ledger = spantoll()
    gateway = collector(
        file,
        SPANTOLL_GRPC=ledger.grpc,
        SPANTOLL_HTTP=ledger.http,
        JAEGER_GRPC=jaeger.grpc,
        JAEGER_HTTP=jaeger.http,
    )

    with Tap(gateway.http) as tap:
        run_support_desk(provider, tap.url)
    calls = len(provider.asked)
    traces = {span.trace_id for span, _, _ in tap.sent}
    wait_until(lambda: ledger.count() == calls, f"{calls} records")
    wait_until(lambda: sum(len(jaeger.spans(t)) for t in traces) >= len(tap.sent), "every span")

    assert len(tap.sent) == calls
    assert ledger.span_ids() == sorted(span.span_id for span, _, _ in tap.sent)
    assert len(ledger.select("1", "cost_nano > 0")) == calls - FAILED - UNPRICED
    assert {
        span_id: jaeger_span(span)
        for trace in traces
        for span_id, span in jaeger.spans(trace).items()
    } == {
        span.span_id.hex(): sent_span(span, resource, scope) for span, resource, scope in tap.sent
    }


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_the_price_is_on_every_call_in_jaeger(
    provider: LoopbackProvider, collector: Collect, spantoll: Ledger, jaeger: Jaeger, scheme: str
) -> None:
    ledger = spantoll("--forward", f"{scheme}://{getattr(jaeger, scheme)}")
    gateway = collector(
        "fan-out-grpc.yaml",
        "service.pipelines.traces.exporters=[otlp_grpc/spantoll]",
        SPANTOLL_GRPC=ledger.grpc,
    )

    with Tap(gateway.http) as tap:
        run_support_desk(provider, tap.url)
    traces = {span.trace_id for span, _, _ in tap.sent}
    wait_until(lambda: sum(len(jaeger.spans(t)) for t in traces) >= len(tap.sent), "every span")

    found = {
        id_: jaeger_span(span) for trace in traces for id_, span in jaeger.spans(trace).items()
    }
    prices = {id_: pop_price(span["attributes"]) for id_, span in found.items()}
    assert found == {
        span.span_id.hex(): sent_span(span, resource, scope) for span, resource, scope in tap.sent
    }
    assert prices == {
        span_id.hex(): (None, reason) if nano is None else (Decimal(nano).scaleb(-9), None)
        for span_id, nano, reason in ledger.select("span_id, cost_nano, pricing_reason")
    }


def pop_price(attributes: dict[str, Any]) -> tuple[Decimal | None, str | None]:
    """Remove the attributes that SpanToll adds; return the price in USD, or why there is none."""
    state = attributes.pop("spantoll.cost.state")["stringValue"]
    reason = attributes.pop("spantoll.cost.reason", {}).get("stringValue")
    if state == "unpriced":
        return None, reason
    assert attributes.pop("gen_ai.usage.cost.currency") == {"stringValue": "USD"}
    assert attributes.pop("gen_ai.usage.cost.source")["stringValue"].startswith("spantoll/")
    amount = attributes.pop("gen_ai.usage.cost.amount")["doubleValue"]
    return Decimal(str(amount)), None
