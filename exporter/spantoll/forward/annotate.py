from __future__ import annotations

from collections.abc import Mapping

from spantoll.forward.extents import delimited, extents, header

__all__ = ["ATTRIBUTE", "CHILD", "SpanKey", "annotate"]

SpanKey = tuple[bytes, bytes]
"""Trace id and span id."""

CHILD = (0x0A, 0x12, 0x12)
"""Tags of ResourceSpans in a request, ScopeSpans in those, Spans in these (opentelemetry-proto)."""

TRACE_ID, SPAN_ID, ATTRIBUTE = 0x0A, 0x12, 0x4A
KEY = 0x0A
COST, UNPRICED = b"gen_ai.usage.cost.", b"spantoll.cost."
SPANS = 2
"""Where spans are in CHILD."""


def annotate(body: bytes, notes: Mapping[SpanKey, bytes]) -> bytes:
    """Append encoded attribute fields to the spans named; all other bytes stay as they came.

    A span that has a price already, its provider's or an earlier hop's, keeps that and gets none:
    two attributes of one key are not allowed.
    """
    return _inside(body, notes, 0) if notes else body


def _inside(message: bytes, notes: Mapping[SpanKey, bytes], depth: int) -> bytes:
    if depth == SPANS:
        return _spans(message, notes)
    chunks: list[bytes] = []
    copied = 0
    for tag, start, content, end in extents(message):
        if tag != CHILD[depth]:
            continue
        child = message[content:end]
        changed = _inside(child, notes, depth + 1)
        if changed is not child:
            chunks += message[copied:start], delimited(tag, changed)
            copied = end
    if not copied:
        return message
    chunks.append(message[copied:])
    return b"".join(chunks)


def _spans(scope: bytes, notes: Mapping[SpanKey, bytes]) -> bytes:
    """As `_inside` for the spans of a scope: there are most of them, so it is written out."""
    chunks: list[bytes] = []
    copied = 0
    for tag, start, content, end in extents(scope):
        if tag != CHILD[SPANS]:
            continue
        first = content + 2
        # All senders write the ids first: walking every span for them would cost the most here.
        if scope[content:first] == b"\x0a\x10" and scope[first + 16 : first + 18] == b"\x12\x08":
            key = (scope[first : first + 16], scope[first + 18 : first + 26])
        else:
            key = _key(scope[content:end])
        note = notes.get(key)
        if note is None or _has_price(scope, content, end):
            continue
        chunks += scope[copied:start], header(tag, end - content + len(note)), scope[content:end]
        chunks.append(note)
        copied = end
    if not copied:
        return scope
    chunks.append(scope[copied:])
    return b"".join(chunks)


def _key(span: bytes) -> SpanKey:
    trace_id = span_id = b""
    for tag, _, content, end in extents(span):
        if tag == TRACE_ID:
            trace_id = span[content:end]
        elif tag == SPAN_ID:
            span_id = span[content:end]
    return trace_id, span_id


def _has_price(scope: bytes, content: int, end: int) -> bool:
    # Most spans do not even speak of one.
    if scope.find(COST, content, end) < 0 and scope.find(UNPRICED, content, end) < 0:
        return False
    for tag, _, first, last in extents(scope[content:end]):
        if tag == ATTRIBUTE:
            pair = scope[content + first : content + last]
            for name, _, begin, finish in extents(pair):
                if name == KEY and pair[begin:finish].startswith((COST, UNPRICED)):
                    return True
    return False
