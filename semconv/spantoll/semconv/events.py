"""Events of OTLP logs that report model calls -> the span view that a dialect's table reads.

An event has neither a span id nor a start time: the id is a hash of what makes the event unique,
the start follows from the duration it reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from spantoll.semconv import attributes as keys
from spantoll.semconv.dialect import AttributeValue, Dialect, LogView, SpanEvent
from spantoll.semconv.values import integer

__all__ = ["EventDialect", "EventSpan"]

ERROR = 2
"""OTLP StatusCode."""
MAX_DURATION_MS = 7 * 24 * 3_600_000


class EventSpan(NamedTuple):
    """A span view of an event, so that the table of a dialect can read it."""

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
    events: tuple[SpanEvent, ...]
    resource: Mapping[str, AttributeValue]
    scope_name: str
    scope_version: str


@dataclass(frozen=True, slots=True)
class EventDialect:
    """Events that report model calls: their names, and the table that reads their attributes.

    A re-delivered event gets the same span id, and the span the event was emitted in becomes its
    parent.
    """

    names: Mapping[str, bool]
    """Event name -> True if it reports a failed call."""
    table: Dialect | None = None
    """Reads the attributes; None for the dialect of the event's scope."""
    unique: tuple[tuple[str, ...], ...] = ()
    """Attributes that together are unique, the best first; all of them where none is complete."""
    required: Mapping[str, str | None] = field(default_factory=dict)
    """Attributes and their values, None for any, that only such events of this name have."""
    scopes: tuple[str, ...] = ()
    """Scopes whose events may come without a name: `required`, with a value, decides alone."""
    except_scopes: tuple[str, ...] = ()
    """Scopes that report the same call by an event of their own, with more detail."""
    span_scopes: tuple[str, ...] = ()
    """Beginnings of scopes whose events have the id of the call's own span (SPANTOLL_SPAN_ID): such
    an event and that span are one record, in any order of arrival."""
    duration_ms: str = "duration_ms"
    error_message: str = "error"

    @property
    def gate(self) -> frozenset[bytes]:
        """Bytes of which every encoded record of these events contains any."""
        required = {value.encode() for value in self.required.values() if value is not None}
        return frozenset(required or {name.encode() for name in self.names})

    def view(self, log: LogView) -> EventSpan | None:
        """View an event of this dialect as a span; None if it is another."""
        name = self._find_name(log)
        if name is None or log.scope_name in self.except_scopes:
            return None
        attributes = log.attributes
        for key, value in self.required.items():
            if attributes.get(key) is None or value not in (None, attributes[key]):
                return None
        message = attributes.get(self.error_message) if self.names[name] else None
        identity = self._hash_identity(name, log)
        end_ns = _read_time_ns(log)
        own_span = _read_own_span(log) if log.scope_name.startswith(self.span_scopes) else None
        duration_key = keys.SPANTOLL_DURATION_MS if own_span else self.duration_ms
        duration_ms = integer(attributes.get(duration_key)) or 0
        if duration_ms > MAX_DURATION_MS:
            duration_ms = 0
        return EventSpan(
            trace_id=log.trace_id or identity,
            span_id=own_span or identity[:8],
            parent_span_id=_read_parent_span(attributes) if own_span else log.span_id or None,
            name=name,
            kind=0,
            start_ns=max(end_ns - duration_ms * 1_000_000, 0),
            end_ns=end_ns,
            status_code=ERROR if self.names[name] else 0,
            status_message=message if isinstance(message, str) else "",
            attributes=attributes,
            events=(),
            resource=log.resource,
            scope_name=log.scope_name,
            scope_version=log.scope_version,
        )

    def _find_name(self, log: LogView) -> str | None:
        """Find the name where senders put it: its field, an attribute, or the body."""
        for name in (log.event_name, log.attributes.get("event.name"), log.body):
            if isinstance(name, str) and name in self.names:
                return name
        return next(iter(self.names)) if log.scope_name in self.scopes else None

    def _hash_identity(self, name: str, log: LogView) -> bytes:
        attributes = log.attributes
        identity: object = next(
            (
                [attributes[key] for key in keys]
                for keys in self.unique
                if all(attributes.get(key) not in (None, "") for key in keys)
            ),
            None,
        )
        if identity is None:
            everything = sorted(map(repr, attributes.items()))
            identity = (log.trace_id, log.span_id, log.time_ns, everything)
        return blake2b(repr((name, identity)).encode(errors="replace"), digest_size=16).digest()


def _read_own_span(log: LogView) -> bytes | None:
    """Return the id of the span of the call that an event reports; None if it has none."""
    own = log.attributes.get(keys.SPANTOLL_SPAN_ID)
    return log.span_id if log.span_id and own == log.span_id.hex() else None


def _read_parent_span(attributes: Mapping[str, AttributeValue]) -> bytes | None:
    """Read the id of that span's parent; None for a root, and for what is no id."""
    text = attributes.get(keys.SPANTOLL_PARENT_SPAN_ID)
    try:
        return bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _read_time_ns(log: LogView) -> int:
    """Read when the event happened: its time, its `event.timestamp`, or when it was observed."""
    if log.time_ns:
        return log.time_ns
    timestamp = log.attributes.get("event.timestamp")
    if isinstance(timestamp, str):
        try:
            time = datetime.fromisoformat(timestamp)
        except ValueError:
            return log.observed_ns
        if time.tzinfo is not None:
            return max(round(time.timestamp() * 1000) * 1_000_000, 0)
    return log.observed_ns
