from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Start = Callable[..., Any]
Sinks = Callable[[str], Any]

START_NS = 1_795_176_000_000_000_000
UNKNOWN = b"\xfa\x3e\x03abc"


def value(found: str | int) -> AnyValue:
    return AnyValue(int_value=found) if isinstance(found, int) else AnyValue(string_value=found)


def chat(number: int, *, model: str = "gpt-4o", parent: bytes = b"") -> Span:
    keys: dict[str, str | int] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 100,
    }
    span = Span(
        trace_id=b"t" * 16,
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent,
        name=f"chat {model}",
        start_time_unix_nano=START_NS + number * 10**10,
        end_time_unix_nano=START_NS + number * 10**10 + 10**9,
        flags=0x101,
        attributes=[KeyValue(key=key, value=value(found)) for key, found in keys.items()],
    )
    span.events.add(name="first token", time_unix_nano=START_NS)
    span.links.add(trace_id=b"u" * 16, span_id=b"v" * 8)
    return span


def request(*spans: Span) -> bytes:
    export = ExportTraceServiceRequest()
    group = export.resource_spans.add(schema_url="https://example.org/resource")
    group.resource.attributes.add(key="service.name", value=value("shop"))
    scope = group.scope_spans.add(schema_url="https://example.org/scope")
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    scope.spans.extend(spans)
    return export.SerializeToString() + UNKNOWN


def plain(number: int) -> Span:
    return Span(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), name="GET /cart")


def read(body: bytes) -> list[Span]:
    export = ExportTraceServiceRequest.FromString(body)
    return [
        span
        for group in export.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def added(span: Span) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "")
        for pair in span.attributes
        if pair.key.startswith(("gen_ai.usage.cost.", "spantoll."))
    }


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_received_spans_are_forwarded_with_their_cost(
    up: Start, sinks: Sinks, wait: Start, transport: str
) -> None:
    sink = sinks(transport)
    receiver = up("--forward", sink.url)
    body = request(chat(1), plain(2), chat(3, model="no-such-model-1"))

    receiver.send_rpc(body)
    wait(lambda: sink.arrived)

    priced, untouched, unpriced = read(sink.arrived[0].body)
    assert added(priced)["gen_ai.usage.cost.amount"] == 0.0035
    assert added(priced)["gen_ai.usage.cost.currency"] == "USD"
    assert added(priced)["gen_ai.usage.cost.source"].startswith("spantoll/catalogue@")
    assert added(untouched) == {}
    assert added(priced)["spantoll.cost.state"] == "exact"
    assert list(added(unpriced)) == ["spantoll.cost.state", "spantoll.cost.reason"]
    assert added(unpriced)["spantoll.cost.state"] == "unpriced"
    del priced.attributes[-4:], unpriced.attributes[-2:]
    assert [priced, untouched, unpriced] == read(body)
    assert sink.arrived[0].body.endswith(UNKNOWN)
    assert "authorization" not in sink.arrived[0].headers


def test_a_request_without_calls_is_forwarded_byte_for_byte(
    up: Start, sinks: Sinks, wait: Start
) -> None:
    sink = sinks("http")
    receiver = up("--forward", sink.url)
    body = request(plain(1), plain(2))

    assert receiver.send(body) == 200
    wait(lambda: sink.arrived)

    assert sink.bodies() == [body]


def test_json_is_forwarded_as_protobuf(up: Start, sinks: Sinks, wait: Start) -> None:
    sink = sinks("http")
    receiver = up("--forward", sink.url)
    body = (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"'
        + b"ab" * 16
        + b'","spanId":"'
        + b"cd" * 8
        + b'","name":"GET /","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}'
    )

    assert receiver.send(body, "application/json") == 200
    wait(lambda: sink.arrived)

    (span,) = read(sink.arrived[0].body)
    assert (span.trace_id, span.span_id) == (b"\xab" * 16, b"\xcd" * 8)
    assert (span.name, span.kind, span.end_time_unix_nano) == ("GET /", 2, 2)


