"""The lenient protobuf decoder agrees with the official classes on every field."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import assume, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spantoll.errors import BadRequest
from spantoll.otlp import attributes as memo
from spantoll.otlp import decode_logs, decode_traces
from spantoll.otlp.attributes import any_value, attributes
from spantoll.otlp.protobuf import _read_context
from spantoll.otlp.wire import Malformed
from tests.otlp.conftest import (
    CORPUS,
    SETUPS,
    any_values,
    encode_field,
    encode_request,
    encode_spans,
    encode_varint,
    log_requests,
    make_span,
    official_logs,
    official_spans,
    requests,
    to_mapping,
    to_plain,
    without_deadline,
)
from tests.otlp.conftest import (
    attributes as key_values,
)

UNKNOWN = st.sampled_from(
    [
        encode_varint(999 << 3) + b"\x05",
        encode_varint(999 << 3 | 1) + b"12345678",
        encode_field(999, b"later"),
        encode_varint(999 << 3 | 5) + b"1234",
        encode_varint(999 << 3 | 3) + encode_field(1, b"inside") + encode_varint(999 << 3 | 4),
        # Known numbers in wire types that are not theirs.
        encode_varint(1 << 3) + b"\x01",
        encode_varint(3 << 3 | 2) + b"\x01x",
        encode_varint(4 << 3 | 5) + b"1234",
    ]
)
"""Encoded fields that a reader has to step over."""


def in_parts() -> st.SearchStrategy[bytes]:
    """AnyValues as the wire allows: members set again and again, messages in parts."""
    return st.lists(any_values().map(AnyValue.SerializeToString) | UNKNOWN, max_size=4).map(
        b"".join
    )


@without_deadline
@given(requests())
def test_both_decoders_agree_on_every_field(request: ExportTraceServiceRequest) -> None:
    decoded = decode_traces(request.SerializeToString())

    assert list(decoded.spans) == official_spans(request)
    assert decoded.rejected == ()


@without_deadline
@given(log_requests())
def test_both_decoders_agree_on_every_log_record(request: ExportLogsServiceRequest) -> None:
    decoded = decode_logs(request.SerializeToString())

    assert list(decoded.records) == official_logs(request)
    assert decoded.received == len(decoded.records)


@pytest.mark.parametrize("setup", SETUPS)
def test_both_decoders_agree_on_captured_requests(setup: str) -> None:
    for path in (CORPUS / setup).glob("*/request-*.pb"):
        body = path.read_bytes()

        read = list(decode_traces(body).spans)

        # repr, because one AI SDK writes NaN
        assert repr(official_spans(ExportTraceServiceRequest.FromString(body))) == repr(read)


@without_deadline
@given(in_parts())
def test_members_sent_twice_are_read_as_protobuf_does(raw: bytes) -> None:
    assert repr(to_plain(AnyValue.FromString(raw))) == repr(any_value(raw, []))


@without_deadline
@given(st.lists(st.tuples(st.sampled_from("ab"), in_parts()), max_size=4), UNKNOWN)
def test_pairs_sent_in_parts_are_read_as_protobuf_does(
    pairs: list[tuple[str, bytes]], unknown: bytes
) -> None:
    raws = [
        unknown + encode_field(2, value) + encode_field(1, key.encode()) + encode_field(2, b"")
        for key, value in pairs
    ]

    expected = to_mapping([KeyValue.FromString(raw) for raw in raws])

    assert repr(expected) == repr(attributes(raws, []))


@without_deadline
@given(st.data(), any_values())
def test_damaged_attributes_are_malformed_only_where_protobuf_says_so(
    data: st.DataObject, value: AnyValue
) -> None:
    raw = bytearray(KeyValue(key="k", value=value).SerializeToString())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(raw)))
    damaged = bytes(raw[:end])
    try:
        expected = to_mapping([KeyValue.FromString(damaged)])
    except DecodeError:
        expected = None

    flaws: list[str] = []
    try:
        read = attributes([damaged], flaws)
    except Malformed:
        assert expected is None
    else:
        # What protobuf refuses and we read, is text that is none.
        assume(expected is not None)
        assume("nul_character" not in flaws)
        assert repr(expected) == repr(read)


@without_deadline
@given(st.lists(key_values(), max_size=4))
def test_memo_returns_the_same_values_again(pairs: list[list[KeyValue]]) -> None:
    encoded = [[pair.SerializeToString() for pair in each] for each in pairs]

    first = [attributes(each, []) for each in encoded]
    again = [attributes(each, []) for each in encoded]

    assert repr(first) == repr(again)


def test_memo_stays_bounded_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "MAX_ENTRIES", 10)
    memo._memo.clear()  # other tests filled it beyond the bound of this one
    pairs = [KeyValue(key=f"k{n}", value=AnyValue(int_value=n)) for n in range(100)]
    raws = [pair.SerializeToString() for pair in pairs]

    read = [attributes([raw, raws[0]], []) for raw in raws]

    assert [each[f"k{n}"] for n, each in enumerate(read)] == list(range(100))
    again = [attributes([raw], []) for raw in reversed(raws)]
    assert again == [{f"k{n}": n} for n in reversed(range(100))]
    assert len(memo._memo) <= 10


def test_long_attributes_are_not_kept() -> None:
    raw = KeyValue(key="long", value=AnyValue(string_value="x" * 300)).SerializeToString()

    assert attributes([raw], []) == {"long": "x" * 300}
    assert raw not in memo._memo


@pytest.mark.parametrize("key", sorted(memo.UNREPEATED))
def test_ids_that_differ_in_every_span_are_not_kept(key: str) -> None:
    raw = KeyValue(key=key, value=AnyValue(string_value="resp_68a1")).SerializeToString()

    assert attributes([raw], []) == {key: "resp_68a1"}
    assert raw not in memo._memo


def test_unknown_fields_are_ignored_at_every_level() -> None:
    later = encode_field(999, b"later")
    span = make_span(attributes=[KeyValue(key="k", value=AnyValue(int_value=1))])
    body = later + encode_request(span.SerializeToString() + later, resource=later, scope=later)

    assert decode_traces(body).spans == decode_traces(encode_spans(span)).spans


def test_request_cut_anywhere_is_refused_or_read_in_part() -> None:
    body = encode_spans(make_span(1), make_span(2))

    for end in range(len(body)):
        try:
            decoded = decode_traces(body[:end])
        except BadRequest:
            continue
        assert (end, decoded.received) == (0, 0)


def test_cut_between_resources_leaves_the_intact_prefix() -> None:
    first, second = encode_spans(make_span(1)), encode_spans(make_span(2))

    decoded = decode_traces((first + second)[: len(first)])

    assert [span.name for span in decoded.spans] == ["span 1"]


def test_large_resources_are_read_though_not_kept() -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="k").value.string_value = "x" * 10_000
    group.scope_spans.add().spans.extend([make_span(1)])

    kept = _read_context.cache_info().currsize

    (span,) = decode_traces(request.SerializeToString()).spans

    assert span.resource == {"k": "x" * 10_000}
    assert _read_context.cache_info().currsize == kept
