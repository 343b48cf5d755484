"""OTLP/JSON by hand on orjson: ids are hex and 64-bit integers may be strings, which the generic
protobuf JSON mapping reads otherwise, and at twenty times the cost.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from spantoll.errors import BadRequest
from spantoll.otlp import text
from spantoll.otlp.attributes import DEEPEST, STRINDEX, TOO_DEEP, Pair, TooDeep, first_of_each
from spantoll.otlp.batch import Batch, Context
from spantoll.otlp.log import LogRecord
from spantoll.otlp.rules import check_ids, clamped, distinct, link_id, span_times
from spantoll.otlp.span import Event, Span
from spantoll.otlp.wire import Malformed
from spantoll.semconv.dialect import AttributeValue

__all__ = ["read_logs", "read_spans"]

Item = TypeVar("Item", Span, LogRecord)
Object = Mapping[str, Any]
Wanted = Callable[[bytes], bool]

SPAN_KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
STATUS_CODES = ["UNSET", "OK", "ERROR"]
FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
SNAKE_CASE = "OTLP/JSON keys are lowerCamelCase: snake_case keys such as {} are ignored"


def read_spans(body: bytes, wanted: Wanted | None) -> tuple[Batch[Span], str]:
    """Decode an ExportTraceServiceRequest; answers the batch and a warning. Raises BadRequest."""
    return _read_all(body, wanted, ("resourceSpans", "scopeSpans", "spans"), _span)


def read_logs(body: bytes, wanted: Wanted | None) -> tuple[Batch[LogRecord], str]:
    """Decode an ExportLogsServiceRequest as `read_spans` does spans. Raises BadRequest."""
    return _read_all(body, wanted, ("resourceLogs", "scopeLogs", "logRecords"), _log)


def _read_all(
    body: bytes,
    wanted: Wanted | None,
    names: tuple[str, str, str],
    read: Callable[[Object, Context], Item],
) -> tuple[Batch[Item], str]:
    batch = Batch[Item]()
    request = _parse(body)
    resources, scopes, items = names
    for other in ("resourceSpans", "resourceLogs", "resourceMetrics"):
        if other != resources and other in request:
            raise BadRequest(f"{other} sent where {resources} belongs: wrong endpoint")
    for group in _objects(request, resources):
        for scope in _objects(group, scopes):
            members = list(_objects(scope, items))
            batch.received += len(members)
            if not members:
                continue
            context = _context(group, scope)
            for member in members:
                _read_one(member, context, wanted, read, batch)
    return batch, _warning(request)


def _parse(body: bytes) -> Object:
    if not body.strip():
        return {}
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"body is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise BadRequest("body is not a JSON object")
    return request


def _read_one(
    member: Object,
    context: Context,
    wanted: Wanted | None,
    read: Callable[[Object, Context], Item],
    batch: Batch[Item],
) -> None:
    if wanted is not None and not wanted(_marks(member)):
        batch.skipped += 1
        return
    try:
        batch.items.append(read(member, context))
    except BadRequest:
        raise
    except Malformed as error:
        batch.refuse(str(error))
    except (TypeError, ValueError, AttributeError):
        batch.refuse("malformed JSON")


def _marks(member: Object) -> bytes:
    """The words by which a GenAI span is told: its name and the keys of its attributes."""
    found = member.get("attributes")
    keys = (
        [str(each.get("key")) for each in found if isinstance(each, dict)]
        if isinstance(found, list)
        else []
    )
    name = member.get("name") or member.get("eventName") or ""
    return "\n".join([str(name), str(member.get("body", ""))[:64], *keys]).encode(errors="replace")


def _span(found: Object, context: Context) -> Span:
    trace_id, span_id = _hex(found, "traceId"), _hex(found, "spanId")
    check_ids(trace_id, span_id)
    flaws: list[str] = []
    start_ns, end_ns = span_times(
        _time(found, "startTimeUnixNano"), _time(found, "endTimeUnixNano"), flaws
    )
    status = found.get("status") or {}
    return Span(
        trace_id,
        span_id,
        link_id(_hex(found, "parentSpanId"), 8, "parent_span_id", flaws),
        _text(found.get("name"), flaws),
        _enum(found.get("kind"), "SPAN_KIND_", SPAN_KINDS),
        start_ns,
        end_ns,
        _enum(status.get("code"), "STATUS_CODE_", STATUS_CODES),
        _text(status.get("message"), flaws),
        _attributes(found, flaws),
        tuple(_event(event, flaws) for event in _objects(found, "events")),
        context.resource,
        context.scope_name,
        context.scope_version,
        context.schema_url,
        distinct(context.flaws, flaws),
    )


def _event(found: Object, flaws: list[str]) -> Event:
    return Event(
        _text(found.get("name"), flaws),
        clamped(_time(found, "timeUnixNano"), flaws),
        _attributes(found, flaws),
    )


def _log(found: Object, context: Context) -> LogRecord:
    flaws: list[str] = []
    body = found.get("body")
    return LogRecord(
        link_id(_hex(found, "traceId"), 16, "trace_id", flaws),
        link_id(_hex(found, "spanId"), 8, "span_id", flaws),
        clamped(_time(found, "timeUnixNano"), flaws),
        clamped(_time(found, "observedTimeUnixNano"), flaws),
        _text(found.get("eventName"), flaws),
        _integer(found.get("severityNumber") or 0),
        _value(body, flaws, 0) if isinstance(body, dict) else None,
        _attributes(found, flaws),
        context.resource,
        context.scope_name,
        context.scope_version,
        distinct(context.flaws, flaws),
    )


def _context(group: Object, scope: Object) -> Context:
    flaws: list[str] = []
    named = scope.get("scope") or {}
    return Context(
        _attributes(group.get("resource") or {}, flaws),
        _text(named.get("name"), flaws),
        _text(named.get("version"), flaws),
        _text(scope.get("schemaUrl"), flaws),
        distinct(flaws),
    )


def _attributes(owner: Object, flaws: list[str]) -> dict[str, AttributeValue]:
    found = owner.get("attributes")
    if found is None:
        return {}
    if not isinstance(found, list):
        # A mistake of hand-written exporters: langfuse/langfuse#15707.
        raise BadRequest('attributes must be a list of {"key": ..., "value": ...}, not an object')
    return first_of_each((_pair(each, flaws, 0) for each in found), flaws)


def _pair(found: Object, flaws: list[str], depth: int) -> Pair | None:
    key = found.get("key")
    if key is None:
        flaws.append(STRINDEX)
        return None
    value = found.get("value")
    try:
        decoded = _value(value, flaws, depth) if isinstance(value, dict) else None
    except TooDeep:
        if depth:
            raise
        flaws.append(TOO_DEEP)
        decoded = None
    return _text(key, flaws), decoded


def _value(found: Object, flaws: list[str], depth: int) -> AttributeValue:
    if depth > DEEPEST:
        raise TooDeep
    for kind, value in found.items():
        if value is None:
            continue
        match kind:
            case "stringValue":
                return _text(value, flaws)
            case "boolValue":
                return bool(value)
            case "intValue":
                return _integer(value)
            case "doubleValue":
                return FLOATS[value] if value in FLOATS else float(value)
            case "arrayValue":
                return tuple(_value(each, flaws, depth + 1) for each in _objects(value, "values"))
            case "kvlistValue":
                pairs = (_pair(each, flaws, depth + 1) for each in _objects(value, "values"))
                return first_of_each(pairs, flaws)
            case "bytesValue":
                return base64.b64decode(value, validate=True)
            case "stringValueStrindex":
                flaws.append(STRINDEX)
                return None
    return None


def _objects(owner: Object, name: str) -> Iterator[Object]:
    found = owner.get(name)
    if found is None:
        return
    if not isinstance(found, list):
        raise BadRequest(f"{name} must be a list")
    for each in found:
        if not isinstance(each, dict):
            raise BadRequest(f"{name} must be a list of objects")
        yield each


def _hex(owner: Object, name: str) -> bytes:
    found = owner.get(name)
    if not found:
        return b""
    try:
        return bytes.fromhex(found) if " " not in found else b"?"
    except (TypeError, ValueError, binascii.Error) as error:
        raise Malformed(f"{name} is not hexadecimal") from error


def _time(owner: Object, name: str) -> int:
    found = owner.get(name)
    try:
        return _integer(found) if found is not None else 0
    except (TypeError, ValueError) as error:
        raise Malformed(f"{name} is not a time in nanoseconds") from error


def _integer(found: object) -> int:
    """Read a 64-bit integer: a number, its text, or an integral float such as 1e3."""
    if isinstance(found, bool):
        raise TypeError("a boolean is not an integer")
    if isinstance(found, int):
        return found
    if isinstance(found, str):
        try:
            return int(found)
        except ValueError:
            found = float(found)
    if isinstance(found, float) and found.is_integer():
        return int(found)
    raise ValueError("not an integer")


def _enum(found: object, prefix: str, names: Sequence[str]) -> int:
    if isinstance(found, str) and found.startswith(prefix):
        name = found.removeprefix(prefix)
        return names.index(name) if name in names else 0
    return _integer(found) if found is not None else 0


def _text(found: object, flaws: list[str]) -> str:
    if found is None:
        return ""
    if not isinstance(found, str):
        raise TypeError("not a string")
    return text.from_str(found, flaws)


def _warning(request: Object) -> str:
    snake = [key for key in request if "_" in key]
    return SNAKE_CASE.format(snake[0]) if snake else ""
