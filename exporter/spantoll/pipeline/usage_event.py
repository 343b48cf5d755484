"""Usage that is reported as an event of its own: a JSON object instead of a span.

Input: an event as a sender spells it. Output: a `ModelCall` with ids derived from the sender's, and
the members that were not read. Only members of a table are read, and metadata by rule, so that
content sent by mistake is not stored; usage and context are those of docs/prices.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, NamedTuple

from spantoll.errors import EventError
from spantoll.pricing.price_line import UnreadableCall, read_call
from spantoll.pricing.usage_objects import (
    COST_MEMBERS,
    is_usage_object,
    read_serving,
    translate_usage,
)
from spantoll.semconv.attribution import add_metadata
from spantoll.semconv.call import Attribution, ModelCall, Status, Usage

__all__ = ["ReadEvent", "derive_ids", "read_event"]

Json = Mapping[str, Any]
Path = tuple[str, ...]
Unread = dict[Path, Any]
"""Members that nothing has read yet, by path."""

MEMBERS: Mapping[str, Sequence[str]] = {
    "provider": ("provider", "vendor.name", "vendor.vendorName"),
    "model": ("model", "vendor.model", "vendor.vendorModel"),
    "operation": ("operation", "vendor.apiType", "vendor.vendorApiType"),
    "timestamp": ("timestamp",),
    "customer_id": ("customer_id", "customer.id", "customer.customerId"),
    "organisation": ("organisation", "customer.orgName"),
    "user_id": ("user_id", "user.id", "user.userId"),
    "user_email": ("user_email", "user.email", "user.userEmail"),
    **{
        name: (name,)
        for name in (
            *("session_id", "project", "workspace_id", "team", "purpose", "task_type", "channel"),
            *("environment", "service_name", "request_id", "provider_instance", "service_tier"),
            *("region", "status", "error_type", "error_message", "response_model"),
        )
    },
}
"""What is read as text, and the paths it is found at: ours first, then those of usage trackers."""

USAGE: Mapping[str, str] = {
    "promptTokens": "input_tokens",
    "inputTokensRaw": "input_tokens",
    "textTokens": "input_tokens",
    "completionTokens": "output_tokens",
    "outputTokensRaw": "output_tokens",
    "cachedTokens": "cache_read",
    "numberOfImages": "images",
    "imagesRaw": "images",
    "nrImages": "images",
    "audioDuration": "audio_minutes",
    "audioLengthInMinutes": "audio_minutes",
    "videoDuration": "video_minutes",
    "videoLengthInMinutes": "video_minutes",
}
"""Spellings of counters by usage trackers; their durations are minutes."""
NESTED = ("images", "parts", "units", "video")
"""Members of `usage` that may be objects of further counters."""
DETAILS = ("quality", "search_context_size", "size")
"""Members of `usage` that are text."""
BILLED = ("cost", "cost_in_usd_ticks")
"""Members of a provider's usage object that say what it bills (OpenRouter, xAI)."""
OPERATIONS: Mapping[str, str] = {"completion": "text_completion", "generation": "generate_content"}
STATUSES: Mapping[str, Status] = {
    "success": "success",
    "error": "error",
    "timeout": "timeout",
    "cancelled": "cancelled",
}
CONTENT = re.compile(
    r"prompt|completion|message|content|body|answer|response|request|input|output|query|text"
    r"|question|instruction|transcript|header|authorization|secret|password",
    re.IGNORECASE,
)
"""Names under which content and credentials are sent; metadata of such a name is not stored."""
NAME = re.compile(r"[\w.:/-]{1,64}")
LONGEST_METADATA = 256
"""Longer text is content, not a name people attribute by."""
LONGEST_TEXT = 1_024
SCOPE = "spantoll.rest"
MINUTE_S = 60


class ReadEvent(NamedTuple):
    """A call, and JSON pointers to the members of its event that were not read."""

    call: ModelCall
    ignored: tuple[str, ...]


def derive_ids(*parts: str) -> tuple[bytes, bytes]:
    """Derive the trace and span id of an event from what its sender identifies it by."""
    digest = sha256("\0".join(parts).encode(errors="surrogatepass")).digest()
    return digest[:16], digest[16:24]


def read_event(event: Json, ids: tuple[bytes, bytes], *, now_ns: int) -> ReadEvent:
    """Read an event; without a timestamp it is of `now_ns`. Raises EventError."""
    unread = dict(_list_leaves(event))
    found = ((name, _take_text(unread, name, paths)) for name, paths in MEMBERS.items())
    texts = {name: text for name, text in found if text is not None}
    usage, billed, serving = _take_usage(unread)
    tier = texts.get("service_tier")
    if tier and serving.setdefault("service_tier_response", tier) != tier:
        unread["usage", "service_tier"] = serving["service_tier_response"]
        serving["service_tier_response"] = tier
    metadata = _take_metadata(unread)
    duration_ns = _take_duration(unread)
    batch = unread.pop(("batch",), None)
    unread.pop(("id",), None)
    operation = texts.get("operation", "chat").lower()
    if "model" not in texts and "response_model" not in texts:
        raise EventError("the model is missing", pointer="/model")
    call = _read_priced(
        {
            "provider": texts.get("provider"),
            "operation": OPERATIONS.get(operation, operation),
            "request_model": texts.get("model"),
            "response_model": texts.get("response_model"),
            "usage": usage,
            "context": {
                **serving,
                "timestamp": texts.get("timestamp"),
                "batch": batch,
                "region": texts.get("region"),
                "provider_reported": billed or None,
            },
        },
        now_ns=now_ns,
    )
    known = {name: texts[name] for name in Attribution._fields if name in texts}
    read = call._replace(
        trace_id=ids[0],
        span_id=ids[1],
        end_ns=call.start_ns + duration_ns,
        attribution=Attribution(**known, metadata=metadata or None),
        status=_read_status(texts),
        error_type=texts.get("error_type"),
        error_message=texts.get("error_message"),
        request_id=texts.get("request_id"),
        provider_instance=texts.get("provider_instance"),
        dialect="usage_event",
        scope_name=SCOPE,
        usage_quality="exact" if call.usage != Usage() else "missing",
    )
    return ReadEvent(read, tuple(_point_to(path) for path in unread))


