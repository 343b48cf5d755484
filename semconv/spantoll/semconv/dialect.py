"""Interfaces: what a dialect is, and what it may see of spans and log records.

`spantoll.otlp` and the in-process exporter have values of these forms; nothing here has code, so
that the application that only emits loads no decoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from spantoll.semconv.call import ModelCall

__all__ = ["AttributeValue", "Dialect", "LogView", "SpanEvent", "SpanView"]

AttributeValue = (
    str
    | bool
    | int
    | float
    | bytes
    | None
    | Sequence["AttributeValue"]
    | Mapping[str, "AttributeValue"]
)


class SpanEvent(Protocol):
    """One span event."""

    @property
    def name(self) -> str: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def attributes(self) -> Mapping[str, AttributeValue]: ...


class SpanView(Protocol):
    """What a dialect may see of a span; `spantoll.otlp.Span` is one."""

    @property
    def trace_id(self) -> bytes: ...
    @property
    def span_id(self) -> bytes: ...
    @property
    def parent_span_id(self) -> bytes | None: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> int:
        """OTLP SpanKind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer."""

    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def status_code(self) -> int:
        """0 unset, 1 ok, 2 error."""

    @property
    def status_message(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, AttributeValue]: ...
    @property
    def events(self) -> Sequence[SpanEvent]: ...
    @property
    def resource(self) -> Mapping[str, AttributeValue]: ...
    @property
    def scope_name(self) -> str: ...
    @property
    def scope_version(self) -> str: ...


class LogView(Protocol):
    """What may be seen of an OTLP log record; `spantoll.otlp.LogRecord` is one."""

    @property
    def trace_id(self) -> bytes | None: ...
    @property
    def span_id(self) -> bytes | None: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def observed_ns(self) -> int: ...
    @property
    def event_name(self) -> str: ...
    @property
    def body(self) -> AttributeValue: ...
    @property
    def attributes(self) -> Mapping[str, AttributeValue]: ...
    @property
    def resource(self) -> Mapping[str, AttributeValue]: ...
    @property
    def scope_name(self) -> str: ...
    @property
    def scope_version(self) -> str: ...


class Dialect(Protocol):
    """One attribute convention: how it is recognised and what its numbers mean.

    `read` is pure, never raises on any attribute value, and lists in `ModelCall.assumptions` what
    it assumed. None means: not a GenAI span.
    """

    @property
    def name(self) -> str: ...
    @property
    def rank(self) -> int:
        """Dialects are asked from low to high."""

    @property
    def gate(self) -> frozenset[bytes]:
        """Bytes of which every encoded span of this dialect that reports a call contains any.

        A span that contains none of any dialect is skipped without being decoded.
        """

    def recognises_scope(self, scope_name: str) -> bool:
        """Return True if an instrumentation scope writes this dialect."""

    def recognises(self, span: SpanView) -> bool:
        """Return True if a span of an unknown scope is written in this dialect."""

    def read(self, span: SpanView) -> ModelCall | None:
        """Read a span of this dialect."""
