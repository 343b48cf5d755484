"""Adds attributes to the spans of an encoded request; every other byte stays as it came.

The request is not decoded: fields that this version does not know arrive at the target unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping

from spantoll.forward.extents import encode_field, encode_field_header, iterate_fields

__all__ = ["ATTRIBUTE", "CHILD", "SPANS", "SpanKey", "add_attributes"]

SpanKey = tuple[bytes, bytes]
"""Trace id and span id."""

CHILD = (0x0A, 0x12, 0x12)
"""Tags of ResourceSpans in a request, ScopeSpans in those, Spans in these (opentelemetry-proto)."""

TRACE_ID, SPAN_ID, ATTRIBUTE = 0x0A, 0x12, 0x4A
KEY = 0x0A
COST, STATE = b"gen_ai.usage.cost.", b"spantoll.cost."
SPANS = 2
"""The position of spans in CHILD."""


def add_attributes(body: bytes, attributes: Mapping[SpanKey, bytes]) -> bytes:
    """Append encoded attribute fields to the spans named.

    A span that has a cost attribute already, from its provider or an earlier hop, keeps that and
    gets none: attribute keys are unique (OpenTelemetry specification, common/README.md).
    """
    return _add_within(body, attributes, 0) if attributes else body


def _add_within(message: bytes, attributes: Mapping[SpanKey, bytes], depth: int) -> bytes:
    if depth == SPANS:
        return _add_to_spans(message, attributes)
    chunks: list[bytes] = []
    copied = 0
    for tag, start, content, end in iterate_fields(message):
        if tag != CHILD[depth]:
            continue
        child = message[content:end]
        changed = _add_within(child, attributes, depth + 1)
        if changed is not child:
            chunks += message[copied:start], encode_field(tag, changed)
            copied = end
    if not copied:
        return message
    chunks.append(message[copied:])
    return b"".join(chunks)


def _add_to_spans(scope: bytes, attributes: Mapping[SpanKey, bytes]) -> bytes:
    """As `_add_within` for the spans of a scope, the loop that takes the time."""
    chunks: list[bytes] = []
    copied = 0
    for tag, start, content, end in iterate_fields(scope):
        if tag != CHILD[SPANS]:
            continue
        first = content + 2
        # Known senders write the ids first; walking each span for them would cost the most here.
        if scope[content:first] == b"\x0a\x10" and scope[first + 16 : first + 18] == b"\x12\x08":
            key = (scope[first : first + 16], scope[first + 18 : first + 26])
        else:
            key = _read_key(scope[content:end])
        added = attributes.get(key)
        if added is None or _has_cost(scope, content, end):
            continue
        header = encode_field_header(tag, end - content + len(added))
        chunks += scope[copied:start], header, scope[content:end], added
        copied = end
    if not copied:
        return scope
    chunks.append(scope[copied:])
    return b"".join(chunks)


def _read_key(span: bytes) -> SpanKey:
    trace_id = span_id = b""
    for tag, _, content, end in iterate_fields(span):
        if tag == TRACE_ID:
            trace_id = span[content:end]
        elif tag == SPAN_ID:
            span_id = span[content:end]
    return trace_id, span_id


def _has_cost(scope: bytes, content: int, end: int) -> bool:
    # Most spans do not contain the text, which is faster to look for.
    if scope.find(COST, content, end) < 0 and scope.find(STATE, content, end) < 0:
        return False
    for tag, _, first, last in iterate_fields(scope[content:end]):
        if tag == ATTRIBUTE:
            pair = scope[content + first : content + last]
            for name, _, begin, finish in iterate_fields(pair):
                if name == KEY and pair[begin:finish].startswith((COST, STATE)):
                    return True
    return False
