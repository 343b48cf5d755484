"""Delete the records that started before a UTC day, in batches, and keep their roll-ups.

Input: a ledger whose roll-ups are complete before that day, and the day. Output: the mark moved,
then records deleted, beside writers that go on. The mark comes first, in a transaction that waits
for the insertions under way: from then on nothing before it changes, so that a deletion that was
killed goes on when it is started again. What later calls may be connected with is not deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import DBAPIError

from spantoll.errors import RetentionError, StoreUnavailable
from spantoll.records.columns import usage_record
from spantoll.storage.audit_events import add_audit_event
from spantoll.storage.retention import MARK, name_mark, read_deleted_before
from spantoll.storage.roll_up_fill import list_gaps
from spantoll.storage.roll_ups import DAY_NS, add_pending, has_roll_ups
from spantoll.storage.statements import MAX_SHARED
from spantoll.storage.tables import retention, unsettled

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = [
    "Deletion",
    "RetentionPlan",
    "add_retain_event",
    "check_retention",
    "delete_records",
    "is_old",
    "make_gap_error",
    "move_mark",
    "plan_retention",
]

MARGIN_NS = 3600 * 10**9
"""Records of the last hour before the mark stay: calls are duplicates of others by equal usage
within some seconds (`pipeline.counting.matching`), and a sender may be late by minutes."""
BATCH = 1_000
"""Records deleted in one transaction, so that receivers do not wait long."""

r = usage_record.c


class RetentionPlan(NamedTuple):
    """What a deletion would do."""

    deleted_before_ns: int
    """The mark as it would be: a UTC midnight, never before the present one."""
    records: int
    """That started before, and could be deleted; those that later calls are connected with stay."""
    first_ns: int | None
    """When the first of them started."""
    last_ns: int | None


class Deletion(NamedTuple):
    """How far a deletion is."""

    deleted: int
    examined: int


def plan_retention(engine: Engine, before_ns: int) -> RetentionPlan:
    """Plan to delete the records that started before the UTC day of a time."""
    try:
        with engine.connect() as snapshot:
            mark_ns = max(before_ns - before_ns % DAY_NS, read_deleted_before(snapshot))
            bounds = (func.count(), func.min(r.started_ns), func.max(r.started_ns))
            records, first_ns, last_ns = snapshot.execute(
                select(*bounds).where(is_old(mark_ns))
            ).one()
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error
    return RetentionPlan(mark_ns, records, first_ns, last_ns)


def is_old(mark_ns: int) -> ColumnElement[bool]:
    """Return the condition of the records that are deleted unless a later call is connected."""
    # SQLite gives the id after the highest one to the next record, and no id may be of two.
    highest = select(func.max(r.id)).scalar_subquery()
    return and_(r.started_ns < mark_ns - MARGIN_NS, r.id < highest)


def check_retention(store: SqlStore) -> None:
    """Raise RetentionError where a database has no roll-ups."""
    if not has_roll_ups(store.engine):
        raise RetentionError(
            f"{store.url} has no roll-ups, which keep the sums of deleted records; copy the ledger "
            "to another database by `spantoll db copy`"
        )


def move_mark(store: SqlStore, planned: RetentionPlan, *, by: str, now_ns: int) -> bool:
    """Move the mark to the planned one; return False while records before it are not settled.

    Raises RetentionError where roll-ups are not complete before it, and StoreUnavailable.
    """
    try:
        _move_mark(store, planned, by=by, now_ns=now_ns)
    except _NotSettled:
        return False
    return True


class _NotSettled(Exception):
    """Raised to undo a transaction: records that are to be deleted are not settled yet."""


def _move_mark(store: SqlStore, planned: RetentionPlan, *, by: str, now_ns: int) -> None:
    mark_ns = planned.deleted_before_ns
    m = retention.c.deleted_before_ns
    with store.exclusive_transaction() as connection:
        moved = update(retention).where(retention.c.id == MARK, m < mark_ns)
        moved = moved.values(deleted_before_ns=mark_ns)
        is_moved = connection.execute(moved).rowcount == 1
        # What is deleted must be in roll-ups, and none of it is added later.
        while add_pending(connection):
            pass
        _check_gaps(connection, mark_ns)
        if _has_unsettled(connection, mark_ns):
            raise _NotSettled
        if is_moved:
            add_retain_event(connection, planned, by=by, now_ns=now_ns)


def add_retain_event(
    connection: Connection, planned: RetentionPlan, *, by: str, now_ns: int
) -> None:
    """Note in the audit that the mark is moved."""
    why = f"delete records before {name_mark(planned.deleted_before_ns)}, keep their sums"
    add_audit_event(connection, "retain", by=by, why=why, now_ns=now_ns, records=planned.records)


def _check_gaps(connection: Connection, mark_ns: int) -> None:
    for gap in list_gaps(connection):
        if gap.start_ns < mark_ns:
            raise make_gap_error(mark_ns)


def make_gap_error(mark_ns: int) -> RetentionError:
    """Make the error of a day whose sums no roll-up can hold, or none has yet."""
    return RetentionError(
        f"a day before {name_mark(mark_ns)} has no valid roll-ups, so that deleting its "
        "records would lose their sums: see `spantoll db verify`"
    )


def _has_unsettled(connection: Connection, mark_ns: int) -> bool:
    u = unsettled.c
    found = (
        select(r.id)
        .join(unsettled, r.id.between(u.first_id, u.last_id))
        .where(r.started_ns < mark_ns)
    )
    return connection.scalar(found.limit(1)) is not None


def delete_records(
    store: SqlStore,
    mark_ns: int,
    *,
    pause: Callable[[], None],
    progress: Callable[[Deletion], None] = lambda done: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Deletion:
    """Delete what started before the mark and no later call is connected with, oldest first.

    `pause` is called between two transactions, so that others get the lock, and `is_stopped` after
    each. Raises StoreUnavailable; started again, it goes on.
    """
    done = Deletion(0, 0)
    common: set[int] = set()
    after: ColumnElement[bool] = true()
    while True:
        with store.transaction() as connection:
            old = select(r.id, r.started_ns, r.tenant_id, r.trace_id, r.response_key)
            oldest = old.where(is_old(mark_ns), after).order_by(r.started_ns, r.id).limit(BATCH)
            rows = connection.execute(oldest).all()
            ids = _list_unconnected(connection, rows, mark_ns, common)
            if ids:
                connection.execute(delete(usage_record).where(r.id.in_(ids)))
        done = Deletion(done.deleted + len(ids), done.examined + len(rows))
        progress(done)
        if len(rows) < BATCH or is_stopped():
            return done
        last = rows[-1]
        after = or_(
            r.started_ns > last.started_ns,
            and_(r.started_ns == last.started_ns, r.id > last.id),
        )
        pause()


def _list_unconnected(
    connection: Connection, rows: Sequence[Any], mark_ns: int, common: set[int]
) -> list[int]:
    """List the ids of the rows whose trace and response id no record after the mark has.

    `common` collects the response keys that so many records have that they connect none.
    """
    later = r.started_ns >= mark_ns
    found = connection.execute(
        select(r.tenant_id, r.trace_id)
        .where(r.trace_id.in_({row.trace_id for row in rows}), later)
        .distinct()
    )
    traces = {(row.tenant_id, bytes(row.trace_id)) for row in found}
    keys = {row.response_key for row in rows} - common - {None}
    shared = connection.execute(
        select(r.response_key, func.count(), func.max(r.started_ns))
        .where(r.response_key.in_(keys))
        .group_by(r.response_key)
    ).all()
    common.update(key for key, count, _ in shared if count > MAX_SHARED)
    responses = {
        key for key, count, last_ns in shared if count <= MAX_SHARED and last_ns >= mark_ns
    }
    return [
        row.id
        for row in rows
        if (row.tenant_id, bytes(row.trace_id)) not in traces and row.response_key not in responses
    ]
