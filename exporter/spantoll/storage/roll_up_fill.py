"""Fill roll-ups from records, one UTC day at a time, newest first, beside writers that go on.

Input: a ledger with gaps: one that is older than roll-ups, was copied, or is to be rebuilt. Output:
roll-ups that are valid for the whole time. A step reads the sums of a day and the rows that the
roll-ups have of it in one snapshot, then replaces these rows by those sums: what writers have
appended since the snapshot stays. So a killed fill goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.records.columns import usage_record
from spantoll.storage.retention import read_deleted_before
from spantoll.storage.roll_up_pending import (
    is_rolled_up,
    read_last_rolled_up,
    set_last_rolled_up,
)
from spantoll.storage.roll_ups import (
    CHUNK,
    DAY_NS,
    END_NS,
    MERGED,
    ROLL_UPS,
    RollUp,
    has_roll_ups,
    open_gap,
    roll_up_gap,
    select_sums,
)

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = ["Gap", "clear_roll_ups", "fill_gaps", "list_gaps"]

INSERTED_ROWS = 500
"""Of one INSERT."""

r, g = usage_record.c, roll_up_gap.c


class Gap(NamedTuple):
    """A period for which roll-ups are not valid, half-open."""

    start_ns: int
    end_ns: int


class _Sums(NamedTuple):
    """What a snapshot has of one roll-up in a period."""

    roll_up: RollUp
    stale_ids: Sequence[int]
    rows: Sequence[dict[str, Any]]


class _Changed(Exception):
    """Raised when another process has merged or filled what a step has read."""


def list_gaps(connection: Connection) -> list[Gap]:
    """List the gaps, newest first; none where a database has no roll-ups."""
    if not has_roll_ups(connection):
        return []
    return [Gap._make(row) for row in connection.execute(select(roll_up_gap).order_by(-g.end_ns))]


def clear_roll_ups(store: SqlStore) -> None:
    """Let all roll-ups be invalid, until `fill_gaps` has made them again.

    Sums of the time before the mark of retention stay: their records are deleted.
    """
    if not has_roll_ups(store.engine):
        return
    with store.transaction() as connection:
        connection.execute(delete(roll_up_gap))
        open_gap(connection, read_deleted_before(connection))
        set_last_rolled_up(connection)


def fill_gaps(
    store: SqlStore,
    *,
    progress: Callable[[int], None] = lambda start_ns: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Fill all gaps; return True if none is left.

    `progress` is called with the time from which on a gap is filled. A day whose sums exceed 64
    bits stays a gap: queries read its records. Raises StoreUnavailable.
    """
    try:
        with store.engine.connect() as connection:
            gaps = list_gaps(connection)
        for gap in gaps:
            left: Gap | None = gap
            while left is not None:
                if is_stopped():
                    return False
                left = _fill_newest_day(store, left)
                progress(gap.start_ns if left is None else left.end_ns)
        with store.engine.connect() as connection:
            return not list_gaps(connection)
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error


def within(time: ColumnElement[int], start_ns: int, end_ns: int) -> list[ColumnElement[bool]]:
    """Return the conditions that a time is in a period; END_NS is no end."""
    return [time >= start_ns] if end_ns == END_NS else [time >= start_ns, time < end_ns]


def _fill_newest_day(store: SqlStore, gap: Gap) -> Gap | None:
    """Fill a gap from the day of its newest record on; return what is left of it."""
    with store.engine.connect() as snapshot:
        newest = select(func.max(r.started_ns)).where(*within(r.started_ns, *gap))
        newest_ns = snapshot.scalar(newest)
        start_ns = gap.start_ns
        if newest_ns is not None:
            start_ns = max(start_ns, newest_ns - newest_ns % DAY_NS)
        period = Gap(start_ns, gap.end_ns)
        try:
            sums = [_read_sums(snapshot, roll_up, period) for roll_up in ROLL_UPS]
        except (DBAPIError, OverflowError):
            sums = []
    try:
        with store.transaction() as connection:
            left = _shrink(connection, gap, start_ns)
            if not sums:
                open_gap(connection, *period)
            for each in sums:
                _replace_rows(connection, each)
    except _Changed:
        return gap if _is_gap(store, gap) else None
    return left


def _read_sums(snapshot: Connection, roll_up: RollUp, period: Gap) -> _Sums:
    t = roll_up.table.c
    stale = snapshot.scalars(select(t.id).where(*within(t.bucket_ns, *period))).all()
    there = is_rolled_up(read_last_rolled_up(snapshot))
    found = snapshot.execute(select_sums(roll_up, *within(r.started_ns, *period), *there))
    rows = [
        {"state": MERGED, **{name: _to_int(value) for name, value in row._mapping.items()}}
        for row in found
    ]
    return _Sums(roll_up, stale, rows)


def _to_int(value: Any) -> Any:
    """Take a sum as an integer of 64 bits. Raises OverflowError."""
    number = int(value) if isinstance(value, Decimal) else value
    if isinstance(number, int) and abs(number) > END_NS:
        raise OverflowError(f"{number} exceeds 64 bits")
    return number


def _replace_rows(connection: Connection, sums: _Sums) -> None:
    table = sums.roll_up.table
    deleted = 0
    for start in range(0, len(sums.stale_ids), CHUNK):
        chunk = table.c.id.in_(sums.stale_ids[start : start + CHUNK])
        deleted += connection.execute(delete(table).where(chunk)).rowcount
    if deleted != len(sums.stale_ids):
        raise _Changed
    for start in range(0, len(sums.rows), INSERTED_ROWS):
        connection.execute(table.insert(), sums.rows[start : start + INSERTED_ROWS])


def _shrink(connection: Connection, gap: Gap, end_ns: int) -> Gap | None:
    """End a gap earlier. Raises _Changed if it is not there any more."""
    this = (g.start_ns == gap.start_ns) & (g.end_ns == gap.end_ns)
    if end_ns == gap.start_ns:
        changed = connection.execute(delete(roll_up_gap).where(this)).rowcount
    else:
        changed = connection.execute(update(roll_up_gap).where(this).values(end_ns=end_ns)).rowcount
    if changed != 1:
        raise _Changed
    return None if end_ns == gap.start_ns else Gap(gap.start_ns, end_ns)


def _is_gap(store: SqlStore, gap: Gap) -> bool:
    with store.engine.connect() as connection:
        return gap in list_gaps(connection)
