from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spantoll.errors import BadRequest
from spantoll.otlp import JSON, decode_traces

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
REQUESTS = sorted(CORPUS.glob("*/*/request-*.pb"))
IDS = {"traceId", "spanId", "parentSpanId"}


def otlp_json(body: bytes) -> bytes:
    """Spell a protobuf request as OTLP/JSON: hex ids, lowerCamelCase, enums as numbers."""
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


def request(span: dict[str, Any]) -> bytes:
    base = {"traceId": "0a" * 16, "spanId": "0b" * 8, "startTimeUnixNano": "1", "name": "chat"}
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [base | span]}]}]})


@pytest.mark.parametrize("setup", sorted({path.parts[-3] for path in REQUESTS}))
def test_json_gives_the_same_spans_as_protobuf(setup: str) -> None:
    for path in (CORPUS / setup).glob("*/request-*.pb"):
        body = path.read_bytes()

        read = decode_traces(otlp_json(body), content_type=JSON)

        # repr, because one AI SDK writes NaN
        assert repr(decode_traces(body)) == repr(read)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": "123"}, 123),
        ({"intValue": 123}, 123),
        ({"intValue": 1e3}, 1000),
        ({"intValue": "1e3"}, 1000),
        ({"doubleValue": 0.5}, 0.5),
        ({"doubleValue": "Infinity"}, float("inf")),
        ({"boolValue": True}, True),
        ({"stringValue": "x"}, "x"),
        ({"bytesValue": "aGk="}, b"hi"),
        ({"arrayValue": {"values": [{"intValue": "1"}]}}, (1,)),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}, {"a": 1}),
        ({"stringValue": None}, None),
        ({}, None),
        ({"unknownValue": 1}, None),
    ],
)
def test_values_are_read_as_proto3_json_allows(value: dict[str, Any], expected: object) -> None:
    body = request({"attributes": [{"key": "gen_ai.x", "value": value}]})

    (span,) = decode_traces(body, content_type=JSON).spans

    assert span.attributes["gen_ai.x"] == expected


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ({"traceId": "0a"}, "trace_id is not 16 bytes"),
        ({"traceId": "zz" * 16}, "traceId is not hexadecimal"),
        ({"traceId": "0" * 31}, "traceId is not hexadecimal"),
        ({"spanId": None}, "span_id is missing"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano is not a time in nanoseconds"),
        ({"attributes": [{"key": "a", "value": {"intValue": 1.5}}]}, "malformed JSON"),
        ({"attributes": [{"key": "a", "value": {"intValue": True}}]}, "malformed JSON"),
        ({"name": 7}, "malformed JSON"),
    ],
)
def test_bad_span_is_refused_alone(span: dict[str, Any], reason: str) -> None:
    good = {"traceId": "0a" * 16, "spanId": "0b" * 8, "startTimeUnixNano": "1", "name": "chat"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [good | span, good]}]}]}

    decoded = decode_traces(orjson.dumps(body), content_type=JSON)

    assert [span.name for span in decoded.spans] == ["chat"]
    assert [(each.spans, each.reason) for each in decoded.rejected] == [(1, reason)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"resourceSpans": {}}', "must be a list"),
        (b'{"resourceSpans": [1]}', "list of objects"),
        (b'{"resourceLogs": []}', "wrong endpoint"),
        (request({"attributes": {"a": 1}}), 'list of {"key"'),
        (b'{"resourceSpans": ' + b"[" * 100_000, "not JSON"),
    ],
    ids=["cut", "bom", "list", "object", "number", "logs", "attributes-object", "deep"],
)
def test_whole_request_is_refused_with_a_hint(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        decode_traces(body, content_type=JSON)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"resourceSpans": []}', b'{"resourceSpans": null}'])
def test_empty_request_is_fine(body: bytes) -> None:
    assert decode_traces(body, content_type=JSON).received == 0


def test_snake_case_keys_are_ignored_with_a_warning() -> None:
    decoded = decode_traces(b'{"resource_spans": []}', content_type=JSON)

    assert decoded.received == 0
    assert "resource_spans" in decoded.warning


def test_upper_case_ids_are_the_same_span() -> None:
    ids = {"traceId": "AB" * 16, "spanId": "CD" * 8}
    lower = {key: value.lower() for key, value in ids.items()}

    upper_read = decode_traces(request(ids), content_type=JSON).spans
    assert upper_read == decode_traces(request(lower), content_type=JSON).spans


def test_enum_names_are_understood() -> None:
    named = {"kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR"}}

    (span,) = decode_traces(request(named), content_type=JSON).spans

    assert (span.kind, span.status_code) == (3, 2)


def test_lone_surrogate_is_refused_whole() -> None:
    body = request({}).replace(b'"chat"', b'"a\\ud800b"')

    with pytest.raises(BadRequest, match="not JSON"):
        decode_traces(body, content_type=JSON)


def test_only_wanted_spans_are_decoded() -> None:
    marked = {"attributes": [{"key": "gen_ai.system", "value": {"stringValue": "x"}}]}
    other = {"attributes": [{"key": "http.route", "value": {"stringValue": "gen_ai.system"}}]}

    def wanted(raw: bytes) -> bool:
        return b"gen_ai." in raw

    assert decode_traces(request(marked), content_type=JSON, wanted=wanted).skipped == 0
    assert decode_traces(request(other), content_type=JSON, wanted=wanted).skipped == 1
