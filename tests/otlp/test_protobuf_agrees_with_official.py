from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OfficialSpan

from spantoll.errors import BadRequest, UnsupportedMedia
from spantoll.otlp import Event, Span, decode_logs, decode_traces
from spantoll.semconv.dialect import AttributeValue

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
REQUESTS = sorted(CORPUS.glob("*/*/request-*.pb"))

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
INT64 = st.integers(-(2**63), 2**63 - 1)


def any_values() -> st.SearchStrategy[AnyValue]:
    scalars = st.one_of(
        TEXT.map(lambda v: AnyValue(string_value=v)),
        INT64.map(lambda v: AnyValue(int_value=v)),
        st.booleans().map(lambda v: AnyValue(bool_value=v)),
        st.floats(allow_nan=False).map(lambda v: AnyValue(double_value=v)),
        st.binary(max_size=9).map(lambda v: AnyValue(bytes_value=v)),
        st.just(AnyValue()),
    )
    return st.recursive(scalars, nested, max_leaves=6)


def nested(inner: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
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
        kind=draw(st.integers(0, 5)),  # type: ignore[arg-type]  # protobuf enums are ints
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.integers(0, 2**61)),
        attributes=draw(attributes()),
    )
    if draw(st.booleans()):
        span.status.code = draw(st.integers(0, 2))  # type: ignore[assignment]
        span.status.message = draw(TEXT)
    if draw(st.booleans()):
        span.events.add(name=draw(TEXT), time_unix_nano=start, attributes=draw(attributes()))
    return span


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = request.resource_spans.add()
        group.resource.attributes.extend(draw(attributes()))
        scope = group.scope_spans.add(schema_url=draw(TEXT))
        scope.scope.name, scope.scope.version = draw(TEXT), draw(TEXT)
        scope.spans.extend(draw(st.lists(spans(), max_size=3)))
    return request


def plain(value: AnyValue) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(plain(each) for each in value.array_value.values)
    if kind == "kvlist_value":
        return mapping(list(value.kvlist_value.values))
    found: AttributeValue = getattr(value, kind) if kind else None
    return found


def mapping(pairs: list[KeyValue]) -> dict[str, AttributeValue]:
    return {pair.key: plain(pair.value) for pair in pairs}


def official(request: ExportTraceServiceRequest) -> list[Span]:
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
            mapping(list(span.attributes)),
            tuple(
                Event(e.name, e.time_unix_nano, mapping(list(e.attributes))) for e in span.events
            ),
            mapping(list(group.resource.attributes)),
            scope.scope.name,
            scope.scope.version,
            scope.schema_url,
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def one(span: OfficialSpan, *others: OfficialSpan) -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend([span, *others])
    return request.SerializeToString()


def span_of(number: int = 1, **fields: object) -> OfficialSpan:
    ids = {"trace_id": bytes([number]) * 16, "span_id": bytes([number]) * 8}
    times = {"start_time_unix_nano": 5, "end_time_unix_nano": 9}
    return OfficialSpan(**{**ids, **times, "name": f"span {number}", **fields})  # type: ignore[arg-type]


@given(requests())
def test_both_decoders_agree_on_every_field(request: ExportTraceServiceRequest) -> None:
    decoded = decode_traces(request.SerializeToString())

    assert list(decoded.spans) == official(request)
    assert decoded.rejected == ()


@pytest.mark.parametrize("setup", sorted({path.parts[-3] for path in REQUESTS}))
def test_both_decoders_agree_on_captured_requests(setup: str) -> None:
    for path in (CORPUS / setup).glob("*/request-*.pb"):
        body = path.read_bytes()

        # repr, because one AI SDK writes NaN
        expected = official(ExportTraceServiceRequest.FromString(body))
        read = list(decode_traces(body).spans)
        assert repr(expected) == repr(read)


def test_request_cut_anywhere_is_refused_or_read_in_part() -> None:
    body = one(span_of(1), span_of(2))

    for end in range(len(body)):
        try:
            decoded = decode_traces(body[:end])
        except BadRequest:
            continue
        assert decoded.received <= 2
        assert all(span.name in ("span 1", "span 2") for span in decoded.spans)


def poisoned(attribute: bytes) -> bytes:
    """A request of three spans, the second with `attribute` as its raw KeyValue."""
    middle = span_of(2).SerializeToString() + b"\x4a" + varint(len(attribute)) + attribute
    spans = (span_of(1).SerializeToString(), middle, span_of(3).SerializeToString())
    scope = b"".join(b"\x12" + varint(len(raw)) + raw for raw in spans)
    group = b"\x12" + varint(len(scope)) + scope
    return b"\x0a" + varint(len(group)) + group


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def deep(levels: int) -> bytes:
    value = b"\x0a\x01x"
    for _ in range(levels):
        value = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(value)) + value
    return b"\x0a\x01k\x12" + varint(len(value)) + value


