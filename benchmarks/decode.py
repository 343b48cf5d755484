"""Microseconds per span from bytes to attributes, ours against the official protobuf classes.

    python benchmarks/decode.py

All variants take turns in one run, each round on a request of 512 spans nobody has seen before;
garbage collection waits for the end of a round. `first request` has forgotten all attributes,
`same again` knows all of them, `next request` is what a receiver sees: models, users and settings
come back, ids and most counters do not.
"""

from __future__ import annotations

import base64
import gc
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spantoll.otlp import JSON, Event, Span, attributes, decode_traces
from spantoll.semconv import could_be_genai

if TYPE_CHECKING:
    from benchmarks.load import Traffic
else:  # the folder of a script is where it imports from
    from load import Traffic

ROUNDS = 41
SPANS = 512
WARM_UP = 40
IDS = {"traceId", "spanId", "parentSpanId"}


def main() -> None:
    traffic = Traffic(7, batch=SPANS)
    check(traffic.request())
    for _ in range(WARM_UP):
        decode_traces(traffic.request())
    samples: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        gc.collect()
        gc.disable()
        for name, decode in variants(traffic):
            started = perf_counter_ns()
            decode()
            samples.setdefault(name, []).append((perf_counter_ns() - started) / SPANS / 1_000)
        gc.enable()
    print(f"Python {sys.version.split()[0]}, {SPANS} spans a request, {ROUNDS} rounds")
    print(f"{'microseconds per span':<38}{'best':>8}{'median':>8}{'official / this':>18}")
    for name, times in samples.items():
        official = samples["json: official" if name.startswith("json") else "protobuf: official"]
        median = statistics.median(times)
        ratio = statistics.median(official) / median
        print(f"{name:<38}{min(times):>8.2f}{median:>8.2f}{ratio:>17.1f}x")


def variants(traffic: Traffic) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every way to read, each with a request of its own."""
    yield "protobuf: official", partial(read_officially, traffic.request())
    body = traffic.request()
    yield "protobuf: next request", partial(decode_traces, body)
    yield "protobuf: same again", partial(decode_traces, body)
    yield (
        "protobuf: next request, GenAI wanted",
        partial(decode_traces, traffic.request(), wanted=could_be_genai),
    )
    yield "protobuf: skipped", partial(skip, without_genai(traffic))
    body = as_json(traffic.request())
    yield "json: official", partial(json_format.Parse, body, ExportTraceServiceRequest())
    yield "json: parsed by orjson, no more", partial(orjson.loads, body)
    yield "json: next request", partial(decode_traces, body, content_type=JSON)
    yield "json: skipped", partial(skip, as_json(without_genai(traffic)), content_type=JSON)
    body = traffic.request()
    forget()
    yield "protobuf: first request", partial(decode_traces, body)


def skip(body: bytes, **how: str) -> None:
    """Decode what holds nothing wanted."""
    decoded = decode_traces(body, wanted=could_be_genai, **how)
    if decoded.skipped != SPANS:
        raise AssertionError(decoded)


def forget() -> None:
    attributes._keys.clear()
    attributes._memo.clear()
    attributes._memo._old.clear()


def check(body: bytes) -> None:
    """Refuse to compare the speed of different answers."""
    read = list(decode_traces(body).spans)
    spelled = list(decode_traces(as_json(body), content_type=JSON).spans)
    if not read == spelled == read_officially(body):
        raise AssertionError("the decoders disagree")


def read_officially(body: bytes) -> list[Span]:
    """Read the same fields with opentelemetry-proto's classes, as one usually does."""
    return [
        Span(
            span.trace_id,
            span.span_id,
            span.parent_span_id or None,
            span.name,
            span.kind,
            span.start_time_unix_nano,
            span.end_time_unix_nano,
            span.status.code,
            span.status.message,
            plain_all(span.attributes),
            tuple([Event(e.name, e.time_unix_nano, plain_all(e.attributes)) for e in span.events]),
            resource,
            scope.scope.name,
            scope.scope.version,
            scope.schema_url,
        )
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for resource in [plain_all(group.resource.attributes)]
        for scope in group.scope_spans
        for span in scope.spans
    ]


def plain_all(pairs: Any) -> dict[str, Any]:
    return {pair.key: plain(pair.value) for pair in pairs}


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    if kind == "array_value":
        return tuple([plain(each) for each in value.array_value.values])
    if kind == "kvlist_value":
        return plain_all(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


def without_genai(traffic: Traffic) -> bytes:
    """A request of HTTP server spans only."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    while len(scope.spans) < SPANS:
        for group in ExportTraceServiceRequest.FromString(traffic.request()).resource_spans:
            scope.spans.extend(group.scope_spans[-1].spans[: SPANS - len(scope.spans)])
    return request.SerializeToString()


def as_json(body: bytes) -> bytes:
    """Spell a request as OTLP/JSON, whose ids are hex."""
    request = ExportTraceServiceRequest.FromString(body)
    return orjson.dumps(
        with_hex_ids(json_format.MessageToDict(request, use_integers_for_enums=True))
    )


def with_hex_ids(found: Any) -> Any:
    if isinstance(found, dict):
        return {
            key: base64.b64decode(value).hex() if key in IDS else with_hex_ids(value)
            for key, value in found.items()
        }
    return [with_hex_ids(each) for each in found] if isinstance(found, list) else found


if __name__ == "__main__":
    main()