def _point_to(path: Path) -> str:
    """Write a path as JSON pointer (RFC 6901)."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path)


def _list_leaves(event: Json) -> Iterator[tuple[Path, Any]]:
    """List members by path; objects that only group members are one level deep."""
    for name, value in event.items():
        if name in ("customer", "user", "vendor") and isinstance(value, dict):
            yield from (((name, inner), each) for inner, each in value.items())
        else:
            yield (name,), value


def _take_text(unread: Unread, name: str, paths: Sequence[str]) -> str | None:
    popped = {path: unread.pop(path, None) for path in (tuple(each.split(".")) for each in paths)}
    given = {path: value for path, value in popped.items() if value is not None}
    for path, value in given.items():
        pointer = _point_to(path)
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise EventError(f"not a text of up to {LONGEST_TEXT} characters", pointer=pointer)
        if value != next(iter(given.values())):
            raise EventError(f"another {name} than the one given before", pointer=pointer)
    return next(iter(given.values()), None) or None


def _take_usage(unread: Unread) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Take the usage, and what the provider says in it: what it bills, how the call was served."""
    usage = unread.pop(("usage",), None)
    if not isinstance(usage, dict):
        raise EventError("usage is not an object", pointer="/usage")
    billed: dict[str, Any] = {}
    says_cost = any(_to_number(usage.get(name)) for name in BILLED) or usage.get("is_byok") is True
    if is_usage_object(usage) and says_cost:
        billed = {name: usage[name] for name in COST_MEMBERS if name in usage}
    taken: dict[str, Any] = {}
    for given, value in translate_usage(usage).items():
        name = USAGE.get(given, given)
        if not NAME.fullmatch(given) or not _is_counter(name, value):
            unread["usage", given] = value
        elif name == "audio_minutes":
            taken["audio_seconds"] = _to_seconds(given, value)
        elif name == "video_minutes":
            taken["video"] = {"seconds": _to_seconds(given, value)}
        else:
            taken[name] = value
    return taken, billed, read_serving(usage)


def _is_counter(name: str, value: Any) -> bool:
    """Return whether a member of usage is a number, or one of the few that are not."""
    if name in NESTED and isinstance(value, dict):
        return all(NAME.fullmatch(each) and _is_counter(each, value[each]) for each in value)
    if name in DETAILS:
        return isinstance(value, str) and bool(NAME.fullmatch(value))
    return value is None or _to_number(value) is not None


def _to_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _to_seconds(name: str, minutes: Any) -> Decimal | None:
    number = _to_number(minutes)
    if number is None or not number.is_finite() or number.adjusted() > 12:
        if minutes is None:
            return None
        raise EventError("out of range", pointer=f"/usage/{name}")
    return number * MINUTE_S


def _take_metadata(unread: Unread) -> dict[str, str | int | float | bool]:
    given = unread.pop(("metadata",), None)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise EventError("metadata is not an object", pointer="/metadata")
    kept: dict[str, str | int | float | bool] = {}
    for name, value in given.items():
        is_text = isinstance(value, str) and len(value) <= LONGEST_METADATA and "\n" not in value
        is_fit = is_text or isinstance(value, (bool, int, Decimal))
        if is_fit and NAME.fullmatch(name) and not CONTENT.search(name):
            add_metadata(kept, name, float(value) if isinstance(value, Decimal) else value)
        else:
            unread["metadata", name] = value
    return kept


def _take_duration(unread: Unread) -> int:
    """Take `latency_ms` as nanoseconds; 0 where it is absent."""
    given = unread.pop(("latency_ms",), None)
    number = Decimal(0) if given is None else _to_number(given)
    if number is None or not number.is_finite() or not 0 <= number < 10**12:
        raise EventError("not a number of milliseconds", pointer="/latency_ms")
    return int(number * 1_000_000)


def _read_status(texts: Mapping[str, str]) -> Status:
    given = texts.get("status", "error" if "error_type" in texts else "success")
    status = STATUSES.get(given)
    if status is None:
        raise EventError(f"one of {', '.join(STATUSES)}", pointer="/status")
    return status


def _read_priced(record: Json, *, now_ns: int) -> ModelCall:
    try:
        return read_call(record, now_ns=now_ns)
    except UnreadableCall as error:
        pointer = "/timestamp" if str(error).startswith("timestamp") else "/usage"
        raise EventError(str(error), pointer=pointer) from None
