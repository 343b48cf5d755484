"""A malformed span, resource or log record of OTLP/protobuf is refused or repaired alone."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spantoll.errors import BadRequest, UnsupportedMedia
from spantoll.otlp import JSON, PROTOBUF, Event, decode_logs, decode_traces, media_type
from tests.otlp.conftest import (
    encode_field,
    encode_logs,
    encode_request,
    encode_spans,
    encode_varint,
    make_log,
    make_span,
    otlp_json,
    to_plain,
)

ARRAY, KVLIST = (1, 5), (2, 1, 6)
"""The fields around a nested value, from the inside."""


def raw_span(number: int, more: bytes = b"") -> bytes:
    """An encoded span with `more` behind it, of any kind."""
    return make_span(number).SerializeToString() + more


def nested(levels: int, around: tuple[int, ...]) -> bytes:
    """The KeyValue `k` with a string that many arrays or kvlists deep."""
    heads: list[bytes] = []
    size = len(b"\x0a\x01x")
    for field in around * levels:
        heads.append(encode_varint(field << 3 | 2) + encode_varint(size))
        size += len(heads[-1])
    return b"\x0a\x01k" + encode_field(2, b"".join(reversed(heads)) + b"\x0a\x01x")


@pytest.mark.parametrize(
    ("attribute", "read", "flaws"),
    [
        pytest.param(b"\x0a\x01k\x12\x04\x0a\x02\xffx", {"k": "�x"}, ("invalid_utf8",), id="value"),
        pytest.param(b"\x0a\x01\xff\x12\x03\x0a\x01x", {"�": "x"}, ("invalid_utf8",), id="key"),
        pytest.param(b"\x0a\x01k\x12\x04\x0a\x02a\x00", {"k": "a�"}, ("nul_character",), id="nul"),
        pytest.param(
            b"\x0a\x01\x00\x12\x03\x0a\x01x", {"�": "x"}, ("nul_character",), id="nul-key"
        ),
        pytest.param(b"\x18\x07\x12\x03\x0a\x01x", {}, ("string_table_index",), id="key-by-index"),
        pytest.param(b"\x0a\x01k\x18\x07", {"k": None}, (), id="key-and-its-index"),
        pytest.param(
            b"\x0a\x01k\x12\x02\x40\x07", {"k": None}, ("string_table_index",), id="index"
        ),
        pytest.param(nested(65, ARRAY), {"k": None}, ("too_deep",), id="65-arrays"),
        pytest.param(nested(5_000, ARRAY), {"k": None}, ("too_deep",), id="5000-arrays"),
        pytest.param(nested(100_000, ARRAY), {"k": None}, ("too_deep",), id="100000-arrays"),
        pytest.param(nested(65, KVLIST), {"k": None}, ("too_deep",), id="65-kvlists"),
        pytest.param(nested(100_000, KVLIST), {"k": None}, ("too_deep",), id="100000-kvlists"),
    ],
)
def test_flawed_attribute_is_repaired_and_harms_no_other_span(
    attribute: bytes, read: Any, flaws: tuple[str, ...]
) -> None:
    body = encode_request(raw_span(1), raw_span(2, encode_field(9, attribute)), raw_span(3))

    before, flawed, after = decode_traces(body).spans

    assert (flawed.attributes, flawed.flaws) == (read, flaws)
    assert (before.flaws, after.flaws) == ((), ())


@pytest.mark.parametrize("levels", [47, 48, 64])
@pytest.mark.parametrize("around", [ARRAY, KVLIST])
def test_nesting_up_to_the_cap_is_read(levels: int, around: tuple[int, ...]) -> None:
    (span,) = decode_traces(
        encode_request(raw_span(1, encode_field(9, nested(levels, around))))
    ).spans

    assert (str(span.attributes["k"]).count("x"), span.flaws) == (1, ())


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(encode_field(9, b"\x0a\x09k"), id="cut"),
        pytest.param(encode_field(9, b"\x0a\x02k"), id="cut-by-one"),
        pytest.param(
            encode_field(9, b"\x0a\x01k\x12\x05\x2a\x03\x0a\x01\x0a"), id="cut-in-an-array"
        ),
        pytest.param(encode_field(9, b"\x0a\x01k\x12\x02\x18\x80"), id="cut-number"),
        pytest.param(encode_field(9, b"\x0a\x01k\x12\x02\x10\x80"), id="cut-truth"),
        pytest.param(
            encode_field(9, b"\x0a\x01k\x12\x0c\x18" + b"\x80" * 11), id="overlong-number"
        ),
        pytest.param(encode_field(9, b"\x0a\x01k\x12\x80"), id="cut-length"),
        pytest.param(encode_field(9, b"\x00"), id="field-zero"),
        pytest.param(encode_field(9, b"\x0f"), id="no-wire-type"),
        pytest.param(encode_field(9, b"\x0b"), id="open-group"),
        pytest.param(encode_field(9, b"\x0b\x14"), id="other-group-ends"),
        pytest.param(encode_field(9, b"\x0c"), id="group-ends"),
        pytest.param(encode_field(11, encode_field(3, b"\x0a\x09k")), id="event-attribute"),
        pytest.param(encode_field(11, b"\xff"), id="event"),
        pytest.param(encode_field(15, b"\xff"), id="status"),
        pytest.param(b"\xff", id="span"),
    ],
)
def test_malformed_span_is_refused_alone(more: bytes) -> None:
    decoded = decode_traces(encode_request(raw_span(1), raw_span(2, more), raw_span(3)))

    assert [span.name for span in decoded.spans] == ["span 1", "span 3"]
    assert [refused.spans for refused in decoded.rejected] == [1]


@pytest.mark.parametrize(
    "bad",
    [{"resource": b"\xff"}, {"resource": encode_field(1, b"\x0a\x09k")}, {"scope": b"\xff"}],
    ids=["resource", "resource-attribute", "scope"],
)
def test_malformed_resource_refuses_its_spans_only(bad: dict[str, bytes]) -> None:
    body = encode_request(raw_span(1), raw_span(2), **bad) + encode_request(raw_span(3))

    decoded = decode_traces(body)

    assert [span.name for span in decoded.spans] == ["span 3"]
    assert decoded.rejected == ((2, "malformed resource or scope"),)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b""}, "trace_id is missing"),
        ({"trace_id": bytes(16)}, "trace_id is all zero"),
        ({"trace_id": b"1"}, "trace_id is not 16 bytes"),
        ({"trace_id": b"1" * 15}, "trace_id is not 16 bytes"),
        ({"trace_id": b"1" * 17}, "trace_id is not 16 bytes"),
        ({"span_id": b""}, "span_id is missing"),
        ({"span_id": b"1" * 7}, "span_id is not 8 bytes"),
        ({"span_id": b"1" * 17}, "span_id is not 8 bytes"),
        ({"span_id": bytes(8)}, "span_id is all zero"),
    ],
)
def test_span_without_identity_is_refused_alone(fields: dict[str, bytes], reason: str) -> None:
    others = [make_span(number) for number in range(2, 200)]

    decoded = decode_traces(encode_spans(make_span(1, **fields), *others))

    assert (len(decoded.spans), decoded.received) == (198, 199)
    assert decoded.rejected == ((1, reason),)


def test_all_bad_spans_are_counted_by_reason() -> None:
    spans = [make_span(1, trace_id=b""), make_span(2, span_id=b""), make_span(3, trace_id=b"")]

    decoded = decode_traces(encode_spans(*spans))

    assert decoded.rejected == ((2, "trace_id is missing"), (1, "span_id is missing"))
    assert decoded.received == 3


@pytest.mark.parametrize(
    ("parent", "read", "flaws"),
    [
        (b"", None, ()),
        (bytes(8), None, ()),
        (b"12345678", b"12345678", ()),
        (b"1234", None, ("invalid_parent_span_id",)),
    ],
)
def test_parent_is_an_id_or_none(parent: bytes, read: bytes | None, flaws: tuple[str, ...]) -> None:
    (span,) = decode_traces(encode_spans(make_span(parent_span_id=parent))).spans

    assert (span.parent_span_id, span.flaws) == (read, flaws)


@pytest.mark.parametrize(
    ("start", "end", "read", "flaws"),
    [
        (5, 9, (5, 9), ()),
        (1, 1, (1, 1), ()),
        (9, 5, (9, 9), ("end_before_start",)),
        (5, 0, (5, 5), ("end_before_start",)),
        (0, 9, (9, 9), ("start_missing",)),
        (0, 0, (0, 0), ("start_missing",)),
        (5, 2**63, (5, 2**63 - 1), ("time_out_of_range",)),
        (5, 2**64 - 1, (5, 2**63 - 1), ("time_out_of_range",)),
        (2**64 - 1, 5, (2**63 - 1,) * 2, ("time_out_of_range", "end_before_start")),
    ],
)
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_impossible_times_are_repaired_and_noted(
    content_type: str, start: int, end: int, read: tuple[int, int], flaws: tuple[str, ...]
) -> None:
    request = ExportTraceServiceRequest.FromString(
        encode_spans(make_span(start_time_unix_nano=start, end_time_unix_nano=end))
    )
    body = otlp_json(request) if content_type == JSON else request.SerializeToString()

    (decoded,) = decode_traces(body, content_type=content_type).spans

    assert ((decoded.start_ns, decoded.end_ns), decoded.flaws) == (read, flaws)


def test_first_of_duplicate_keys_wins_and_is_noted() -> None:
    pairs = [KeyValue(key=key, value=AnyValue(int_value=n)) for n, key in enumerate("kKk")]

    (span,) = decode_traces(encode_spans(make_span(attributes=pairs))).spans

    assert (span.attributes, span.flaws) == ({"k": 0, "K": 1}, ("duplicate_attribute",))


@pytest.mark.parametrize(
    ("members", "value"),
    [
        pytest.param(b"\x0a\x01x\x18\x07", 7, id="string-then-number"),
        pytest.param(b"\x2a\x04\x0a\x02\x18\x01" * 2, (1, 1), id="array-in-parts"),
        pytest.param(b"\x2a\x02\x0a\x00\x18\x07\x2a\x00", (), id="array-anew"),
        pytest.param(b"\x0a\x01x\x0a\x01y", "y", id="string-twice"),
        pytest.param(b"\x10\x80\x01", True, id="long-truth"),
        pytest.param(b"\x10\x80\x00", False, id="long-falsehood"),
        pytest.param(b"\x18\x80\x80\x00", 0, id="long-zero"),
        pytest.param(b"\x18" + b"\xff" * 9 + b"\x01", -1, id="negative"),
    ],
)
def test_oneof_is_read_as_protobuf_does(members: bytes, value: object) -> None:
    pair = b"\x0a\x01k" + encode_field(2, members)

    (span,) = decode_traces(encode_request(raw_span(1, encode_field(9, pair)))).spans

    assert span.attributes == {"k": value}
    assert to_plain(KeyValue.FromString(pair).value) == value


def test_a_log_among_spans_is_refused_alone() -> None:
    body = encode_request(make_log().SerializeToString(), raw_span(1))

    decoded = decode_traces(body)

    assert decoded.rejected == ((1, "trace_id is missing"),)
    assert len(decoded.spans) == 1


def test_flaws_of_resource_scope_status_and_events_are_reported() -> None:
    more = encode_field(15, encode_field(2, b"a\0")) + encode_field(11, encode_field(2, b"\xff"))
    twice = encode_field(1, b"\x0a\x01k") * 2

    (span,) = decode_traces(
        encode_request(raw_span(1, more), resource=twice, scope=encode_field(1, b"\xff"))
    ).spans

    assert span.flaws == ("duplicate_attribute", "invalid_utf8", "nul_character")
    assert (span.status_message, span.scope_name) == ("a�", "�")
    assert span.events == (Event("�", 0, {}),)


def test_large_spans_are_read_whole() -> None:
    pairs = [KeyValue(key=f"k{n}", value=AnyValue(int_value=n)) for n in range(10_000)]
    pairs.append(KeyValue(key="big", value=AnyValue(string_value="x" * (10 << 20))))
    span = make_span(attributes=pairs)
    for n in range(10_000):
        span.events.add(name=f"event {n}")

    (read,) = decode_traces(encode_spans(span)).spans

    assert (len(read.attributes), len(read.events)) == (10_001, 10_000)
    assert read.attributes["big"] == "x" * (10 << 20)


def test_unwanted_spans_are_counted_not_decoded() -> None:
    body = encode_request(raw_span(1), raw_span(2, b"\xff"), raw_span(3))

    decoded = decode_traces(body, wanted=lambda raw: b"span 3" in raw)

    assert (decoded.received, decoded.skipped, decoded.rejected) == (3, 2, ())
    assert [span.name for span in decoded.spans] == ["span 3"]


@pytest.mark.parametrize("wanted_one", [1, 256, 257, 600])
def test_the_one_wanted_among_many_is_found(wanted_one: int) -> None:
    spans = [make_span(name="wanted" if n == wanted_one else "not") for n in range(1, 601)]

    decoded = decode_traces(encode_spans(*spans), wanted=lambda raw: b"wanted" in raw)

    assert ([span.name for span in decoded.spans], decoded.skipped) == (["wanted"], 599)


@pytest.mark.parametrize("wanted", [None, lambda raw: False])
@pytest.mark.parametrize("log", [{}, {"time_unix_nano": 0}, {"observed_time_unix_nano": 0}])
def test_logs_sent_as_traces_are_refused_with_the_right_endpoint(
    log: dict[str, int], wanted: Any
) -> None:
    body = encode_logs(make_log(severity_text="INFO", event_name="e", **log))

    with pytest.raises(BadRequest, match="logs sent to the traces endpoint"):
        decode_traces(body, wanted=wanted)
    assert [log.event_name for log in decode_logs(body).records] == ["e"]


def test_traces_sent_as_logs_are_refused_with_the_right_endpoint() -> None:
    with pytest.raises(BadRequest, match="traces sent to the logs endpoint"):
        decode_logs(encode_spans(make_span()))


@pytest.mark.parametrize("item", [b"\xff", b""], ids=["malformed", "empty"])
def test_what_is_neither_span_nor_log_is_refused_as_a_span(item: bytes) -> None:
    assert sum(refused.spans for refused in decode_traces(encode_request(item)).rejected) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (None, None, ())),
        ({"trace_id": bytes(16), "span_id": bytes(8)}, (None, None, ())),
        ({"trace_id": b"1" * 16, "span_id": b"1" * 8}, (b"1" * 16, b"1" * 8, ())),
        ({"trace_id": b"1"}, (None, None, ("invalid_trace_id",))),
        ({"span_id": b"1"}, (None, None, ("invalid_span_id",))),
        ({"time_unix_nano": 2**64 - 1}, (None, None, ("time_out_of_range",))),
    ],
)
def test_log_need_not_belong_to_a_span(
    fields: dict[str, Any], expected: tuple[object, ...]
) -> None:
    (log,) = decode_logs(encode_logs(make_log(**fields))).records

    assert (log.trace_id, log.span_id, log.flaws) == expected


def test_log_body_in_parts_is_one_body() -> None:
    parts = [
        encode_field(5, encode_field(5, encode_field(1, encode_field(1, part))))
        for part in (b"a", b"b")
    ]

    (log,) = decode_logs(encode_request(make_log().SerializeToString() + b"".join(parts))).records

    assert log.body == ("a", "b")


def test_deep_or_malformed_log_body_is_unknown_alone() -> None:
    deep = nested(100, ARRAY).removeprefix(b"\x0a\x01k\x12")
    good = make_log(event_name="good").SerializeToString()
    deep_log = good + b"\x2a" + deep
    bad_log = good + encode_field(5, b"\x0a\x09")

    decoded = decode_logs(encode_request(good, deep_log, bad_log))

    assert [(log.body, log.flaws) for log in decoded.records] == [
        (None, ()),
        (None, ("too_deep",)),
    ]
    assert sum(refused.spans for refused in decoded.rejected) == 1


@pytest.mark.parametrize("body", [b"", encode_request(), encode_field(1, b"")])
def test_empty_request_has_no_spans(body: bytes) -> None:
    assert (decode_traces(body).received, decode_logs(body).received) == (0, 0)


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'{"resourceSpans": []}', "looks like JSON"),
        (b' {"resourceSpans": []}', "looks like JSON"),
        (b"hello, collector", "not an OTLP protobuf message$"),
        (b"\xff" * 64, "not an OTLP protobuf message$"),
    ],
)
def test_what_is_not_protobuf_is_a_bad_request(body: bytes, hint: str) -> None:
    with pytest.raises(BadRequest, match=hint):
        decode_traces(body)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/x-protobuf", PROTOBUF),
        ("APPLICATION/X-PROTOBUF", PROTOBUF),
        ("application/json; charset=utf-8", JSON),
        (" application/json ;charset=utf-8", JSON),
    ],
)
def test_media_type_is_read_in_any_case_and_with_parameters(
    content_type: str, expected: str
) -> None:
    assert media_type(content_type) == expected


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/octet-stream"])
def test_other_content_types_are_unsupported(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMedia, match="Content-Type must be"):
        media_type(content_type)
