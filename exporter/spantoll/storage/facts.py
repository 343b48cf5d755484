"""What settling changes on a record.

Input: a row of `usage_record`, or what settling decided. Output: the record with its facts (what
its own span reported), or the update of the row: changed columns get their new value, and the
column `facts` keeps as JSON what the span reported in those that differ from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, update

from spantoll.records.columns import FACTS, usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.store import Correction, Stored

__all__ = ["correct", "decode_values", "encode_values", "list_changes", "store_changes", "stored"]

_FIELDS = UsageRecord._fields
_NAMES = usage_record.c.keys()
_ID, _FACTS = _NAMES.index("id"), _NAMES.index(FACTS)
_COLUMNS = slice(_NAMES.index(_FIELDS[0]), _NAMES.index(_FIELDS[-1]) + 1)
_IDENTITY = {"tenant_id", "trace_id", "span_id"}
_BINARY = {name for name in _FIELDS if usage_record.c[name].type.python_type is bytes}


def stored(row: Row[Any]) -> Stored:
    """Read a row of `usage_record`."""
    current = UsageRecord._make(row[_COLUMNS])
    text = row[_FACTS]
    facts = current._replace(**decode_values(text)) if text else current
    return Stored(row[_ID], facts, current)


def correct(
    connection: Connection, group: Sequence[Stored], corrections: Sequence[Correction]
) -> int:
    """Store what differs from the current content; return how many records were changed.

    What the record's own span reported stays in the column `facts`, to be settled again. Raises
    ValueError if a correction changes the identity of a record.
    """
    members = {member.id: member for member in group}
    changes = []
    for correction in corrections:
        member = members[correction.id]
        # The keys stay the span's own, even if the record shows another's response id.
        right = correction.record._replace(
            response_key=member.facts.response_key, usage_key=member.facts.usage_key
        )
        changes.append((member, member._replace(current=right)))
    return store_changes(connection, changes)


def store_changes(connection: Connection, changes: Iterable[tuple[Stored, Stored]]) -> int:
    """Store records as they are to be, given as they are; return how many differed.

    Raises ValueError if one changes the identity of a record.
    """
    updates: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for before, after in changes:
        changed = list_changes(before.current, after.current)
        if not changed and before.facts == after.facts:
            continue
        if touched := changed.keys() & _IDENTITY:
            raise ValueError(f"settling may not change {min(touched)} of a record")
        overruled = encode_values(list_changes(after.current, after.facts))
        values = {f"new_{name}": value for name, value in {**changed, FACTS: overruled}.items()}
        updates[tuple(changed)].append({"which": before.id, **values})
    for names, rows in updates.items():
        connection.execute(
            update(usage_record)
            .where(usage_record.c.id == bindparam("which"))
            .values({name: bindparam(f"new_{name}") for name in (*names, FACTS)}),
            rows,
        )
    return sum(map(len, updates.values()))


def list_changes(before: UsageRecord, after: UsageRecord) -> dict[str, Any]:
    """Return the columns that differ, with their values in `after`."""
    if before is after or before == after:
        return {}
    return {
        name: value
        for name, value, than in zip(_FIELDS, after, before, strict=True)
        if value != than
    }


def encode_values(values: Mapping[str, Any]) -> str | None:
    """Write the values of some columns as JSON; None where there are none."""
    if not values:
        return None
    return orjson.dumps(values, default=bytes.hex, option=orjson.OPT_SORT_KEYS).decode()


def decode_values(text: str) -> dict[str, Any]:
    """Read what `encode_values` has written."""
    return {
        name: bytes.fromhex(value) if name in _BINARY and value is not None else value
        for name, value in orjson.loads(text).items()
    }
