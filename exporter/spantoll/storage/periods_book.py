"""Keep the records of closed periods as they are, and book what would change them.

Input: records as they are and as they are to be, or records that came late. Output: rows of
`adjustment`; the row of the record keeps its columns, and what it should be stands in `adjusted`,
so that settling and re-pricing go on from there. A late record is stored as not counted. The
adjustments are stored first: where a crash leaves them alone, `periods_resume.py` adds the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, select, update

from spantoll.records.columns import ADJUSTED, FACTS, usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.adjustments import Cause, make_adjustments
from spantoll.storage.audit import encode_values, list_changes
from spantoll.storage.periods import ClosedPeriod, find_period, read_periods
from spantoll.storage.store import Stored
from spantoll.storage.tables import adjustment

__all__ = [
    "CLOSED",
    "book_changes",
    "book_late",
    "book_late_records",
    "encode_late",
    "is_late",
    "keep_rows",
    "split_changes",
]

CLOSED = "closed_period"
"""`counted_reason` of a record that came after its period was closed."""

CHUNK = 500
"""Records of one statement."""

Change = tuple[Stored, Stored]
"""A record as it is, and as it is to be."""

r = usage_record.c
_columns = [r[name] for name in UsageRecord._fields]
_keep = (
    update(usage_record)
    .where(r.id == bindparam("which"))
    .values(
        counted=bindparam("new_counted"),
        counted_reason=bindparam("new_reason"),
        **{FACTS: bindparam("new_facts"), ADJUSTED: bindparam("new_adjusted")},
    )
)


def split_changes(
    changes: Iterable[Change], periods: Sequence[ClosedPeriod]
) -> tuple[list[Change], list[Change]]:
    """Part changes of records of open time from those of closed periods.

    A record stays in the period it was first stored in, closed or open: where merging moves its
    start over an edge, it keeps its start.
    """
    opened: list[Change] = []
    closed: list[Change] = []
    for before, after in changes:
        start_ns, right = before.current.started_ns, after.current
        period = find_period(periods, start_ns)
        if find_period(periods, right.started_ns) != period:
            right = right._replace(started_ns=start_ns)
        if before.current != right or before.facts != after.facts:
            (opened if period is None else closed).append((before, after._replace(current=right)))
    return opened, closed


def book_changes(
    connection: Connection,
    changes: Sequence[Change],
    periods: Sequence[ClosedPeriod],
    *,
    cause: Cause,
    run_id: int | None,
) -> None:
    """Book changes of records of closed periods; their columns stay as they are."""
    if not changes:
        return
    kept = _read_rows(connection, [before.id for before, _ in changes])
    _book(connection, changes, periods, cause=cause, run_id=run_id)
    keep_rows(connection, [(kept[after.id], after) for _, after in changes])


def book_late_records(
    connection: Connection, records: Iterable[UsageRecord], ids: Sequence[int]
) -> None:
    """Take what a write has inserted into closed periods, as the rows `ids`, out of their sums.

    What of it counts is booked; it stands in the row as not counted.
    """
    periods = read_periods(connection)
    latest_ns = max((period.end_ns for period in periods), default=0)
    late = (record for record in records if record.started_ns < latest_ns)
    if not ids or not any(find_period(periods, record.started_ns) for record in late):
        return
    found = {
        number: record
        for number, record in _read_rows(connection, ids).items()
        if is_late(record, periods)
    }
    book_late(connection, found, periods)
    keep_rows(
        connection,
        [(_discount(record), Stored(number, record, record)) for number, record in found.items()],
    )


def is_late(record: UsageRecord, periods: Sequence[ClosedPeriod]) -> bool:
    """Return True if a new record would be in the sums of a closed period."""
    return record.counted and find_period(periods, record.started_ns) is not None


def book_late(
    connection: Connection, late: Mapping[int, UsageRecord], periods: Sequence[ClosedPeriod]
) -> None:
    """Book late records by id, given as they count."""
    changes = [
        (Stored(number, record, _discount(record)), Stored(number, record, record))
        for number, record in late.items()
    ]
    _book(connection, changes, periods, cause=Cause.LATE_RECORD, run_id=None)


def encode_late(record: UsageRecord) -> tuple[UsageRecord, str | None]:
    """Return the columns of a late record, and what it should be: `facts` and `adjusted` of it."""
    row = _discount(record)
    return row, encode_values(list_changes(row, record))


def _discount(record: UsageRecord) -> UsageRecord:
    return record._replace(counted=False, counted_reason=CLOSED)


def _read_rows(connection: Connection, ids: Sequence[int]) -> dict[int, UsageRecord]:
    """Read the columns of records, without what adjustments say."""
    found: dict[int, UsageRecord] = {}
    for first in range(0, len(ids), CHUNK):
        some = select(r.id, *_columns).where(r.id.in_(ids[first : first + CHUNK]))
        found |= {row[0]: UsageRecord._make(row[1:]) for row in connection.execute(some)}
    return found


def keep_rows(connection: Connection, kept: Iterable[tuple[UsageRecord, Stored]]) -> None:
    """Store what records should be beside their columns, which are given as they stay."""
    rows = [
        {
            "which": after.id,
            "new_counted": row.counted,
            "new_reason": row.counted_reason,
            "new_facts": encode_values(list_changes(row, after.facts)),
            "new_adjusted": encode_values(list_changes(row, after.current)),
        }
        for row, after in kept
    ]
    if rows:
        connection.execute(_keep, rows)


def _book(
    connection: Connection,
    changes: Iterable[Change],
    periods: Sequence[ClosedPeriod],
    *,
    cause: Cause,
    run_id: int | None,
) -> None:
    found = [
        (before, after, period)
        for before, after in changes
        if (period := find_period(periods, before.current.started_ns)) is not None
    ]
    # The same for all: it is how `periods_resume` knows what was booked last.
    booked_ns = max([time.time_ns(), *(period.end_ns for _, _, period in found)])
    entries = [
        entry
        for before, after, period in found
        for entry in make_adjustments(
            before, after, period, booked_ns=booked_ns, cause=cause, run_id=run_id
        )
    ]
    if entries:
        connection.execute(adjustment.insert(), entries)
