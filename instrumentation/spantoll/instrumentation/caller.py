"""What the application passes to an SDK about its user, its session and its purpose.

Input: the values of a request that a `Call.caller` table finds. Output: attribution attributes, the
ones `attributes()` sets too, which win over these. Rule: a user or session has its attribute of the
general convention (`user.id`, `session.id`); the provider's metadata is treated as names given to
`attributes()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spantoll.instrumentation.attribution import attribute_key
from spantoll.instrumentation.reading import AsIs, Reading, Table, plain
from spantoll.semconv import attributes as keys

__all__ = ["CALLER_FIELDS", "CallerTable", "caller_readings", "set_caller"]

CALLER_FIELDS = frozenset({"user", "safety_identifier", "prompt_cache_key", "metadata", "session"})
"""What can be switched off with the setting `caller_fields`.

user: the provider's field for the end user. safety_identifier: OpenAI's id of a user, often a hash;
it is the user where `user` is not set. prompt_cache_key and metadata: kept as metadata. session:
the previous response, or the provider's session, where the call has no conversation.
"""

CallerTable = Mapping[str, str | tuple[str, ...]]
"""One of `CALLER_FIELDS` -> paths in the request, the best first."""

PREFIX = "_caller_"
RESERVED = frozenset({"tenant", "service_name"})
"""Names that metadata cannot set: they separate ledgers and services."""
MOST_METADATA = 64
"""The most pairs a provider accepts (Vertex AI labels; OpenAI and Bedrock accept 16)."""


def caller_readings(table: CallerTable) -> Table:
    """Return the readings of a caller table, under keys that `set_caller` takes out."""
    readings: dict[str, Reading] = {}
    for field, paths in table.items():
        places = (paths,) if isinstance(paths, str) else paths
        readings[PREFIX + field] = AsIs(*places)
    return readings


def set_caller(values: dict[str, Any], fields: frozenset[str]) -> None:
    """Replace what caller readings found by attribution attributes, in place."""
    if values.keys().isdisjoint(_FOUND):
        # Most requests name nobody, and this runs before each.
        return
    for field, convert in _CONVERTERS.items():
        value = values.pop(PREFIX + field, None)
        if value is not None and field in fields:
            convert(values, value)


def _set_user(values: dict[str, Any], value: Any) -> None:
    user = plain(value)
    if isinstance(user, str | int):
        values[USER] = str(user)


def _set_safety_identifier(values: dict[str, Any], value: Any) -> None:
    identifier = plain(value)
    if isinstance(identifier, str):
        values[keys.SPANTOLL_METADATA_PREFIX + "safety_identifier" if USER in values else USER] = (
            identifier
        )


def _set_cache_key(values: dict[str, Any], value: Any) -> None:
    cache_key = plain(value)
    if isinstance(cache_key, str):
        values[keys.SPANTOLL_METADATA_PREFIX + "prompt_cache_key"] = cache_key


def _set_metadata(values: dict[str, Any], value: Any) -> None:
    if not isinstance(value, Mapping):
        return
    for name, item in list(value.items())[:MOST_METADATA]:
        usable = plain(item)
        if isinstance(name, str) and isinstance(usable, str | int | float):
            values.setdefault(_metadata_key(name), usable)


def _metadata_key(name: str) -> str:
    return keys.SPANTOLL_METADATA_PREFIX + name if name in RESERVED else attribute_key(name)


def _set_session(values: dict[str, Any], value: Any) -> None:
    session = plain(value)
    if isinstance(session, str) and keys.CONVERSATION_ID not in values:
        values[SESSION] = session


USER, SESSION = attribute_key("user_id"), attribute_key("session_id")
_CONVERTERS: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "user": _set_user,
    "safety_identifier": _set_safety_identifier,
    "prompt_cache_key": _set_cache_key,
    "session": _set_session,
    "metadata": _set_metadata,
}
"""In order: what is named first is not replaced by metadata of the same name."""
_FOUND = frozenset(PREFIX + field for field in CALLER_FIELDS)
