"""What settling changes on a record.

Input: a row of `usage_record`, or what settling decided. Output: the record with its facts (what
its own span reported), or the update of the row: changed columns get their new value, and the
column `facts` keeps as JSON what the span reported in those that differ from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, update

from spantoll.records.columns import ADJUSTED, FACTS, usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.adjustments import Cause
from spantoll.storage.audit import decode_values, encode_values, list_changes
from spantoll.storage.periods import read_periods
from spantoll.storage.periods_book import book_changes, split_changes
from spantoll.storage.retention import keep_settled
from spantoll.storage.roll_ups import changing_records
from spantoll.storage.store import Correction, Stored

__all__ = ["list_corrections", "store_changes", "stored", "update_rows"]

_FIELDS = UsageRecord._fields
_NAMES = usage_record.c.keys()
_ID, _FACTS, _ADJUSTED = (_NAMES.index(name) for name in ("id", FACTS, ADJUSTED))
_COLUMNS = slice(_NAMES.index(_FIELDS[0]), _NAMES.index(_FIELDS[-1]) + 1)
_IDENTITY = {"tenant_id", "trace_id", "span_id"}


def stored(row: Row[Any]) -> Stored:
    """Read a row of `usage_record`: one of a closed period as its adjustments say it should be."""
    kept = UsageRecord._make(row[_COLUMNS])
    facts, adjusted = row[_FACTS], row[_ADJUSTED]
    return Stored(
        row[_ID],
        kept._replace(**decode_values(facts)) if facts else kept,
        kept._replace(**decode_values(adjusted)) if adjusted else kept,
    )


def list_corrections(
    group: Sequence[Stored], corrections: Sequence[Correction]
) -> list[tuple[Stored, Stored]]:
    """List the records that corrections concern, as they are and as they are to be.

    What the record's own span reported stays in the column `facts`, to be settled again.
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
    return changes


def store_changes(
    connection: Connection,
    changes: Iterable[tuple[Stored, Stored]],
    *,
    cause: Cause = Cause.LATE_MERGE,
    run_id: int | None = None,
) -> int:
    """Store records as they are to be, given as they are; return how many differed.

    What would change a record of a closed period is booked as an adjustment instead, for `cause`;
    `keep_settled` says which changes retention forbids.
    Raises ValueError if a change is one of a record's identity.
    """
    differing = [
        (before, after)
        for before, after in changes
        if before.current != after.current or before.facts != after.facts
    ]
    if not differing:
        return 0
    for before, after in differing:
        if touched := list_changes(before.current, after.current).keys() & _IDENTITY:
            raise ValueError(f"settling may not change {min(touched)} of a record")
    periods = read_periods(connection)
    opened, closed = split_changes(keep_settled(connection, differing), periods)
    with changing_records(
        connection, [(before.id, before.current, after.current) for before, after in opened]
    ):
        _update_records(connection, opened)
    book_changes(connection, closed, periods, cause=cause, run_id=run_id)
    return len(opened) + len(closed)


def update_rows(connection: Connection, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Set columns of records, given by id: one statement for all that set the same columns."""
    updates: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for number, values in rows:
        bound = {f"new_{name}": value for name, value in values.items()}
        updates[tuple(values)].append({"which": number, **bound})
    for names, given in updates.items():
        connection.execute(
            update(usage_record)
            .where(usage_record.c.id == bindparam("which"))
            .values({name: bindparam(f"new_{name}") for name in names}),
            given,
        )


def _update_records(connection: Connection, changes: Iterable[tuple[Stored, Stored]]) -> None:
    rows = []
    for before, after in changes:
        overruled = encode_values(list_changes(after.current, after.facts))
        rows.append((before.id, {**list_changes(before.current, after.current), FACTS: overruled}))
    update_rows(connection, rows)