@pytest.mark.parametrize(
    ("attribute", "flaw"),
    [
        pytest.param(b"\x0a\x01k\x12\x04\x0a\x02\xff\xfe", "invalid_utf8", id="value-not-utf8"),
        pytest.param(b"\x0a\x02\xff\xfe\x12\x03\x0a\x01x", "invalid_utf8", id="key-not-utf8"),
        pytest.param(b"\x0a\x01k\x12\x04\x0a\x02a\x00", "nul_character", id="nul"),
        pytest.param(deep(100), "too_deep", id="100-levels"),
        pytest.param(deep(5_000), "too_deep", id="5000-levels"),
        pytest.param(b"\x18\x07\x12\x03\x0a\x01x", "string_table_index", id="key-by-index"),
    ],
)
def test_poison_span_is_kept_and_noted_and_costs_no_neighbour(attribute: bytes, flaw: str) -> None:
    decoded = decode_traces(poisoned(attribute))

    assert [span.name for span in decoded.spans] == ["span 1", "span 2", "span 3"]
    assert [span.flaws for span in decoded.spans] == [(), (flaw,), ()]


def test_malformed_attribute_refuses_its_span_only() -> None:
    decoded = decode_traces(poisoned(b"\x0a\x09k"))

    assert [span.name for span in decoded.spans] == ["span 1", "span 3"]
    assert sum(each.spans for each in decoded.rejected) == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b""}, "trace_id is missing"),
        ({"trace_id": bytes(16)}, "trace_id is all zero"),
        ({"trace_id": b"1" * 15}, "trace_id is not 16 bytes"),
        ({"span_id": b"1" * 17}, "span_id is not 8 bytes"),
        ({"span_id": bytes(8)}, "span_id is all zero"),
    ],
)
def test_span_without_identity_is_refused_alone(fields: dict[str, bytes], reason: str) -> None:
    decoded = decode_traces(one(span_of(1, **fields), span_of(2)))

    assert [span.name for span in decoded.spans] == ["span 2"]
    assert [(each.spans, each.reason) for each in decoded.rejected] == [(1, reason)]


@pytest.mark.parametrize(
    ("start", "end", "read", "flaws"),
    [
        (5, 9, (5, 9), ()),
        (9, 5, (9, 9), ("end_before_start",)),
        (5, 0, (5, 5), ("end_before_start",)),
        (0, 9, (9, 9), ("start_missing",)),
        (5, 2**64 - 1, (5, 2**63 - 1), ("time_out_of_range",)),
    ],
)
def test_impossible_times_are_repaired_and_noted(
    start: int, end: int, read: tuple[int, int], flaws: tuple[str, ...]
) -> None:
    body = one(span_of(start_time_unix_nano=start, end_time_unix_nano=end))

    (span,) = decode_traces(body).spans

    assert ((span.start_ns, span.end_ns), span.flaws) == (read, flaws)


def test_first_of_duplicate_keys_wins_and_is_noted() -> None:
    pairs = [KeyValue(key="k", value=AnyValue(int_value=n)) for n in (1, 2)]

    (span,) = decode_traces(one(span_of(attributes=pairs))).spans

    assert (span.attributes, span.flaws) == ({"k": 1}, ("duplicate_attribute",))


def test_large_spans_are_read_whole() -> None:
    pairs = [KeyValue(key=f"k{n}", value=AnyValue(int_value=n)) for n in range(10_000)]
    pairs.append(KeyValue(key="big", value=AnyValue(string_value="x" * (10 << 20))))

    (span,) = decode_traces(one(span_of(attributes=pairs))).spans

    assert len(span.attributes) == 10_001
    assert math.isclose(len(str(span.attributes["big"])), 10 << 20)


def test_unwanted_spans_are_counted_not_decoded() -> None:
    decoded = decode_traces(one(span_of(1), span_of(2)), wanted=lambda raw: b"span 2" in raw)

    assert (decoded.received, decoded.skipped) == (2, 1)
    assert [span.name for span in decoded.spans] == ["span 2"]


@pytest.mark.parametrize("body", [b"", ExportTraceServiceRequest().SerializeToString()])
def test_empty_request_has_no_spans(body: bytes) -> None:
    assert decode_traces(body).received == 0


def test_json_sent_as_protobuf_is_told_so() -> None:
    with pytest.raises(BadRequest, match="looks like JSON"):
        decode_traces(b'{"resourceSpans": []}')


def test_logs_sent_as_traces_are_told_so() -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(
        time_unix_nano=5, observed_time_unix_nano=6, severity_text="INFO", event_name="e"
    )
    body = request.SerializeToString()

    with pytest.raises(BadRequest, match="logs sent to the traces endpoint"):
        decode_traces(body)
    assert [log.event_name for log in decode_logs(body).records] == ["e"]


def test_traces_sent_as_logs_are_told_so() -> None:
    with pytest.raises(BadRequest, match="traces sent to the logs endpoint"):
        decode_logs(one(span_of()))


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream"])
def test_other_content_types_are_unsupported(content_type: str) -> None:
    with pytest.raises(UnsupportedMedia):
        decode_traces(b"", content_type=content_type)
