"""OTLP requests, drawn by hypothesis or made by hand, and what the official classes read."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as OfficialLog
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OfficialSpan

from spantoll.otlp import Event, LogRecord, Span
from spantoll.semconv.dialect import AttributeValue

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
SETUPS = sorted({path.parts[-3] for path in CORPUS.glob("*/*/request-*.pb")})

without_deadline = settings(deadline=None, max_examples=50)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
INT64 = st.integers(-(2**63), 2**63 - 1)
IDS = {"traceId", "spanId", "parentSpanId"}


def any_values() -> st.SearchStrategy[AnyValue]:
    scalars = st.one_of(
        TEXT.map(lambda v: AnyValue(string_value=v)),
        INT64.map(lambda v: AnyValue(int_value=v)),
        st.integers(0, 2**21).map(lambda v: AnyValue(int_value=v)),
        st.booleans().map(lambda v: AnyValue(bool_value=v)),
        st.floats(allow_nan=False).map(lambda v: AnyValue(double_value=v)),
        st.binary(max_size=9).map(lambda v: AnyValue(bytes_value=v)),
        st.just(AnyValue()),
    )
    return st.recursive(scalars, _nested, max_leaves=6)


def _nested(inner: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    def array(values: list[AnyValue]) -> AnyValue:
        found = AnyValue()
        found.array_value.values.extend(values)
        return found

    def kvlist(pairs: dict[str, AnyValue]) -> AnyValue:
        found = AnyValue()
        found.kvlist_value.values.extend(KeyValue(key=k, value=v) for k, v in pairs.items())
        return found

    return st.one_of(
        st.lists(inner, max_size=3).map(array),
        st.dictionaries(TEXT, inner, max_size=3).map(kvlist),
    )


def attributes() -> st.SearchStrategy[list[KeyValue]]:
    return st.dictionaries(TEXT, any_values(), max_size=5).map(
        lambda pairs: [KeyValue(key=k, value=v) for k, v in pairs.items()]
    )


@st.composite
def spans(draw: st.DrawFn) -> OfficialSpan:
    start = draw(st.integers(1, 2**62))
    span = OfficialSpan(
        trace_id=draw(st.binary(min_size=16, max_size=16).filter(any)),
        span_id=draw(st.binary(min_size=8, max_size=8).filter(any)),
        parent_span_id=draw(st.sampled_from([b"", b"12345678"])),
        name=draw(TEXT),
        kind=draw(st.integers(0, 9)),  # type: ignore[arg-type]  # protobuf enums are ints
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.integers(0, 2**61)),
        attributes=draw(attributes()),
    )
    if draw(st.booleans()):
        span.status.code = draw(st.integers(0, 2))  # type: ignore[assignment]
        span.status.message = draw(TEXT)
    if draw(st.booleans()):
        span.events.add(name=draw(TEXT), time_unix_nano=start, attributes=draw(attributes()))
        span.links.add(trace_id=span.trace_id, span_id=span.span_id)
    return span


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = request.resource_spans.add(schema_url="https://example.org/resource")
        group.resource.attributes.extend(draw(attributes()))
        scope = group.scope_spans.add(schema_url=draw(TEXT))
        scope.scope.name, scope.scope.version = draw(TEXT), draw(TEXT)
        scope.spans.extend(draw(st.lists(spans(), max_size=3)))
    return request


@st.composite
def log_requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(draw(attributes()))
    scope = group.scope_logs.add()
    scope.scope.name, scope.scope.version = draw(TEXT), draw(TEXT)
    for _ in range(draw(st.integers(0, 3))):
        scope.log_records.add(
            time_unix_nano=draw(st.integers(0, 2**63 - 1)),
            observed_time_unix_nano=draw(st.integers(0, 2**63 - 1)),
            severity_number=draw(st.integers(0, 24)),
            severity_text=draw(TEXT),
            body=draw(any_values()),
            attributes=draw(attributes()),
            trace_id=draw(st.sampled_from([b"", b"0123456789abcdef"])),
            span_id=draw(st.sampled_from([b"", b"12345678"])),
            event_name=draw(TEXT),
        )
    return request


def to_plain(value: AnyValue) -> AttributeValue:
    """Convert an AnyValue of the official classes; the first of duplicate keys wins."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(to_plain(each) for each in value.array_value.values)
    if kind == "kvlist_value":
        return to_mapping(value.kvlist_value.values)
    found: AttributeValue = getattr(value, kind) if kind else None
    return None if kind == "string_value_strindex" else found


def to_mapping(pairs: Any) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    for pair in pairs:
        if pair.key or not pair.key_strindex:
            found.setdefault(pair.key, to_plain(pair.value))
    return found


def official_spans(request: ExportTraceServiceRequest) -> list[Span]:
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
            to_mapping(span.attributes),
            tuple(Event(e.name, e.time_unix_nano, to_mapping(e.attributes)) for e in span.events),
            to_mapping(group.resource.attributes),
            scope.scope.name,
            scope.scope.version,
            scope.schema_url,
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def official_logs(request: ExportLogsServiceRequest) -> list[LogRecord]:
    return [
        LogRecord(
            log.trace_id or None,
            log.span_id or None,
            log.time_unix_nano,
            log.observed_time_unix_nano,
            log.event_name,
            log.severity_number,
            to_plain(log.body),
            to_mapping(log.attributes),
            to_mapping(group.resource.attributes),
            scope.scope.name,
            scope.scope.version,
        )
        for group in request.resource_logs
        for scope in group.scope_logs
        for log in scope.log_records
    ]


def otlp_json(request: Message) -> bytes:
    """Spell a protobuf request as OTLP/JSON: hex ids, lowerCamelCase, enums as numbers."""
    found = json_format.MessageToDict(request, use_integers_for_enums=True)
    return orjson.dumps(_with_hex_ids(found))


def _with_hex_ids(found: Any) -> Any:
    if isinstance(found, dict):
        # An id is text; an attribute of that name would be an object.
        return {
            key: base64.b64decode(value).hex() if key in IDS else _with_hex_ids(value)
            for key, value in found.items()
        }
    return [_with_hex_ids(each) for each in found] if isinstance(found, list) else found


def make_span(number: int = 1, **fields: Any) -> OfficialSpan:
    ids = {"trace_id": bytes([number]) * 16, "span_id": bytes([number]) * 8}
    times = {"start_time_unix_nano": 5, "end_time_unix_nano": 9}
    return OfficialSpan(**{**ids, **times, "name": f"span {number}", **fields})


def make_log(**fields: Any) -> OfficialLog:
    return OfficialLog(**{"time_unix_nano": 5, "observed_time_unix_nano": 6, **fields})


def encode_spans(*spans: OfficialSpan) -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return request.SerializeToString()


def encode_logs(*logs: OfficialLog) -> bytes:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.extend(logs)
    return request.SerializeToString()


def encode_field(field: int, content: bytes) -> bytes:
    return encode_varint(field << 3 | 2) + encode_varint(len(content)) + content


def encode_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def encode_request(*items: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    """A request around spans or log records already encoded, and perhaps not decodable."""
    members = b"".join(encode_field(2, item) for item in items)
    return encode_field(
        1, encode_field(1, resource) + encode_field(2, encode_field(1, scope) + members)
    )
