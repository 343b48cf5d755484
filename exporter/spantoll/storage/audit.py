"""The columns in which a record differs, before and after, as JSON.

Input: a record before and after. Output: two JSON objects `{"record": {...}, "facts": {...}}` of
the changed columns; `facts`, what the record's own span reports and costs, is left out where it is
the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.storage.store import Stored

__all__ = [
    "decode_values",
    "encode_content",
    "encode_values",
    "has_content",
    "list_changes",
    "restore_content",
]

RECORD = "record"
FACTS = "facts"

Values = Mapping[str, Any]

_BINARY = {name for name, spec in COLUMNS.items() if spec.type.python_type is bytes}


def list_changes(before: UsageRecord, after: UsageRecord) -> dict[str, Any]:
    """Return the columns that differ, with their values in `after`."""
    if before is after or before == after:
        return {}
    return {
        name: value
        for name, value, than in zip(UsageRecord._fields, after, before, strict=True)
        if value != than
    }


def encode_values(values: Values) -> str | None:
    """Write the values of some columns as JSON; None where there are none."""
    return _to_json(values) if values else None


def decode_values(text: str) -> dict[str, Any]:
    """Read what `encode_values` has written."""
    return _read_bytes(orjson.loads(text))


def encode_content(before: Stored, after: Stored) -> tuple[str, str]:
    """Write the columns that differ, with their values before and after."""
    return _encode(after, before), _encode(before, after)


def restore_content(member: Stored, *, old: str, new: str) -> Stored | None:
    """Return a stored record with its old values; None unless it has the new ones now."""
    if not has_content(member, new):
        return None
    old_record, old_facts = _decode(old)
    return member._replace(
        current=member.current._replace(**old_record), facts=member.facts._replace(**old_facts)
    )


def has_content(member: Stored, values: str) -> bool:
    """Return True if a stored record has the values that `encode_content` has written."""
    record, facts = _decode(values)
    return _has(member.current, record) and _has(member.facts, facts)


def _encode(base: Stored, other: Stored) -> str:
    record = list_changes(base.current, other.current)
    is_alone = base.facts is base.current and other.facts is other.current
    facts = record if is_alone else list_changes(base.facts, other.facts)
    return _to_json({RECORD: record} if facts == record else {RECORD: record, FACTS: facts})


def _decode(text: str) -> tuple[Values, Values]:
    parts = {name: _read_bytes(values) for name, values in orjson.loads(text).items()}
    return parts[RECORD], parts.get(FACTS, parts[RECORD])


def _has(record: UsageRecord, values: Values) -> bool:
    return all(getattr(record, name) == value for name, value in values.items())


def _to_json(values: Values) -> str:
    return orjson.dumps(values, default=bytes.hex, option=orjson.OPT_SORT_KEYS).decode()


def _read_bytes(values: Values) -> dict[str, Any]:
    return {
        name: bytes.fromhex(value) if name in _BINARY and value is not None else value
        for name, value in values.items()
    }
