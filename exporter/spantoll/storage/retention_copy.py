"""Copy what retention has left of a ledger: its mark, and the roll-ups of the time before it.

Input: a snapshot of the source and the target of a copy (`copy.py`). Output: the same mark, and
rows of roll-ups that the target cannot make, because their records are deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select

from spantoll.errors import CopyError
from spantoll.records.columns import usage_record
from spantoll.storage.retention import name_mark, read_deleted_before, store_mark
from spantoll.storage.roll_ups import MERGED, ROLL_UPS

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = ["copy_kept_sums", "copy_mark"]

INSERTED_ROWS = 500
"""Of one INSERT."""


def copy_mark(snapshot: Connection, target: SqlStore) -> int:
    """Give an empty target the mark of the source, and return it.

    Raises CopyError where the target has records, and so cannot have another mark.
    """
    mark_ns = read_deleted_before(snapshot)
    with target.transaction() as connection:
        if mark_ns == read_deleted_before(connection):
            return mark_ns
        if connection.scalar(select(usage_record.c.id).limit(1)) is not None:
            raise CopyError(
                f"{target.url} has not the records that the source has: `spantoll db retain "
                "--before DAY` deletes the same of both, here "
                f"{name_mark(mark_ns) if mark_ns else 'nothing'}; or copy into an empty database"
            )
        store_mark(connection, mark_ns)
    return mark_ns


def copy_kept_sums(snapshot: Connection, target: SqlStore, mark_ns: int) -> None:
    """Replace the roll-ups before the mark by those of the source, in one transaction for each.

    Raises CopyError where the mark of a source that shows no snapshot has moved since it was read.
    """
    if (moved_ns := read_deleted_before(snapshot)) != mark_ns:
        raise CopyError(
            f"records before {name_mark(moved_ns)} were deleted during the copy: copy into an "
            "empty database"
        )
    if not mark_ns:
        return
    for roll_up in ROLL_UPS:
        t = roll_up.table.c
        columns = [column for column in t if column.name not in ("id", "state")]
        found = snapshot.execute(
            select(*columns).where(t.bucket_ns < mark_ns).execution_options(yield_per=INSERTED_ROWS)
        )
        with target.transaction() as connection:
            connection.execute(delete(roll_up.table).where(t.bucket_ns < mark_ns))
            for rows in found.partitions():
                connection.execute(
                    roll_up.table.insert(), [{**row._mapping, "state": MERGED} for row in rows]
                )
