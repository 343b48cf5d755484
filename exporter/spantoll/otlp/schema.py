"""OTLP as we read it: the field numbers of opentelemetry-proto 1.11 with laxer types.

Strings are bytes, so that invalid UTF-8 in one span does not fail a whole request as protobuf's own
strings do; resources, scopes, spans and attributes are raw bytes, so that each is parsed on its own
and identical ones only once. Singular messages are repeated bytes, because protobuf merges a
message sent twice, which is to concatenate its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = [
    "EventMessage",
    "LogMessage",
    "Request",
    "Resource",
    "Scope",
    "SpanMessage",
    "Status",
    "parse_event",
    "parse_log",
    "parse_request",
    "parse_resource",
    "parse_scope",
    "parse_span",
]


class ScopeItems(Protocol):
    """ScopeSpans or ScopeLogs."""

    scope: Sequence[bytes]
    items: Sequence[bytes]
    schema_url: bytes


class ResourceItems(Protocol):
    """ResourceSpans or ResourceLogs."""

    resource: Sequence[bytes]
    scopes: Sequence[ScopeItems]


class Request(Protocol):
    """ExportTraceServiceRequest or ExportLogsServiceRequest: one shape."""

    resources: Sequence[ResourceItems]


class Resource(Protocol):
    """The resource that emitted."""

    attributes: Sequence[bytes]


class Scope(Protocol):
    """The instrumentation that emitted."""

    name: bytes
    version: bytes


class Status(Protocol):
    """How the span ended."""

    message: bytes
    code: int


class SpanMessage(Protocol):
    """The fields of a span that a usage record can come from."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: bytes
    kind: int
    start: int
    end: int
    attributes: Sequence[bytes]
    events: Sequence[bytes]
    status: Status

    def HasField(self, name: str) -> bool: ...  # noqa: N802 - protobuf's name


class EventMessage(Protocol):
    """One span event."""

    time: int
    name: bytes
    attributes: Sequence[bytes]


class LogMessage(Protocol):
    """The fields of a log record that a usage record can come from."""

    time: int
    severity: int
    body: Sequence[bytes]
    attributes: Sequence[bytes]
    trace_id: bytes
    span_id: bytes
    observed: int
    event_name: bytes


PACKAGE = "spantoll.otlp.lenient"

_Field = descriptor_pb2.FieldDescriptorProto
BYTES, INT32, FIXED64 = _Field.TYPE_BYTES, _Field.TYPE_INT32, _Field.TYPE_FIXED64
"""Enums are read as int32, the same on the wire and open to values we do not know."""

MANY = "*"

FIELDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "Request": {"resources": (1, "ResourceItems", MANY)},
    "ResourceItems": {"resource": (1, BYTES, MANY), "scopes": (2, "ScopeItems", MANY)},
    "ScopeItems": {
        "scope": (1, BYTES, MANY),
        "items": (2, BYTES, MANY),
        "schema_url": (3, BYTES),
    },
    "Resource": {"attributes": (1, BYTES, MANY)},
    "Scope": {"name": (1, BYTES), "version": (2, BYTES)},
    "Status": {"message": (2, BYTES), "code": (3, INT32)},
    "SpanMessage": {
        "trace_id": (1, BYTES),
        "span_id": (2, BYTES),
        "parent_span_id": (4, BYTES),
        "name": (5, BYTES),
        "kind": (6, INT32),
        "start": (7, FIXED64),
        "end": (8, FIXED64),
        "attributes": (9, BYTES, MANY),
        "events": (11, BYTES, MANY),
        "status": (15, "Status"),
    },
    "EventMessage": {"time": (1, FIXED64), "name": (2, BYTES), "attributes": (3, BYTES, MANY)},
    "LogMessage": {
        "time": (1, FIXED64),
        "severity": (2, INT32),
        "body": (5, BYTES, MANY),
        "attributes": (6, BYTES, MANY),
        "trace_id": (9, BYTES),
        "span_id": (10, BYTES),
        "observed": (11, FIXED64),
        "event_name": (12, BYTES),
    },
}


def _pool() -> descriptor_pool.DescriptorPool:
    # A pool and package of our own: opentelemetry-proto may be loaded in the same process.
    file = descriptor_pb2.FileDescriptorProto(
        name="spantoll/otlp/lenient.proto", package=PACKAGE, syntax="proto3"
    )
    for name, table in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, *many) in table.items():
            message.field.add(
                name=field,
                number=number,
                type=_Field.TYPE_MESSAGE if isinstance(kind, str) else kind,
                type_name=f".{PACKAGE}.{kind}" if isinstance(kind, str) else None,
                label=_Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _pool()
_Message = TypeVar("_Message", covariant=True)


class Parse(Protocol[_Message]):
    """Read one message; raises google.protobuf.message.DecodeError."""

    def __call__(self, raw: bytes, /) -> _Message: ...


def _parser(name: str) -> Any:
    found = _POOL.FindMessageTypeByName(f"{PACKAGE}.{name}")
    return message_factory.GetMessageClass(found).FromString


parse_request = cast("Parse[Request]", _parser("Request"))
parse_resource = cast("Parse[Resource]", _parser("Resource"))
parse_scope = cast("Parse[Scope]", _parser("Scope"))
parse_span = cast("Parse[SpanMessage]", _parser("SpanMessage"))
parse_event = cast("Parse[EventMessage]", _parser("EventMessage"))
parse_log = cast("Parse[LogMessage]", _parser("LogMessage"))
