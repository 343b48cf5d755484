"""OTLP/JSON -> spans and log records, on orjson.

Ids are hexadecimal and 64-bit integers may be strings (opentelemetry.io/docs/specs/otlp, JSON
Protobuf Encoding); the generic protobuf JSON mapping reads both otherwise and costs twenty times as
much. What is malformed is refused alone, except where the request as a whole is no OTLP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn, TypeVar, cast

import orjson

from spantoll.errors import BadRequest
from spantoll.otlp import text
from spantoll.otlp.batch import Batch, Context
from spantoll.otlp.json_values import INVALID_VALUE, Object, any_value, attributes, integer
from spantoll.otlp.log import LogRecord
from spantoll.otlp.rules import check_ids, clamp_time, list_distinct, read_link_id, repair_times
from spantoll.otlp.span import Event, Span
from spantoll.otlp.wire import Malformed

__all__ = ["holds_logs", "read_logs", "read_spans"]

Item = TypeVar("Item", Span, LogRecord)
Wanted = Callable[[bytes], bool]

KINDS: Final = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
SPAN_KINDS: Final = {f"SPAN_KIND_{name}": number for number, name in enumerate(KINDS)}
STATUS_CODES: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
NO_ENUM: Final = 1 << 31
SNAKE_CASE: Final = frozenset(
    {"resource_spans", "scope_spans", "resource_logs", "scope_logs", "log_records", "schema_url"}
)
SURROGATE: Final = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


def read_spans(body: bytes, wanted: Wanted | None) -> tuple[Batch[Span], str]:
    """Decode an ExportTraceServiceRequest: the batch and a warning. Raises BadRequest."""
    return _read_all(body, wanted, ("resourceSpans", "scopeSpans", "spans"), _read_span)


def read_logs(body: bytes, wanted: Wanted | None) -> tuple[Batch[LogRecord], str]:
    """Decode an ExportLogsServiceRequest as `read_spans` does spans. Raises BadRequest."""
    return _read_all(body, wanted, ("resourceLogs", "scopeLogs", "logRecords"), _read_log)


def holds_logs(body: bytes) -> bool:
    """Return True if a request names log records."""
    try:
        return "resourceLogs" in _parse(body)
    except BadRequest:
        return False


def _read_all(
    body: bytes,
    wanted: Wanted | None,
    names: tuple[str, str, str],
    read: Callable[[Object, Context], Item],
) -> tuple[Batch[Item], str]:
    batch = Batch[Item]()
    resources, scopes, items = names
    request = _parse(body)
    for other in ("resourceSpans", "resourceLogs", "resourceMetrics"):
        if other in request and resources not in request:
            raise BadRequest(f"{other} sent where {resources} belongs: wrong endpoint")
    ignored = SNAKE_CASE.intersection(request)
    for group in _read_objects(request, resources):
        ignored |= SNAKE_CASE.intersection(group)
        for scope in _read_objects(group, scopes):
            ignored |= SNAKE_CASE.intersection(scope)
            members = _read_list(scope, items)
            kept = [
                each
                for each in members
                if wanted is None or not isinstance(each, dict) or _is_wanted(each, wanted)
            ]
            batch.received += len(members)
            batch.skipped += len(members) - len(kept)
            if kept:
                _read_scope(kept, group, scope, read, batch)
    if not ignored:
        return batch, ""
    return batch, f"OTLP/JSON is lowerCamelCase, ignored: {', '.join(sorted(ignored))}"


def _parse(body: bytes) -> Object:
    if not body.strip():
        return {}
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        request = _parse_leniently(body, error)
    if not isinstance(request, dict):
        raise BadRequest("body is not a JSON object")
    return request


def _parse_leniently(body: bytes, error: orjson.JSONDecodeError) -> object:
    """Parse what orjson refuses whole for one lone surrogate, or one byte that is not UTF-8.

    Either comes out as a lone surrogate, which is repaired where it stands.
    """
    spelled = body.decode(errors="surrogateescape")
    if not SURROGATE.search(spelled):
        raise BadRequest(f"body is not JSON: {error}") from error
    try:
        return cast("object", json.loads(spelled, parse_constant=_refuse))
    except (ValueError, RecursionError) as again:
        raise BadRequest(f"body is not JSON: {again}") from again


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _is_wanted(member: object, wanted: Wanted) -> bool:
    try:
        return wanted(orjson.dumps(member))
    except TypeError:
        # A lone surrogate, deep nesting or a number beyond 64 bits: reading it repairs that.
        return True


def _read_scope(
    members: Sequence[object],
    group: Object,
    scope: Object,
    read: Callable[[Object, Context], Item],
    batch: Batch[Item],
) -> None:
    try:
        context = _read_context(group, scope)
    except Malformed as error:
        batch.refuse(f"malformed resource or scope: {error}", len(members))
        return
    for member in members:
        try:
            batch.items.append(read(_read_object(member, "a span or log record"), context))
        except Malformed as error:
            batch.refuse(str(error))


def _read_context(group: Object, scope: Object) -> Context:
    flaws: list[str] = []
    named = _read_object(scope.get("scope"), "scope")
    return Context(
        attributes(_read_object(group.get("resource"), "resource"), flaws),
        _read_text(named, "name", flaws),
        _read_text(named, "version", flaws),
        _read_text(scope, "schemaUrl", flaws),
        list_distinct(flaws),
    )


def _read_span(found: Object, context: Context) -> Span:
    if "trace_id" in found and "traceId" not in found:
        raise Malformed("trace_id must be spelt traceId: OTLP/JSON is lowerCamelCase")
    trace_id, span_id = _read_id(found, "traceId"), _read_id(found, "spanId")
    check_ids(trace_id, span_id)
    flaws: list[str] = []
    start_ns, end_ns = repair_times(
        _read_time(found, "startTimeUnixNano"), _read_time(found, "endTimeUnixNano"), flaws
    )
    status = _read_object(found.get("status"), "status")
    return Span(
        trace_id,
        span_id,
        _read_link(found, "parentSpanId", 8, "parent_span_id", flaws),
        _read_text(found, "name", flaws),
        _read_enum(found, "kind", SPAN_KINDS, flaws),
        start_ns,
        end_ns,
        _read_enum(status, "code", STATUS_CODES, flaws),
        _read_text(status, "message", flaws),
        attributes(found, flaws),
        tuple([_read_event(each, flaws) for each in _events(found)]),
        context.resource,
        context.scope_name,
        context.scope_version,
        context.schema_url,
        list_distinct(context.flaws, flaws),
    )


def _events(found: Object) -> Sequence[object]:
    events = found.get("events") or ()
    if not isinstance(events, Sequence):
        raise Malformed("events is not a list")
    return events


def _read_event(found: object, flaws: list[str]) -> Event:
    event = _read_object(found, "an event")
    return Event(
        _read_text(event, "name", flaws),
        clamp_time(_read_time(event, "timeUnixNano"), flaws),
        attributes(event, flaws),
    )


def _read_log(found: Object, context: Context) -> LogRecord:
    flaws: list[str] = []
    return LogRecord(
        _read_link(found, "traceId", 16, "trace_id", flaws),
        _read_link(found, "spanId", 8, "span_id", flaws),
        clamp_time(_read_time(found, "timeUnixNano"), flaws),
        clamp_time(_read_time(found, "observedTimeUnixNano"), flaws),
        _read_text(found, "eventName", flaws),
        _read_enum(found, "severityNumber", {}, flaws),
        any_value(found.get("body"), flaws),
        attributes(found, flaws),
        context.resource,
        context.scope_name,
        context.scope_version,
        list_distinct(context.flaws, flaws),
    )


def _read_objects(owner: Object, name: str) -> list[Object]:
    found = _read_list(owner, name)
    if not all(isinstance(each, dict) for each in found):
        raise BadRequest(f"{name} must be a list of objects")
    return cast("list[Object]", found)


def _read_list(owner: Object, name: str) -> list[object]:
    found = owner.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise BadRequest(f"{name} must be a list")
    return found


def _read_object(found: object, name: str) -> Object:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{name} is not an object")
    return found


def _read_text(owner: Object, name: str, flaws: list[str]) -> str:
    found = owner.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Malformed(f"{name} is not a string")
    return text.from_str(found, flaws)


def _read_id(owner: Object, name: str) -> bytes:
    found = owner.get(name)
    if found is None:
        return b""
    try:
        raw = bytes.fromhex(found)
    except (TypeError, ValueError) as error:
        raise Malformed(f"{name} is not hexadecimal") from error
    if len(found) != 2 * len(raw):  # fromhex steps over blanks
        raise Malformed(f"{name} is not hexadecimal")
    return raw


def _read_link(owner: Object, name: str, size: int, field: str, flaws: list[str]) -> bytes | None:
    """Read an id that may be absent: one that cannot be read is absent too, and noted."""
    try:
        raw = _read_id(owner, name)
    except Malformed:
        raw = b"?"
    return read_link_id(raw, size, field, flaws)


def _read_time(owner: Object, name: str) -> int:
    found = owner.get(name)
    if found is None:
        return 0
    try:
        return integer(found)
    except ValueError as error:
        raise Malformed(f"{name} is not a time in nanoseconds") from error


def _read_enum(owner: Object, name: str, names: Mapping[str, int], flaws: list[str]) -> int:
    """Read an enum: OTLP/JSON has numbers only, but names are seen."""
    found = owner.get(name)
    if found is None:
        return 0
    if isinstance(found, str) and found in names:
        return names[found]
    try:
        number = integer(found)
    except ValueError:
        number = NO_ENUM
    if -NO_ENUM <= number < NO_ENUM:
        return number
    flaws.append(INVALID_VALUE)
    return 0
