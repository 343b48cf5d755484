from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spantoll.forward.annotate import add_attributes
from spantoll.forward.extents import encode_field
from spantoll.forward.split import count_spans, skip_spans, split_request

PRICE = KeyValue(key="gen_ai.usage.cost.amount", value=AnyValue(double_value=0.5))
NOTE = encode_field(0x4A, PRICE.SerializeToString())
UNKNOWN = b"\xfa\x3e\x03abc\x83\x3f\x08\x01\x84\x3f"
"""Field 1007, and a group, which no message of OTLP has."""

ids = st.binary(min_size=8, max_size=8).filter(any)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    span = Span(
        trace_id=draw(ids) * 2,
        span_id=draw(ids),
        name=draw(names),
        flags=draw(st.integers(0, 2**32 - 1)),
        trace_state=draw(names),
        dropped_events_count=draw(st.integers(0, 9)),
    )
    for name in draw(st.lists(names, max_size=3, unique=True)):
        span.attributes.add(key=name, value=AnyValue(string_value=draw(names)))
        span.events.add(name=name).attributes.add(key=name, value=AnyValue(int_value=-1))
        span.links.add(trace_id=draw(ids) * 2, span_id=draw(ids))
    if draw(st.booleans()):
        span.MergeFromString(UNKNOWN)
    return span


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    export = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        group = export.resource_spans.add(schema_url=draw(names))
        group.resource.attributes.add(key="service.name", value=AnyValue(string_value=draw(names)))
        for _ in range(draw(st.integers(0, 3))):
            scope = group.scope_spans.add(schema_url=draw(names))
            scope.scope.name = draw(names)
            scope.spans.extend(draw(st.lists(spans(), max_size=4)))
            scope.MergeFromString(UNKNOWN)
    return export


def all_spans(export: ExportTraceServiceRequest) -> list[Span]:
    return [
        span
        for group in export.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


@given(requests(), st.data())
def test_only_the_cost_is_added_to_a_request(
    export: ExportTraceServiceRequest, data: st.DataObject
) -> None:
    everything = [(span.trace_id, span.span_id) for span in all_spans(export)]
    billed = set(data.draw(st.lists(st.sampled_from(everything)))) if everything else set()
    body = export.SerializeToString()

    forwarded = add_attributes(body, dict.fromkeys(billed, NOTE))

    for span in all_spans(export):
        if (span.trace_id, span.span_id) in billed:
            span.attributes.append(PRICE)
    assert ExportTraceServiceRequest.FromString(forwarded) == export
    assert len(forwarded) >= len(body)
    assert (forwarded is body) == (not billed)


@given(requests())
def test_bytes_are_identical_if_nothing_is_billed(export: ExportTraceServiceRequest) -> None:
    body = export.SerializeToString() + UNKNOWN

    forwarded = add_attributes(body, {(b"\0" * 16, b"\0" * 8): NOTE})

    assert forwarded == body


@pytest.mark.parametrize(
    "key", ["gen_ai.usage.cost.amount", "gen_ai.usage.cost.source", "spantoll.cost.state"]
)
def test_a_span_that_has_a_cost_keeps_it(key: str) -> None:
    export = ExportTraceServiceRequest()
    span = export.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16)
    span.span_id = b"s" * 8
    span.attributes.add(key=key, value=AnyValue(double_value=0.1))
    body = export.SerializeToString()

    forwarded = add_attributes(body, {(b"t" * 16, b"s" * 8): NOTE})

    assert forwarded == body


def test_a_name_that_contains_a_cost_key_is_not_a_cost() -> None:
    export = ExportTraceServiceRequest()
    span = export.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16)
    span.span_id = b"s" * 8
    span.name = "gen_ai.usage.cost.amount"

    forwarded = add_attributes(export.SerializeToString(), {(b"t" * 16, b"s" * 8): NOTE})

    span.attributes.append(PRICE)
    assert ExportTraceServiceRequest.FromString(forwarded) == export


def test_ids_are_found_after_other_fields() -> None:
    span = Span(trace_id=b"t" * 16, name="late ids")
    raw = span.SerializeToString() + encode_field(0x12, b"s" * 8)
    body = encode_field(0x0A, encode_field(0x12, encode_field(0x12, raw)))

    forwarded = add_attributes(body, {(b"t" * 16, b"s" * 8): NOTE})

    assert forwarded == encode_field(0x0A, encode_field(0x12, encode_field(0x12, raw + NOTE)))


@given(requests(), st.integers(150, 2_000))
def test_parts_are_within_the_limit_and_hold_every_span_once(
    export: ExportTraceServiceRequest, limit_bytes: int
) -> None:
    body = export.SerializeToString()

    parts = list(split_request(body, limit_bytes, spans=len(all_spans(export))))

    read = [ExportTraceServiceRequest.FromString(part.body) for part in parts]
    assert [span for part in read for span in all_spans(part)] == all_spans(export)
    assert [part.spans for part in parts] == [len(all_spans(part)) for part in read]
    for part in parts:
        assert len(part.body) <= limit_bytes or part.spans <= 1


@given(requests(), st.integers(150, 2_000), st.data())
def test_a_request_is_continued_after_any_part(
    export: ExportTraceServiceRequest, limit_bytes: int, data: st.DataObject
) -> None:
    body, spans = export.SerializeToString(), len(all_spans(export))
    sent = data.draw(st.integers(0, spans))

    rest = list(split_request(body, limit_bytes, spans=spans, skip=sent))

    read = [ExportTraceServiceRequest.FromString(part.body) for part in rest]
    assert [span for part in read for span in all_spans(part)] == all_spans(export)[sent:]
    assert sum(part.spans for part in rest) == spans - sent


def test_resources_and_scopes_whose_spans_are_skipped_are_left_out() -> None:
    export = ExportTraceServiceRequest()
    for name in ("first", "second"):
        scope = export.resource_spans.add().scope_spans.add()
        scope.spans.add(name=name)

    rest = skip_spans(export.SerializeToString(), 1)

    [group] = ExportTraceServiceRequest.FromString(rest).resource_spans
    assert [span.name for span in group.scope_spans[0].spans] == ["second"]
    assert count_spans(rest) == 1


def test_a_request_within_the_limit_is_not_divided() -> None:
    body = b"\x0a\x00"

    [part] = split_request(body, 2, spans=0)
    assert part.body is body
