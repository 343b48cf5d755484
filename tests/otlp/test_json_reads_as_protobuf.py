"""OTLP/JSON gives the same spans as OTLP/protobuf, flaws included."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spantoll.errors import BadRequest
from spantoll.otlp import JSON, Span, decode_logs, decode_traces
from spantoll.semconv import could_be_genai
from tests.otlp.conftest import CORPUS, SETUPS, log_requests, otlp_json, requests, without_deadline

TIMES = {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}
SPAN = {"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "chat"} | TIMES
GEN_AI = {"key": "gen_ai.system", "value": {"stringValue": "x"}}


def request(*spans: Any) -> bytes:
    found = [SPAN | span if isinstance(span, dict) else span for span in spans]
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": found}]}]})


def one_span(body: bytes) -> Span:
    (span,) = decode_traces(body, content_type=JSON).spans
    return span


def attribute(value: object) -> bytes:
    return request({"attributes": [{"key": "gen_ai.x", "value": value}]})


@without_deadline
@given(requests())
def test_json_gives_the_same_spans_as_protobuf(sent: ExportTraceServiceRequest) -> None:
    read = decode_traces(otlp_json(sent), content_type=JSON)

    assert decode_traces(sent.SerializeToString()) == read


@without_deadline
@given(log_requests())
def test_json_gives_the_same_logs_as_protobuf(sent: ExportLogsServiceRequest) -> None:
    read = decode_logs(otlp_json(sent), content_type=JSON)

    assert decode_logs(sent.SerializeToString()) == read


@pytest.mark.parametrize("setup", SETUPS)
def test_json_gives_the_same_spans_as_captured_protobuf(setup: str) -> None:
    for path in (CORPUS / setup).glob("*/request-*.pb"):
        body = path.read_bytes()
        spelled = otlp_json(ExportTraceServiceRequest.FromString(body))

        read = decode_traces(spelled, content_type=JSON, wanted=could_be_genai)

        # repr, because one AI SDK writes NaN
        assert repr(decode_traces(body, wanted=could_be_genai)) == repr(read)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": "123"}, 123),
        ({"intValue": "-123"}, -123),
        ({"intValue": 123}, 123),
        ({"intValue": 123.0}, 123),
        ({"intValue": 1e3}, 1000),
        ({"intValue": "1e3"}, 1000),
        ({"intValue": "123.0"}, 123),
        ({"intValue": "9223372036854775807"}, 2**63 - 1),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"doubleValue": 0.5}, 0.5),
        ({"doubleValue": 2}, 2.0),
        ({"doubleValue": "0.5"}, 0.5),
        ({"doubleValue": "-1e-3"}, -0.001),
        ({"doubleValue": "Infinity"}, float("inf")),
        ({"doubleValue": "-Infinity"}, float("-inf")),
        ({"boolValue": True}, True),
        ({"boolValue": False}, False),
        ({"stringValue": "x"}, "x"),
        ({"stringValue": ""}, ""),
        ({"stringValue": "é😀"}, "é😀"),
        ({"bytesValue": "aGk="}, b"hi"),
        ({"bytesValue": "aGk"}, b"hi"),
        ({"bytesValue": "_-8"}, b"\xff\xef"),
        ({"arrayValue": {"values": [{"intValue": "1"}, {}, None]}}, (1, None, None)),
        ({"arrayValue": {}}, ()),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}, {"a": 1}),
        ({"kvlistValue": {"values": []}}, {}),
        ({"stringValue": None}, None),
        ({"stringValue": "x", "intValue": "1"}, 1),
        ({"stringValue": "x", "intValue": None}, "x"),
        ({}, None),
        (None, None),
        ({"unknownValue": 1}, None),
    ],
)
def test_values_are_read_as_proto3_json_allows(value: object, expected: object) -> None:
    span = one_span(attribute(value))

    assert (repr(span.attributes["gen_ai.x"]), span.flaws) == (repr(expected), ())


@pytest.mark.parametrize(
    "value",
    [
        {"intValue": 1.5},
        {"intValue": "1.5"},
        {"intValue": True},
        {"intValue": ""},
        {"intValue": "many"},
        {"intValue": "1_000"},
        {"intValue": "9223372036854775808"},
        {"intValue": 2**63},
        {"intValue": "1e99999"},
        {"intValue": "9" * 50},
        {"intValue": [1]},
        {"doubleValue": "fast"},
        {"doubleValue": True},
        {"doubleValue": {}},
        {"boolValue": "true"},
        {"stringValue": 7},
        {"bytesValue": "%%"},
        {"bytesValue": "a"},
        {"bytesValue": 1},
        {"arrayValue": [1]},
        {"arrayValue": {"values": {}}},
        "chat",
    ],
    ids=repr,
)
def test_value_of_no_kind_is_unknown_and_noted(value: object) -> None:
    span = one_span(attribute(value))

    assert span.attributes["gen_ai.x"] in (None, ())
    assert span.flaws == ("invalid_value",)


def test_a_bad_value_inside_an_array_is_unknown_alone() -> None:
    values = [{"intValue": "1"}, {"intValue": "x"}, "x"]

    span = one_span(attribute({"arrayValue": {"values": values}}))

    assert (span.attributes["gen_ai.x"], span.flaws) == ((1, None, None), ("invalid_value",))


def test_not_a_number_is_a_double() -> None:
    assert repr(one_span(attribute({"doubleValue": "NaN"})).attributes["gen_ai.x"]) == "nan"


@pytest.mark.parametrize(
    ("levels", "flaws"), [(47, ()), (64, ()), (65, ("too_deep",)), (200, ("too_deep",))]
)
@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
def test_deep_attribute_is_unknown_alone(kind: str, levels: int, flaws: tuple[str, ...]) -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(levels):
        value = {kind: {"values": [value if kind == "arrayValue" else {"value": value}]}}
    deep = {"key": "deep", "value": value}
    body = json.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN | {"attributes": [deep, GEN_AI]}]}]}]}
    )

    (span,) = decode_traces(body.encode(), content_type=JSON, wanted=could_be_genai).spans

    assert span.flaws == flaws
    assert (span.attributes["deep"] is None) == bool(flaws)
    assert span.attributes["gen_ai.system"] == "x"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"traceId": "0a"}, "trace_id is not 16 bytes"),
        ({"traceId": "zz" * 16}, "traceId is not hexadecimal"),
        ({"traceId": "0" * 31}, "traceId is not hexadecimal"),
        ({"traceId": "0a " * 16}, "traceId is not hexadecimal"),
        ({"traceId": 7}, "traceId is not hexadecimal"),
        ({"traceId": "00" * 16}, "trace_id is all zero"),
        ({"traceId": ""}, "trace_id is missing"),
        ({"spanId": None}, "span_id is missing"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano is not a time in nanoseconds"),
        ({"endTimeUnixNano": [1]}, "endTimeUnixNano is not a time in nanoseconds"),
        ({"name": 7}, "name is not a string"),
        ({"status": 2}, "status is not an object"),
        ({"events": 2}, "events is not a list"),
        ({"events": [2]}, "an event is not an object"),
        ({"attributes": "x"}, "attributes is not a list"),
        ({"attributes": [2]}, "an attribute is not an object"),
        ({"attributes": [{"key": 2}]}, "an attribute key is not a string"),
        (7, "a span or log record is not an object"),
    ],
    ids=repr,
)
def test_bad_span_is_refused_alone(bad: object, reason: str) -> None:
    decoded = decode_traces(request({}, bad, {}), content_type=JSON)

    assert [span.name for span in decoded.spans] == ["chat", "chat"]
    assert [(each.spans, each.reason) for each in decoded.rejected] == [(1, reason)]
    assert decoded.received == 3


@pytest.mark.parametrize(
    ("group", "scope", "reason"),
    [
        ({"resource": 7}, {}, "malformed resource or scope: resource is not an object"),
        ({}, {"scope": {"name": 7}}, "malformed resource or scope: name is not a string"),
    ],
)
def test_bad_resource_or_scope_refuses_its_spans_only(
    group: dict[str, Any], scope: dict[str, Any], reason: str
) -> None:
    bad = group | {"scopeSpans": [scope | {"spans": [SPAN, SPAN]}]}
    body = {"resourceSpans": [bad, {"scopeSpans": [{"spans": [SPAN]}]}]}

    decoded = decode_traces(orjson.dumps(body), content_type=JSON)

    assert len(decoded.spans) == 1
    assert [(each.spans, each.reason) for each in decoded.rejected] == [(2, reason)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": "\\ud800", "b": NaN}', "NaN is not a JSON number"),
        (b"\xff\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"resourceSpans": {}}', "must be a list"),
        (b'{"resourceSpans": [1]}', "list of objects"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]}', "must be a list"),
        (b'{"resourceLogs": []}', "resourceLogs sent where resourceSpans belongs"),
        (b'{"resourceMetrics": []}', "resourceMetrics sent where resourceSpans belongs"),
        (request({"attributes": {"a": 1}}), 'list of {"key"'),
        (b'{"resourceSpans": ' + b"[" * 100_000, "not JSON"),
        (b'{"\\ud800": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
    ],
    ids=range(15),
)
def test_whole_request_is_refused_with_a_hint(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        decode_traces(body, content_type=JSON)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{}", b'{"resourceSpans": []}', b'{"resourceSpans": null}', request()],
)
def test_empty_request_is_fine(body: bytes) -> None:
    assert decode_traces(body, content_type=JSON).received == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"resource_spans": []}, "resource_spans"),
        ({"resourceSpans": [{"scope_spans": []}]}, "scope_spans"),
        ({"resourceSpans": [{"scopeSpans": [{"schema_url": "x"}]}]}, "schema_url"),
    ],
)
def test_snake_case_keys_are_ignored_with_a_warning(body: dict[str, Any], named: str) -> None:
    decoded = decode_traces(orjson.dumps(body), content_type=JSON)

    assert decoded.received == 0
    assert named in decoded.warning


def test_snake_case_ids_are_refused_with_a_hint() -> None:
    snake = {"trace_id": "0a" * 16, "span_id": "0b" * 8}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [snake]}]}]}

    (refused,) = decode_traces(orjson.dumps(body), content_type=JSON).rejected

    assert "must be spelt traceId" in refused.reason


def test_unknown_keys_are_ignored_at_every_level() -> None:
    later: dict[str, Any] = {"later": {"x": [1]}}
    attributes = [{"key": "k", "value": {"intValue": "1"} | later} | later]
    span = SPAN | {"attributes": attributes, "status": later, "events": [later]} | later
    scope = {"scope": later, "spans": [span]} | later
    group = {"resource": later, "scopeSpans": [scope]} | later
    body = {"resourceSpans": [group]} | later

    decoded = decode_traces(orjson.dumps(body), content_type=JSON)

    assert decoded.warning == ""
    assert [span.attributes for span in decoded.spans] == [{"k": 1}]


def test_null_is_absent() -> None:
    fields = ("parentSpanId", "kind", "status", "attributes", "events")

    assert one_span(request(dict.fromkeys(fields))) == one_span(request({}))


def test_upper_case_ids_are_the_same_span() -> None:
    ids = {"traceId": "AB" * 16, "spanId": "CD" * 8}
    lower = {key: value.lower() for key, value in ids.items()}

    assert one_span(request(ids)) == one_span(request(lower))


@pytest.mark.parametrize(
    ("kind", "code", "expected", "flaws"),
    [
        ("SPAN_KIND_CLIENT", "STATUS_CODE_ERROR", (3, 2), ()),
        (3, 2, (3, 2), ()),
        ("3", "2", (3, 2), ()),
        (99, -1, (99, -1), ()),
        ("CLIENT", 2**31, (0, 0), ("invalid_value",)),
    ],
)
def test_enums_are_numbers_and_names_are_understood(
    kind: object, code: object, expected: tuple[int, int], flaws: tuple[str, ...]
) -> None:
    span = one_span(request({"kind": kind, "status": {"code": code}}))

    assert ((span.kind, span.status_code), span.flaws) == (expected, flaws)


@pytest.mark.parametrize("parent", ["", "00" * 8, None])
def test_no_parent_is_none(parent: str | None) -> None:
    assert one_span(request({"parentSpanId": parent})).parent_span_id is None


@pytest.mark.parametrize("parent", ["0a", "xyz", 7])
def test_parent_that_cannot_be_read_is_none_and_noted(parent: object) -> None:
    span = one_span(request({"parentSpanId": parent}))

    assert (span.parent_span_id, span.flaws) == (None, ("invalid_parent_span_id",))


@pytest.mark.parametrize(
    ("spelled", "name", "flaws"),
    [
        (rb"a\ud800b", "a�b", ("invalid_utf8",)),
        (rb"a\udc00", "a�", ("invalid_utf8",)),
        (b"a\xff\xfeb", "a��b", ("invalid_utf8",)),
        (rb"a\ud83d\ude00b", "a😀b", ()),
        (rb"a\u0000b", "a�b", ("nul_character",)),
    ],
)
def test_text_that_is_none_is_repaired_in_its_span_only(
    spelled: bytes, name: str, flaws: tuple[str, ...]
) -> None:
    body = request({"name": "MARK"}, {"name": "other 😀"}).replace(b"MARK", spelled)

    decoded = decode_traces(body, content_type=JSON)

    assert [(span.name, span.flaws) for span in decoded.spans] == [(name, flaws), ("other 😀", ())]


def test_what_wanted_cannot_be_asked_about_is_read() -> None:
    body = request({"name": "MARK"}, {}).replace(b"MARK", rb"\ud800")

    decoded = decode_traces(body, content_type=JSON, wanted=lambda _: False)

    assert ([span.name for span in decoded.spans], decoded.skipped) == (["�"], 1)


def test_keys_are_repaired_too() -> None:
    span = one_span(request({"attributes": [{"key": "a\0", "value": {"intValue": "1"}}]}))

    assert (dict(span.attributes), "nul_character" in span.flaws) == ({"a�": 1}, True)


def test_pair_without_a_key_is_read_as_protobuf_does() -> None:
    without_key = {"value": {"intValue": "1"}}
    by_index = {"keyStrindex": 3, "value": {"intValue": "2"}}
    value_by_index = {"key": "k", "value": {"stringValueStrindex": 3}}
    attributes = [without_key, by_index, value_by_index]

    span = one_span(request({"attributes": attributes}))

    assert span.attributes == {"": 1, "k": None}
    assert span.flaws == ("string_table_index",)


def test_first_of_duplicate_keys_wins_and_is_noted() -> None:
    pairs = [{"key": "k", "value": {"intValue": n}} for n in ("1", "2")]

    span = one_span(request({"attributes": pairs}))

    assert (span.attributes, span.flaws) == ({"k": 1}, ("duplicate_attribute",))


def test_only_wanted_spans_are_decoded() -> None:
    marked = {"attributes": [GEN_AI]}
    by_event = {"events": [{"name": "gen_ai.choice"}]}
    other = {"attributes": [{"key": "http.route", "value": {"stringValue": "/"}}]}

    decoded = decode_traces(
        request(marked, by_event, other), content_type=JSON, wanted=lambda raw: b"gen_ai." in raw
    )

    assert (decoded.received, len(decoded.spans), decoded.skipped) == (3, 2, 1)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ({}, (None, None, ())),
        ({"traceId": "0a" * 16, "spanId": "0b" * 8}, (b"\n" * 16, b"\v" * 8, ())),
        ({"traceId": "0a"}, (None, None, ("invalid_trace_id",))),
        ({"spanId": "zz"}, (None, None, ("invalid_span_id",))),
    ],
    ids=["none", "both", "short", "no-hex"],
)
def test_log_without_a_span_is_kept(log: dict[str, Any], expected: tuple[object, ...]) -> None:
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}

    (read,) = decode_logs(orjson.dumps(body), content_type=JSON).records

    assert (read.trace_id, read.span_id, read.flaws) == expected


def test_deep_log_body_is_unknown() -> None:
    value: dict[str, Any] = {}
    for _ in range(70):
        value = {"arrayValue": {"values": [value]}}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": value}]}]}]}

    (read,) = decode_logs(orjson.dumps(body), content_type=JSON).records

    assert (read.body, read.flaws) == (None, ("too_deep",))