def test_headers_go_to_the_target_they_are_for(up: Start, sinks: Sinks, wait: Start) -> None:
    one, other = sinks("http"), sinks("grpc")
    header = f"{one.url} Authorization=Bearer ours"
    receiver = up("--forward", one.url, "--forward", other.url, "--forward-header", header)

    assert receiver.send(request(plain(1)), authorization="Bearer caller") == 200
    wait(lambda: one.arrived and other.arrived)

    assert one.arrived[0].headers["authorization"] == "Bearer ours"
    assert "authorization" not in other.arrived[0].headers
    assert [text for topic, text in receiver.printed if topic == "Forward"] == [
        f"{one.url}/v1/traces",
        other.url,
    ]


def test_a_request_that_passed_this_receiver_is_stored_and_not_forwarded(
    up: Start, sinks: Sinks, wait: Start, tmp_path: Path
) -> None:
    sink = sinks("http")
    receiver = up("--forward", sink.url)
    receiver.send(request(plain(1)))
    wait(lambda: sink.arrived)
    hop = sink.arrived[0].headers["spantoll-hop"]

    assert receiver.send(request(chat(2)), **{"spantoll-hop": hop}) == 200
    assert receiver.send(request(plain(3)), **{"spantoll-hop": "0" * 32}) == 200
    wait(lambda: len(sink.arrived) > 1)

    assert [span.span_id[-1] for body in sink.bodies() for span in read(body)] == [1, 3]
    assert sink.arrived[1].headers["spantoll-hop"] == f"{'0' * 32},{hop}"
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM usage_record").fetchone() == (1,)


def test_a_request_resent_after_a_kill_is_forwarded_twice_and_billed_once(
    up: Start, sinks: Sinks, wait: Start, tmp_path: Path
) -> None:
    sink = sinks("http")
    first = up("--forward", sink.url)
    first.send(request(chat(1)))
    wait(lambda: sink.arrived)
    first.process.kill()

    second = up("--forward", sink.url)
    second.send(request(chat(1)))
    wait(lambda: len(sink.arrived) == 2)

    assert sink.bodies()[0] == sink.bodies()[1]
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM usage_record").fetchone() == (1,)


def test_ingest_continues_while_a_target_is_down(up: Start, tmp_path: Path) -> None:
    receiver = up("--forward", "http://127.0.0.1:9")

    statuses = [receiver.send(request(chat(number))) for number in range(1, 6)]

    assert statuses == [200] * 5
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM usage_record").fetchone() == (5,)


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_ingest_does_not_wait_for_a_slow_target_which_gets_everything(
    up: Start, sinks: Sinks, wait: Start, tmp_path: Path, transport: str
) -> None:
    slow, other = sinks(transport), sinks("http")
    slow.open.clear()
    receiver = up("--forward", slow.url, "--forward", other.url)

    statuses = [receiver.send(request(chat(number))) for number in range(1, 21)]
    wait(lambda: len(other.arrived) == 20)

    assert statuses == [200] * 20
    assert slow.arrived == []
    slow.open.set()
    wait(lambda: len(slow.arrived) == 20)


def test_waiting_requests_are_sent_before_the_process_ends(up: Start, sinks: Sinks) -> None:
    sink = sinks("http")
    receiver = up("--forward", sink.url)
    for number in range(1, 21):
        receiver.send(request(chat(number)))

    receiver.end()

    assert len(sink.arrived) == 20


@pytest.mark.parametrize("target", ["http://127.0.0.1:4999", "localhost:4999", "grpc://[::1]:4999"])
def test_a_target_that_is_this_receiver_is_refused_at_start(tmp_path: Path, target: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "spantoll", "up", "--database", f"sqlite:///{tmp_path}/l.db"),
            *("--grpc", ":4999", "--insecure", "--http", "off", "--forward", target),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode != 0
    assert "--forward" in done.stderr
    assert "this receiver listens there" in done.stderr
