"""What is still to be booked in closed periods, on a database without transactions.

Input: a ledger with late records that a write has stored, or whose last correction was cut. Output:
these records are booked, and what was booked stands beside its record (`periods_book.py`). Run at
the beginning of a correction, before it reads a record, so that it goes on from what was booked.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from spantoll.records.columns import ADJUSTED, usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.adjustments import Cause
from spantoll.storage.audit import has_content, restore_content
from spantoll.storage.facts import stored
from spantoll.storage.periods import read_periods
from spantoll.storage.periods_book import CHUNK, CLOSED, book_late, keep_rows
from spantoll.storage.store import Stored
from spantoll.storage.tables import adjustment, unsettled

__all__ = ["finish_bookings"]

a, r = adjustment.c, usage_record.c


def finish_bookings(connection: Connection) -> None:
    """Keep what was booked last beside its records, and book the late records that are stored.

    A write notes its records in `unsettled` before it stores them: only these can lack a booking.
    """
    periods = read_periods(connection)
    if not periods:
        return
    _keep_booked(connection)
    late: dict[int, UsageRecord] = {}
    booked = select(a.record_id).where(a.cause == Cause.LATE_RECORD)
    for first_id, last_id in connection.execute(
        select(unsettled.c.first_id, unsettled.c.last_id)
    ).all():
        missing = select(usage_record).where(
            r.id.between(first_id, last_id),
            r.counted_reason == CLOSED,
            r[ADJUSTED].is_not(None),
            r.id.not_in(booked),
        )
        late |= {row.id: stored(row).current for row in connection.execute(missing)}
    book_late(connection, late, periods)


def _keep_booked(connection: Connection) -> None:
    """Let the records of the adjustments that were booked last be what these say.

    All that one statement books has the same time. A record that has the old values lacks the
    new ones: had it got the old ones back since, that would be the last that was booked of it.
    """
    # A late record is stored with what it should be.
    is_change = a.cause != Cause.LATE_RECORD
    newest = select(a.booked_ns).where(is_change).order_by(a.adjustment_id.desc()).limit(1)
    last = select(a.record_id, a.old_values, a.new_values).where(
        is_change, a.booked_ns == connection.scalar(newest)
    )
    booked = {row.record_id: row for row in connection.execute(last)}
    ids = list(booked)
    kept: list[tuple[UsageRecord, Stored]] = []
    for first in range(0, len(ids), CHUNK):
        found = select(usage_record).where(r.id.in_(ids[first : first + CHUNK]))
        for row in connection.execute(found):
            member, entry = stored(row), booked[row.id]
            after = restore_content(member, old=entry.new_values, new=entry.old_values)
            if after is not None and not has_content(member, entry.new_values):
                columns = (row._mapping[name] for name in UsageRecord._fields)
                kept.append((UsageRecord._make(columns), after))
    keep_rows(connection, kept)
