"""Undoing a run of re-pricing in the database.

Input: a run, whose old values are rows of `reprice_change`. Output: records as they were before it.
A record that has changed since the run, because spans came later, is left as it is and counted in
`Run.kept`. Each batch is a short transaction that moves the run's `last_id` after the records, so
that one that was cut where there are no transactions is restored once more.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from spantoll.errors import RepriceError
from spantoll.storage.adjustments import Cause
from spantoll.storage.audit import has_content, restore_content
from spantoll.storage.facts import store_changes
from spantoll.storage.reprice import (
    Progress,
    Run,
    RunState,
    advance,
    check_position,
    read_locked,
    read_run,
)
from spantoll.storage.sql import SqlStore
from spantoll.storage.store import Stored
from spantoll.storage.tables import reprice_change, reprice_run

__all__ = ["start_undo", "undo_batch"]

c = reprice_run.c


def start_undo(store: SqlStore, run_id: int, *, by: str, now_ns: int) -> Run:
    """Mark a run as being undone, finished or not. Raises RepriceError where it cannot be."""
    with store.transaction() as connection:
        run = read_run(connection, run_id)
        if run.state is RunState.UNDONE:
            raise RepriceError(f"run {run_id} is undone already")
        if run.state is RunState.UNDOING:
            raise RepriceError(
                f"run {run_id} is being undone: `spantoll reprice resume {run_id}` goes on with it"
            )
        if (later := _find_later(connection, run_id)) is not None:
            raise RepriceError(
                f"run {later} has priced records of run {run_id} again: undo run {later} first"
            )
        started = {"state": RunState.UNDOING, "last_id": 0, "undone_by": by, "undone_ns": now_ns}
        connection.execute(update(reprice_run).where(c.run_id == run_id).values(**started))
        return read_run(connection, run_id)


def undo_batch(store: SqlStore, run: Run, *, limit: int) -> Run:
    """Restore the next records of a run, in one transaction; it is undone when none are left."""
    change = reprice_change.c
    following = (
        select(change.record_id, change.old_values, change.new_values)
        .where(change.run_id == run.run_id, change.record_id > run.last_id)
        .order_by(change.record_id)
        .limit(limit)
    )
    with store.transaction() as connection:
        rows = connection.execute(following).all()
        if not rows:
            done = update(reprice_run).where(c.run_id == run.run_id, c.state == RunState.UNDOING)
            connection.execute(done.values(state=RunState.UNDONE))
            return read_run(connection, run.run_id)
        check_position(connection, run)
        now = read_locked(connection, [row.record_id for row in rows])
        restored: list[tuple[Stored, Stored]] = []
        kept = 0
        for row in rows:
            old, new = row.old_values, row.new_values
            member = now.get(row.record_id)
            if member is not None and (before := restore_content(member, old=old, new=new)):
                restored.append((member, before))
            elif member is None or not has_content(member, old):
                kept += 1
        store_changes(connection, restored, cause=Cause.UNDO, run_id=run.run_id)
        advance(connection, run, Progress(rows[-1].record_id, kept=kept))
        return read_run(connection, run.run_id)


def _find_later(connection: Connection, run_id: int) -> int | None:
    """Find the newest later run, not undone, that changed a record of this run."""
    change = reprice_change.c
    ours = select(change.record_id).where(change.run_id == run_id)
    theirs = select(change.run_id).where(change.run_id > run_id, change.record_id.in_(ours))
    later = select(c.run_id).where(c.run_id.in_(theirs), c.state != RunState.UNDONE)
    return connection.scalar(later.order_by(c.run_id.desc()).limit(1))
