"""The time before which the records of a ledger are deleted, and what that forbids.

Input: the mark, one row of `retention`; records that come in, or changes of records. Output: what
of it may be written. Roll-ups still have the sums of what was deleted, so that nothing before the
mark is added to them, changed in them, or counted again; `SqlStore.move_mark` moves the mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.store import Stored
from spantoll.storage.tables import retention

__all__ = [
    "DELETING",
    "MARK",
    "find_late_records",
    "is_whole",
    "keep_settled",
    "name_mark",
    "read_deleted_before",
    "store_mark",
]

MARK, DELETING = 1, 2
"""Ids of the rows of `retention`: the mark, and where readers see no snapshot, the last mark before
which records began to be deleted."""

CHUNK = 500
"""Spans of one IN list."""

Change = tuple[Stored, Stored]
"""A record as it is, and as it is to be."""

r = usage_record.c

# Statements of every write are made once: making one takes longer than SQLite takes to run it.
_mark = select(retention.c.deleted_before_ns).where(retention.c.id == MARK)
_locked_mark = _mark.with_for_update(read=True)


def read_deleted_before(connection: Connection, *, lock: bool = False) -> int:
    """Read the mark in UTC nanoseconds: records that started before it are deleted; 0 for none.

    `lock` holds the mark where it is until the transaction ends, beside others who do the same.
    """
    return connection.scalar(_locked_mark if lock else _mark) or 0


def is_whole(connection: Connection, deleted_before_ns: int) -> bool:
    """Return True if no record after a mark has been deleted: of a snapshot of that mark, always.

    A reader without a snapshot asks after its answer, which is to be read again if not.
    """
    deleting = select(retention.c.deleted_before_ns).where(retention.c.id == DELETING)
    return (connection.scalar(deleting) or 0) <= deleted_before_ns


def store_mark(connection: Connection, deleted_before_ns: int, *, row: int = MARK) -> None:
    """Let a row of `retention` have a mark; ClickHouse has no row before the first one."""
    this = retention.c.id == row
    if connection.scalar(select(retention.c.id).where(this)) is None:
        values = {"id": row, "deleted_before_ns": deleted_before_ns}
        connection.execute(retention.insert(), values)
    else:
        connection.execute(
            update(retention).where(this).values(deleted_before_ns=deleted_before_ns)
        )


def name_mark(deleted_before_ns: int) -> str:
    """Name the mark, which is the beginning of a UTC day."""
    return f"{datetime.fromtimestamp(deleted_before_ns // 10**9, UTC):%Y-%m-%d} (UTC)"


def find_late_records(
    connection: Connection, records: Sequence[UsageRecord]
) -> list[tuple[int, str]]:
    """Find the records that started before the mark, by position, each with why it is refused.

    Whether it is new or was billed and deleted cannot be known. The mark is locked until the
    transaction ends: an insertion reads it first, and so excludes every `exclusive_transaction`.
    """
    mark_ns = read_deleted_before(connection, lock=True)
    if not mark_ns:
        return []
    why = f"started before {name_mark(mark_ns)}, whose records are deleted (`spantoll db retain`)"
    return [(index, why) for index, each in enumerate(records) if each.started_ns < mark_ns]


def keep_settled(connection: Connection, changes: Iterable[Change]) -> list[Change]:
    """Leave out the changes that would contradict the sums of what was deleted.

    A record before the mark stays as it is, one after it keeps a start after it, and one that
    repeats a deleted record is not counted in its place.
    """
    mark_ns = read_deleted_before(connection)
    if not mark_ns:
        return list(changes)
    kept = [
        _keep_start(before, after, mark_ns)
        for before, after in changes
        if before.current.started_ns >= mark_ns
    ]
    promoted = [
        before
        for before, after in kept
        if after.current.counted and not before.current.counted and before.current.repeats_span
    ]
    if not promoted:
        return kept
    stored = _find_stored(connection, [each.current for each in promoted])
    orphans = {each.id for each in promoted if _repeated(each.current) not in stored}
    return [change for change in kept if change[0].id not in orphans]


def _keep_start(before: Stored, after: Stored, mark_ns: int) -> Change:
    if after.current.started_ns >= mark_ns:
        return before, after
    current = after.current._replace(started_ns=before.current.started_ns)
    return before, after._replace(current=current)


def _repeated(record: UsageRecord) -> tuple[str, bytes, bytes]:
    span = record.repeats_span or b""
    return record.tenant_id, span[:16], span[16:]


def _find_stored(
    connection: Connection, repeating: Sequence[UsageRecord]
) -> set[tuple[str, bytes, bytes]]:
    """Find which of the spans that records repeat are stored."""
    spans = [_repeated(each) for each in repeating]
    found: set[tuple[str, bytes, bytes]] = set()
    identity = (r.tenant_id, r.trace_id, r.span_id)
    for first in range(0, len(spans), CHUNK):
        traces = {trace for _, trace, _ in spans[first : first + CHUNK]}
        rows = connection.execute(select(*identity).where(r.trace_id.in_(traces)))
        found.update((tenant, bytes(trace), bytes(span)) for tenant, trace, span in rows)
    return found
