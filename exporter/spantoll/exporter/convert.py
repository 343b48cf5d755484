"""Spans of the OpenTelemetry SDK -> decoded OTLP spans.

Input: finished `ReadableSpan`s of this process. Output: `otlp.Span`s, equal to those that would be
decoded if the SDK had sent them over OTLP: the same limits and repairs of times apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from spantoll.otlp import Event, Span
from spantoll.otlp.rules import clamp_time, list_distinct, repair_times
from spantoll.otlp.text import from_str
from spantoll.semconv.dialect import AttributeValue

__all__ = ["to_spans"]

SDK_KIND_OFFSET = 1
"""The SDK counts span kinds from INTERNAL = 0, OTLP from UNSPECIFIED = 0."""


def to_spans(spans: Iterable[ReadableSpan]) -> Iterator[Span]:
    """Convert finished spans of this process, as if they had come over OTLP."""
    for span in spans:
        # Without a context a span has no identity; the SDK makes none like that.
        if (context := span.get_span_context()) is not None:
            yield _span(span, context)


def _span(span: ReadableSpan, context: SpanContext) -> Span:
    flaws: list[str] = []
    start_ns, end_ns = repair_times(span.start_time or 0, span.end_time or 0, flaws)
    scope = span.instrumentation_scope
    return Span(
        trace_id=context.trace_id.to_bytes(16),
        span_id=context.span_id.to_bytes(8),
        parent_span_id=span.parent.span_id.to_bytes(8) if span.parent else None,
        name=from_str(str(span.name), flaws),
        kind=span.kind.value + SDK_KIND_OFFSET,
        start_ns=start_ns,
        end_ns=end_ns,
        status_code=span.status.status_code.value,
        status_message=from_str(span.status.description or "", flaws),
        attributes=_mapping(span.attributes, flaws),
        events=[
            Event(
                from_str(str(event.name), flaws),
                clamp_time(event.timestamp, flaws),
                _mapping(event.attributes, flaws),
            )
            for event in span.events
        ],
        resource=_mapping(span.resource.attributes, flaws),
        scope_name=scope.name if scope else "",
        scope_version=(scope.version or "") if scope else "",
        schema_url=(scope.schema_url or "") if scope else "",
        flaws=list_distinct(flaws),
    )


def _mapping(values: Mapping[str, object] | None, flaws: list[str]) -> dict[str, AttributeValue]:
    return {from_str(key, flaws): _value(value, flaws) for key, value in (values or {}).items()}


def _value(value: object, flaws: list[str]) -> AttributeValue:
    if isinstance(value, str):
        return from_str(value, flaws)
    if isinstance(value, bool | int | float | bytes):
        return value
    if isinstance(value, Mapping):
        return _mapping(value, flaws)
    if isinstance(value, Sequence):
        return tuple(_value(item, flaws) for item in value)
    return None
