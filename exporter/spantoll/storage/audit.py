"""The old and new values of a record that a run of re-pricing changed, as JSON.

Input: a record before and after. Output: two JSON objects `{"record": {...}, "facts": {...}}` of
the changed columns; `facts`, what the record's own span is priced at, is left out where it is the
same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from spantoll.records.record import UsageRecord
from spantoll.storage.facts import list_changes
from spantoll.storage.store import Stored

__all__ = ["encode_content", "restore_content"]

RECORD = "record"
FACTS = "facts"

Values = Mapping[str, Any]


def encode_content(before: Stored, after: Stored) -> tuple[str, str]:
    """Write the columns that differ, with their values before and after."""
    return _encode(after, before), _encode(before, after)


def restore_content(member: Stored, *, old: str, new: str) -> Stored | None:
    """Return a stored record with its old values; None unless it has the new ones now."""
    old_record, old_facts = _decode(old)
    new_record, new_facts = _decode(new)
    if not (_has(member.current, new_record) and _has(member.facts, new_facts)):
        return None
    return member._replace(
        current=member.current._replace(**old_record), facts=member.facts._replace(**old_facts)
    )


def _encode(base: Stored, other: Stored) -> str:
    record = list_changes(base.current, other.current)
    facts = list_changes(base.facts, other.facts)
    values = {RECORD: record} if facts == record else {RECORD: record, FACTS: facts}
    return orjson.dumps(values).decode()


def _decode(text: str) -> tuple[Values, Values]:
    values = orjson.loads(text)
    return values[RECORD], values.get(FACTS, values[RECORD])


def _has(record: UsageRecord, values: Values) -> bool:
    return all(getattr(record, name) == value for name, value in values.items())
