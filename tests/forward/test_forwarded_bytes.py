from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spantoll.forward.annotate import annotate
from spantoll.forward.extents import delimited
from spantoll.forward.split import split

PRICE = KeyValue(key="gen_ai.usage.cost.amount", value=AnyValue(double_value=0.5))
NOTE = delimited(0x4A, PRICE.SerializeToString())
UNKNOWN = b"\xfa\x3e\x03abc\x83\x3f\x08\x01\x84\x3f"
"""Field 1007, and a group, which no message of OTLP has."""

unhurried = settings(deadline=None, max_examples=100)
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


@unhurried
@given(requests(), st.data())
def test_only_the_price_is_added_to_what_came(
    export: ExportTraceServiceRequest, data: st.DataObject
) -> None:
    everything = [(span.trace_id, span.span_id) for span in all_spans(export)]
    billed = set(data.draw(st.lists(st.sampled_from(everything)))) if everything else set()
    body = export.SerializeToString()

    forwarded = annotate(body, dict.fromkeys(billed, NOTE))

    for span in all_spans(export):
        if (span.trace_id, span.span_id) in billed:
            span.attributes.append(PRICE)
    assert ExportTraceServiceRequest.FromString(forwarded) == export
    assert len(forwarded) >= len(body)
    assert (forwarded is body) == (not billed)


@unhurried
@given(requests())
def test_bytes_are_identical_where_nothing_is_billed(export: ExportTraceServiceRequest) -> None:
    body = export.SerializeToString() + UNKNOWN

    forwarded = annotate(body, {(b"\0" * 16, b"\0" * 8): NOTE})

    assert forwarded == body


@pytest.mark.parametrize(
    "key", ["gen_ai.usage.cost.amount", "gen_ai.usage.cost.source", "spantoll.cost.unpriced"]
)
def test_a_span_that_has_a_price_keeps_it(key: str) -> None:
    export = ExportTraceServiceRequest()
    span = export.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16)
    span.span_id = b"s" * 8
    span.attributes.add(key=key, value=AnyValue(double_value=0.1))
    body = export.SerializeToString()

    forwarded = annotate(body, {(b"t" * 16, b"s" * 8): NOTE})

    assert forwarded == body


def test_text_that_speaks_of_a_price_is_no_price() -> None:
    export = ExportTraceServiceRequest()
    span = export.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16)
    span.span_id = b"s" * 8
    span.name = "gen_ai.usage.cost.amount"

    forwarded = annotate(export.SerializeToString(), {(b"t" * 16, b"s" * 8): NOTE})

    span.attributes.append(PRICE)
    assert ExportTraceServiceRequest.FromString(forwarded) == export


def test_ids_are_found_wherever_they_stand() -> None:
    span = Span(trace_id=b"t" * 16, name="late ids")
    raw = span.SerializeToString() + delimited(0x12, b"s" * 8)
    body = delimited(0x0A, delimited(0x12, delimited(0x12, raw)))

    forwarded = annotate(body, {(b"t" * 16, b"s" * 8): NOTE})

    assert forwarded == delimited(0x0A, delimited(0x12, delimited(0x12, raw + NOTE)))


@unhurried
@given(requests(), st.integers(150, 2_000))
def test_parts_are_within_the_limit_and_hold_every_span_once(
    export: ExportTraceServiceRequest, limit_bytes: int
) -> None:
    body = export.SerializeToString()

    parts = split(body, limit_bytes)

    read = [ExportTraceServiceRequest.FromString(part) for part in parts]
    assert [span for part in read for span in all_spans(part)] == all_spans(export)
    for part, raw in zip(read, parts, strict=True):
        assert len(raw) <= limit_bytes or len(all_spans(part)) <= 1


def test_what_is_small_enough_is_not_touched() -> None:
    body = b"\x0a\x00"

    assert split(body, 2) == [body]
