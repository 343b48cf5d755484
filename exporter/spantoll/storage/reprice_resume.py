"""The last batch of a run that was cut, on a database without transactions.

Input: an interrupted run. Output: the records of its last batch as the run noted them. A batch
notes its changes in `reprice_change`, then how far the run is, then changes the records: notes
after `Run.last_id` are of a batch that is done again, and are removed; those up to it may be of
records that are not changed yet.
"""

from __future__ import annotations

from sqlalchemy import Connection, Row, delete, select, update

from spantoll.storage.adjustments import Cause
from spantoll.storage.audit import has_content, restore_content
from spantoll.storage.facts import store_changes
from spantoll.storage.rates import to_row
from spantoll.storage.reprice import (
    Change,
    Reprice,
    Run,
    check_position,
    encode_change,
    read_locked,
)
from spantoll.storage.sql import SqlStore
from spantoll.storage.store import Stored
from spantoll.storage.tables import rate, reprice_change

__all__ = ["complete_batch"]

c = reprice_change.c


def complete_batch(store: SqlStore, run: Run, *, reprice: Reprice) -> None:
    """Change the records of the last batch that the run has noted and not changed.

    One that was settled since is priced anew by `reprice`; the sums of the run keep what was noted.
    Does nothing where a transaction holds a batch together. Raises RepriceError if another process
    has gone on with the run.
    """
    if store.has_transactions:
        return
    with store.transaction() as connection:
        check_position(connection, run)
        of_run = c.run_id == run.run_id
        connection.execute(delete(reprice_change).where(of_run, c.record_id > run.last_id))
        newest = (
            select(reprice_change)
            .where(of_run)
            .order_by(c.record_id.desc())
            .limit(store.reprice_batch)
        )
        notes = connection.execute(newest).all()
        now = read_locked(connection, [note.record_id for note in notes])
        changes = [
            change
            for note in notes
            if (member := now.get(note.record_id)) is not None
            and (change := _find_missing(connection, note, member, reprice)) is not None
        ]
        if rates := {each.rate_id: each for change in changes for each in change.rates}:
            store.insert_missing(connection, rate, [to_row(each) for each in rates.values()])
        pairs = [(change.before, change.after) for change in changes]
        store_changes(connection, pairs, cause=Cause.REPRICE, run_id=run.run_id)


def _find_missing(
    connection: Connection, note: Row[tuple[int, int, str, str]], member: Stored, reprice: Reprice
) -> Change | None:
    """Return what is left to do of a noted change; None where the record has it already."""
    if has_content(member, note.new_values):
        return None
    after = restore_content(member, old=note.new_values, new=note.old_values)
    if after is not None:
        return Change(member, after)
    if (change := reprice(member)) is not None:
        this = (c.run_id == note.run_id) & (c.record_id == note.record_id)
        connection.execute(update(reprice_change).where(this).values(encode_change(change)))
    return change
