"""OTLP/protobuf -> spans and log records, by the lenient message classes of `schema`.

Resources, scopes and items are parsed each on its own: what is malformed is refused alone and
counted, and a scope that was met before is not parsed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from google.protobuf.message import DecodeError

from spantoll.errors import BadRequest
from spantoll.otlp import text
from spantoll.otlp.attributes import any_value, attributes
from spantoll.otlp.batch import Batch, Context
from spantoll.otlp.log import LogRecord
from spantoll.otlp.rules import (
    LATEST_NS,
    check_ids,
    clamp_time,
    list_distinct,
    read_link_id,
    repair_times,
)
from spantoll.otlp.schema import (
    ResourceItems,
    ScopeItems,
    parse_event,
    parse_log,
    parse_request,
    parse_resource,
    parse_scope,
    parse_span,
)
from spantoll.otlp.span import Event, Span
from spantoll.otlp.wire import Malformed

__all__ = ["holds_logs", "read_logs", "read_spans"]

Item = TypeVar("Item", Span, LogRecord)
Wanted = Callable[[bytes], bool]

MAX_CONTEXT_BYTES = 8_192
"""A larger resource and scope is parsed each time."""

GROUP = 256
"""Items that `wanted` is asked about together, before it is asked about each."""


def read_spans(body: bytes, wanted: Wanted | None) -> Batch[Span]:
    """Decode an ExportTraceServiceRequest. Raises BadRequest."""
    batch = Batch[Span]()
    first = _read_all(body, wanted, _read_span, batch)
    if not batch.items and _is_log(first):
        raise BadRequest("logs sent to the traces endpoint: send them to /v1/logs")
    return batch


def read_logs(body: bytes, wanted: Wanted | None) -> Batch[LogRecord]:
    """Decode an ExportLogsServiceRequest. Raises BadRequest."""
    batch = Batch[LogRecord]()
    first = _read_all(body, wanted, _read_log, batch)
    if _is_span(first):
        raise BadRequest("traces sent to the logs endpoint: send them to /v1/traces")
    return batch


def holds_logs(body: bytes) -> bool:
    """Return True if the first item of a request is a log record."""
    try:
        request = parse_request(body)
    except DecodeError:
        return False
    items = (item for group in request.resources for scope in group.scopes for item in scope.items)
    return _is_log(next(items, b""))


def _read_all(
    body: bytes,
    wanted: Wanted | None,
    read: Callable[[bytes, Context], Item],
    batch: Batch[Item],
) -> bytes:
    """Fill `batch`; return the first encoded item of the request, read or not."""
    try:
        request = parse_request(body)
    except DecodeError as error:
        hint = "; it looks like JSON" if body.lstrip()[:1] == b"{" else ""
        raise BadRequest(f"body is not an OTLP protobuf message{hint}") from error
    first = b""
    for group in request.resources:
        for scope in group.scopes:
            received = len(scope.items)
            if received == 0:
                continue
            first = first or scope.items[0]
            kept = scope.items[:] if wanted is None else _select(scope.items, wanted)
            batch.received += received
            batch.skipped += received - len(kept)
            if kept:
                _read_scope(kept, group, scope, read, batch)
    return first


def _select(raws: Sequence[bytes], wanted: Wanted) -> list[bytes]:
    # The spans of a scope are mostly of one kind: most often none of a group is wanted.
    kept: list[bytes] = []
    for at in range(0, len(raws), GROUP):
        some = raws[at : at + GROUP]
        if wanted(b"".join(some)):
            kept.extend(filter(wanted, some))
    return kept


def _read_scope(
    raws: Sequence[bytes],
    group: ResourceItems,
    scope: ScopeItems,
    read: Callable[[bytes, Context], Item],
    batch: Batch[Item],
) -> None:
    try:
        encoded = b"".join(group.resource), b"".join(scope.scope), scope.schema_url
        small = sum(map(len, encoded)) <= MAX_CONTEXT_BYTES
        context = _read_context(*encoded) if small else _read_context.__wrapped__(*encoded)
    except (DecodeError, Malformed):
        batch.refuse("malformed resource or scope", len(raws))
        return
    append = batch.items.append
    for raw in raws:
        try:
            append(read(raw, context))
        except Malformed as error:
            batch.refuse(str(error))
        except DecodeError:
            batch.refuse("malformed protobuf")


def _read_span(raw: bytes, context: Context) -> Span:
    span = parse_span(raw)
    trace_id, span_id = span.trace_id, span.span_id
    check_ids(trace_id, span_id)
    flaws: list[str] = []
    parent_id = span.parent_span_id
    start_ns, end_ns = span.start, span.end
    if not 0 < start_ns <= end_ns <= LATEST_NS:
        start_ns, end_ns = repair_times(start_ns, end_ns, flaws)
    status_code, status_message = 0, ""
    if span.HasField("status"):
        status = span.status
        status_code, status_message = status.code, text.from_bytes(status.message, flaws)
    events = span.events
    return Span(
        trace_id,
        span_id,
        read_link_id(parent_id, 8, "parent_span_id", flaws) if parent_id else None,
        text.from_bytes(span.name, flaws),
        span.kind,
        start_ns,
        end_ns,
        status_code,
        status_message,
        attributes(span.attributes[:], flaws),
        tuple([_read_event(event, flaws) for event in events]) if events else (),
        context.resource,
        context.scope_name,
        context.scope_version,
        context.schema_url,
        list_distinct(context.flaws, flaws) if flaws else context.flaws,
    )


def _read_event(raw: bytes, flaws: list[str]) -> Event:
    event = parse_event(raw)
    return Event(
        text.from_bytes(event.name, flaws),
        clamp_time(event.time, flaws),
        attributes(event.attributes[:], flaws),
    )


def _read_log(raw: bytes, context: Context) -> LogRecord:
    log = parse_log(raw)
    flaws: list[str] = []
    return LogRecord(
        read_link_id(log.trace_id, 16, "trace_id", flaws),
        read_link_id(log.span_id, 8, "span_id", flaws),
        clamp_time(log.time, flaws),
        clamp_time(log.observed, flaws),
        text.from_bytes(log.event_name, flaws),
        log.severity,
        any_value(b"".join(log.body), flaws),
        attributes(log.attributes[:], flaws),
        context.resource,
        context.scope_name,
        context.scope_version,
        list_distinct(context.flaws, flaws),
    )


@lru_cache(maxsize=1024)
def _read_context(resource_raw: bytes, scope_raw: bytes, url_raw: bytes) -> Context:
    flaws: list[str] = []
    scope = parse_scope(scope_raw)
    return Context(
        attributes(parse_resource(resource_raw).attributes[:], flaws),
        text.from_bytes(scope.name, flaws),
        text.from_bytes(scope.version, flaws),
        text.from_bytes(url_raw, flaws),
        list_distinct(flaws),
    )


def _is_log(raw: bytes) -> bool:
    """Return True for a log record: read as a span it has times and no ids."""
    try:
        span, log = parse_span(raw), parse_log(raw)
    except DecodeError:
        return False
    return not span.trace_id and not span.span_id and (log.time or log.observed) > 0


def _is_span(raw: bytes) -> bool:
    """Return True for a span: its field 1 is a 16-byte id, a number in a log record."""
    return raw[:2] == b"\x0a\x10"
