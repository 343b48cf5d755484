"""Merge the rows of a roll-up that have the same bucket and dimensions.

Input: a ledger whose writers have appended rows. Output: fewer rows with the same sums, beside
writers that go on. A bucket is merged when a fifth of its rows are new, so that the work stays in
proportion to what is written (as in https://www.sqlite.org/lsm1.html, trees of sorted runs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, and_, case, delete, func, or_, select, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.storage.roll_ups import (
    APPENDED,
    MERGED,
    MERGING,
    ROLL_UPS,
    RollUp,
    has_roll_ups,
    insert_rows,
    open_gap,
    select_merged,
)

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = ["merge_roll_ups"]

NEW_SHARE = 5
"""A bucket is merged when one of so many of its rows is new."""
MOST_BUCKETS = 200
MOST_ROWS = 20_000
"""Rows merged in one transaction, so that receivers do not wait long."""
SMALL_CACHE = "PRAGMA cache_size = -4096"
"""4 MB: what is merged is read once, and the cache of a writer of records is 64."""


def merge_roll_ups(store: SqlStore) -> int:
    """Merge what has been appended to all roll-ups; return how many rows were merged.

    Raises StoreUnavailable.
    """
    merged = 0
    for roll_up in ROLL_UPS if has_roll_ups(store.engine) else ():
        for buckets in _list_buckets(store, roll_up):
            with store.transaction() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql(SMALL_CACHE)
                merged += _merge_buckets(connection, roll_up, buckets)
    return merged


def _list_buckets(store: SqlStore, roll_up: RollUp) -> Iterator[list[int]]:
    """Yield the buckets to merge, as many together as one transaction should take."""
    t = roll_up.table.c
    new = func.sum(case((t.state == APPENDED, 1), else_=0))
    bucket = (t.bucket_ns - t.bucket_ns % roll_up.width_ns).label("bucket")
    found = (
        select(bucket, func.count())
        .group_by("bucket")
        .having(new > 1, new * NEW_SHARE >= func.count())
        .order_by("bucket")
    )
    try:
        with store.engine.connect() as connection:
            counts = connection.execute(found).all()
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error
    buckets: list[int] = []
    rows = 0
    for bucket_ns, count in counts:
        if buckets and (rows + count > MOST_ROWS or len(buckets) == MOST_BUCKETS):
            yield buckets
            buckets, rows = [], 0
        buckets.append(bucket_ns)
        rows += count
    if buckets:
        yield buckets


def _merge_buckets(connection: Connection, roll_up: RollUp, buckets: Sequence[int]) -> int:
    table, t = roll_up.table, roll_up.table.c
    in_buckets = or_(
        *(
            and_(t.bucket_ns >= bucket_ns, t.bucket_ns < bucket_ns + roll_up.width_ns)
            for bucket_ns in buckets
        )
    )
    # What other writers append meanwhile is not marked, and stays.
    is_marked = in_buckets & (t.state == MERGING)
    rows = select_merged(roll_up, roll_up, is_marked, state=MERGED)
    rows = rows.having(func.sum(t.records) != 0)
    marked = connection.execute(update(table).where(in_buckets).values(state=MERGING)).rowcount
    try:
        with connection.begin_nested():
            connection.execute(insert_rows(roll_up, rows))
    except DBAPIError:
        # A sum exceeds 64 bits: these days are answered from their records.
        for bucket_ns in buckets:
            open_gap(connection, bucket_ns, bucket_ns + 1)
    connection.execute(delete(table).where(is_marked))
    return marked
