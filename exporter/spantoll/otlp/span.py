"""The values that decoding returns, whichever encoding a request came in.

`Span` and `Event` carry what `opentelemetry/proto/trace/v1` defines and the ledger reads; `Decoded`
is the result for one export request, with the spans that were rejected and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spantoll.semconv.dialect import AttributeValue

__all__ = ["Decoded", "Event", "Rejected", "Span"]


class Event(NamedTuple):
    """One span event, its attributes decoded."""

    name: str
    time_ns: int
    attributes: Mapping[str, AttributeValue]


class Span(NamedTuple):
    """One decoded OTLP span: ids as bytes, times in UTC nanoseconds, attributes as a plain dict."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status_code: int
    status_message: str
    attributes: Mapping[str, AttributeValue]
    events: Sequence[Event]
    resource: Mapping[str, AttributeValue]
    scope_name: str
    scope_version: str
    schema_url: str
    flaws: tuple[str, ...] = ()
    """What was repaired while decoding: `duplicate_attribute`, `invalid_utf8`, `end_before_start`,
    `time_out_of_range`, `truncated` ..."""


class Rejected(NamedTuple):
    """Spans that can never be stored, with the reason that is sent back."""

    spans: int
    reason: str


class Decoded(NamedTuple):
    """One export request: what can be read, what was skipped, what was refused.

    `received == len(spans) + skipped + sum(r.spans for r in rejected)`.
    """

    spans: Sequence[Span]
    received: int
    skipped: int
    """Spans that cannot be GenAI spans: acknowledged, not looked at further."""
    rejected: Sequence[Rejected]
    warning: str = ""
    """For `partial_success.error_message` with nothing rejected, e.g. snake_case JSON keys."""
