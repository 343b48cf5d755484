"""Undoing a run of re-pricing in the database.

Input: a run, whose old values are rows of `reprice_change`. Output: records as they were before it.
A record that has changed since the run, because spans came later, is left as it is and counted in
`Run.kept`. Each batch is a short transaction that moves the run's `last_id`, as in `reprice.py`.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, select, update

from spantoll.errors import RepriceError
from spantoll.storage.adjustments import Cause
from spantoll.storage.audit import restore_content
from spantoll.storage.facts import store_changes
from spantoll.storage.reprice import Progress, Run, RunState, advance, read_locked, read_run
from spantoll.storage.sql import SqlStore
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
        now = read_locked(connection, [row.record_id for row in rows])
        restored = [
            (member, before)
            for row in rows
            if (member := now.get(row.record_id)) is not None
            and (before := restore_content(member, old=row.old_values, new=row.new_values))
        ]
        advance(connection, run, Progress(rows[-1].record_id, kept=len(rows) - len(restored)))
        store_changes(connection, restored, cause=Cause.UNDO, run_id=run.run_id)
        return read_run(connection, run.run_id)


def _find_later(connection: Connection, run_id: int) -> int | None:
    """Find the newest later run, not undone, that changed a record of this run."""
    ours, theirs = reprice_change.alias("ours"), reprice_change.alias("theirs")
    shared = exists().where(
        theirs.c.run_id == c.run_id,
        ours.c.run_id == run_id,
        ours.c.record_id == theirs.c.record_id,
    )
    later = select(c.run_id).where(c.run_id > run_id, c.state != RunState.UNDONE, shared)
    return connection.scalar(later.order_by(c.run_id.desc()).limit(1))
