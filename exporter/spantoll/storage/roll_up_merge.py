"""Merge the rows of a roll-up that have the same bucket and dimensions.

Input: a ledger whose writers have appended rows. Output: fewer rows with the same sums, beside
writers that go on. A bucket is merged when a fifth of its rows are new, so that the work stays in
proportion to what is written (as in https://www.sqlite.org/lsm1.html, trees of sorted runs). What
is to be merged is found as a reader; a transaction merges a bounded number of rows.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Label, and_, case, delete, func, or_, select, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.storage.retention import read_deleted_before
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
"""Read by one statement."""
MOST_ROWS = 1_000
"""Rows merged in one transaction, about 13 ms of CPU on SQLite, so that receivers do not wait."""
SMALL_CACHE = "PRAGMA cache_size = -4096"
"""4 MB: what is merged is read once, and the cache of a writer of records is 64."""


class _Rows(NamedTuple):
    """Rows to merge; those of the same bucket and dimensions follow each other."""

    ids: array[int]
    buckets_ns: array[int]
    """The start of each row's bucket."""


def merge_roll_ups(
    store: SqlStore,
    *,
    pause: Callable[[float], None] = lambda seconds: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Merge what has been appended to all roll-ups; return how many rows were merged.

    `pause` is called between two transactions with how long the first one held the lock: SQLite
    queues no writers, so that one that takes the lock at once again keeps it from all others.
    Raises StoreUnavailable.
    """
    merged = 0
    for roll_up, rows in _list_groups(store):
        if is_stopped():
            break
        with store.transaction() as connection:
            began_s = time.monotonic()
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(SMALL_CACHE)
            merged += _merge_rows(connection, roll_up, rows)
        pause(time.monotonic() - began_s)
    return merged


def _list_groups(store: SqlStore) -> Iterator[tuple[RollUp, _Rows]]:
    """Yield the rows to merge, as many as one transaction merges."""
    for roll_up in ROLL_UPS if has_roll_ups(store.engine) else ():
        for buckets in _list_buckets(store, roll_up):
            found = _list_rows(store, roll_up, buckets)
            for start in range(0, len(found.ids), MOST_ROWS):
                yield roll_up, _Rows(*(each[start : start + MOST_ROWS] for each in found))


def _list_buckets(store: SqlStore, roll_up: RollUp) -> Iterator[Sequence[int]]:
    """Yield the starts of the buckets to merge, some together."""
    t = roll_up.table.c
    new = func.sum(case((t.state == APPENDED, 1), else_=0))
    bucket = _start_of_bucket(roll_up)
    found = (
        select(bucket)
        .group_by("bucket")
        .having(new > 1, new * NEW_SHARE >= func.count())
        .order_by("bucket")
    )
    try:
        with store.engine.connect() as connection:
            buckets = connection.scalars(found).all()
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error
    for start in range(0, len(buckets), MOST_BUCKETS):
        yield buckets[start : start + MOST_BUCKETS]


def _list_rows(store: SqlStore, roll_up: RollUp, buckets: Sequence[int]) -> _Rows:
    """List the new rows of buckets, and those that have the bucket and dimensions of another one.

    Those that another process merges meanwhile are not there any more when they are to be marked.
    """
    t = roll_up.table.c
    in_buckets = or_(
        *(
            and_(t.bucket_ns >= bucket_ns, t.bucket_ns < bucket_ns + roll_up.width_ns)
            for bucket_ns in buckets
        )
    )
    bucket = _start_of_bucket(roll_up)
    keys = [t[name] for name in roll_up.dimensions]
    same = func.count().over(partition_by=[bucket.element, *keys]).label("same")
    rows = select(t.id, bucket, t.state, *keys, same).where(in_buckets).subquery("r").c
    wanted = (
        select(rows.id, rows.bucket)
        .where(or_(rows.same > 1, rows.state == APPENDED))
        .order_by(rows.bucket, *(rows[name] for name in roll_up.dimensions))
        .execution_options(yield_per=MOST_ROWS)
    )
    # Numbers of 8 bytes: a day may have a row for each of a million users.
    found = _Rows(array("q"), array("q"))
    try:
        with store.engine.connect() as connection:
            for number, bucket_ns in connection.execute(wanted):
                found.ids.append(number)
                found.buckets_ns.append(bucket_ns)
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error
    return found


def _start_of_bucket(roll_up: RollUp) -> Label[int]:
    bucket_ns = roll_up.table.c.bucket_ns
    return (bucket_ns - bucket_ns % roll_up.width_ns).label("bucket")


def _merge_rows(connection: Connection, roll_up: RollUp, rows: _Rows) -> int:
    table, t = roll_up.table, roll_up.table.c
    end_ns = max(rows.buckets_ns) + roll_up.width_ns
    between = and_(t.bucket_ns >= min(rows.buckets_ns), t.bucket_ns < end_ns)
    # What other writers append meanwhile is not marked, and stays.
    is_marked = between & (t.state == MERGING)
    mark = update(table).where(t.id.in_(rows.ids)).values(state=MERGING)
    marked = connection.execute(mark).rowcount
    merged = select_merged(roll_up, roll_up, is_marked, state=MERGED)
    merged = merged.having(func.sum(t.records) != 0)
    try:
        with connection.begin_nested():
            connection.execute(insert_rows(roll_up, merged))
    except DBAPIError:
        # A sum exceeds 64 bits: these days are answered from their records, if they have them.
        mark_ns = read_deleted_before(connection)
        unmark = update(table).where(is_marked, t.bucket_ns < mark_ns).values(state=MERGED)
        connection.execute(unmark)
        for bucket_ns in {each for each in rows.buckets_ns if each >= mark_ns}:
            open_gap(connection, bucket_ns, bucket_ns + 1)
    connection.execute(delete(table).where(is_marked))
    return marked
