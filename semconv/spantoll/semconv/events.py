from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from spantoll.semconv.dialect import AttributeValue, Dialect, LogView, SpanEvent
from spantoll.semconv.numbers import integer

__all__ = ["EventDialect", "EventSpan"]

ERROR = 2
LONGEST_MS = 7 * 24 * 3_600_000


class EventSpan(NamedTuple):
    """An event seen as the span it stands for, so that the table of a dialect can read it."""

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

    An event has no span id of its own, so it is given one: a hash of what makes it unique. A
    re-delivered event gets the same one, and the span the event was emitted in becomes its parent.
    """

    names: Mapping[str, bool]
    """Event name -> whether it tells of a failure."""
    table: Dialect | None = None
    """What reads the attributes; None for the dialect the scope writes."""
    marker: bytes = b"gen_ai."
    """Bytes that are in every such record."""
    unique: tuple[tuple[str, ...], ...] = ()
    """Attributes that together are unique, the best first; all of them where none is complete."""
    required: Mapping[str, str | None] = field(default_factory=dict)
    """Attributes, and their values, that tell such an event from others of its name."""
    scopes: tuple[str, ...] = ()
    """Scopes whose events may come without a name; then `required` alone decides."""
    except_scopes: tuple[str, ...] = ()
    """Scopes that tell the same call by an event of their own, with more detail."""
    duration_ms: str = "duration_ms"
    error_message: str = "error"

    def view(self, log: LogView) -> EventSpan | None:
        """See an event of this dialect as a span; None if it is another."""
        name = self._name(log)
        if name is None or log.scope_name in self.except_scopes:
            return None
        attributes = log.attributes
        for key, value in self.required.items():
            if attributes.get(key) is None or value not in (None, attributes[key]):
                return None
        message = attributes.get(self.error_message) if self.names[name] else None
        identity = self._identity(name, log)
        end_ns = _time_ns(log)
        duration_ms = integer(attributes.get(self.duration_ms)) or 0
        if duration_ms > LONGEST_MS:
            duration_ms = 0
        return EventSpan(
            trace_id=log.trace_id or identity,
            span_id=identity[:8],
            parent_span_id=log.span_id or None,
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

    def _name(self, log: LogView) -> str | None:
        """Find the name where senders put it: its field, an attribute, or the body."""
        for told in (log.event_name, log.attributes.get("event.name"), log.body):
            if isinstance(told, str) and told in self.names:
                return told
        return next(iter(self.names)) if log.scope_name in self.scopes else None

    def _identity(self, name: str, log: LogView) -> bytes:
        attributes = log.attributes
        told: object = next(
            (
                [attributes[key] for key in keys]
                for keys in self.unique
                if all(attributes.get(key) not in (None, "") for key in keys)
            ),
            None,
        )
        if told is None:
            told = (log.trace_id, log.span_id, log.time_ns, sorted(map(repr, attributes.items())))
        return blake2b(repr((name, told)).encode(errors="replace"), digest_size=16).digest()


def _time_ns(log: LogView) -> int:
    """When the event happened; senders that leave it out tell it in an attribute."""
    if log.time_ns:
        return log.time_ns
    told = log.attributes.get("event.timestamp")
    if isinstance(told, str):
        try:
            moment = datetime.fromisoformat(told)
        except ValueError:
            return log.observed_ns
        if moment.tzinfo is not None:
            return max(round(moment.timestamp() * 1000) * 1_000_000, 0)
    return log.observed_ns
