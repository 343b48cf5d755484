"""Merge the rows of a roll-up that have the same bucket and dimensions.

Input: a ledger whose writers have appended rows. Output: fewer rows with the same sums, beside
writers that go on. A bucket is merged when a fifth of its rows are new, so that the work stays in
proportion to what is written (as in https://www.sqlite.org/lsm1.html, trees of sorted runs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, case, delete, func, literal, select, update
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.storage.roll_up_sums import NEVER_NULL, known_name
from spantoll.storage.roll_ups import APPENDED, MERGED, MERGING, ROLL_UPS, RollUp, open_gap

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = ["merge_roll_ups"]

NEW_SHARE = 5
"""A bucket is merged when one of so many of its rows is new."""
MOST_ROWS = 20_000
"""Rows merged in one transaction, so that receivers do not wait long."""


def merge_roll_ups(store: SqlStore) -> int:
    """Merge what has been appended to all roll-ups; return how many rows were merged.

    Raises StoreUnavailable.
    """
    merged = 0
    for roll_up in ROLL_UPS:
        for buckets in _list_buckets(store, roll_up):
            with store.transaction() as connection:
                merged += _merge_buckets(connection, roll_up, buckets)
    return merged


def _list_buckets(store: SqlStore, roll_up: RollUp) -> Iterator[list[int]]:
    """Yield the buckets to merge, as many together as one transaction should take."""
    t = roll_up.table.c
    new = func.sum(case((t.state == APPENDED, 1), else_=0))
    found = (
        select(t.bucket_ns, func.count())
        .group_by(t.bucket_ns)
        .having(new > 1, new * NEW_SHARE >= func.count())
        .order_by(t.bucket_ns)
    )
    try:
        with store.engine.connect() as connection:
            counts = connection.execute(found).all()
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error
    buckets: list[int] = []
    rows = 0
    for bucket_ns, count in counts:
        if buckets and (rows + count > MOST_ROWS or len(buckets) == 1_000):
            yield buckets
            buckets, rows = [], 0
        buckets.append(bucket_ns)
        rows += count
    if buckets:
        yield buckets


def _merge_buckets(connection: Connection, roll_up: RollUp, buckets: Sequence[int]) -> int:
    table, t = roll_up.table, roll_up.table.c
    keys = [t.bucket_ns, *(t[name] for name in roll_up.dimensions)]
    sums = [t.records, *(t[name] for name in roll_up.sums)]
    sums += [t[known_name(name)] for name in roll_up.sums if name not in NEVER_NULL]
    # What other writers append meanwhile is not marked, and stays.
    is_marked = t.bucket_ns.in_(buckets) & (t.state == MERGING)
    rows = (
        select(literal(MERGED), *keys, *(func.sum(each) for each in sums))
        .where(is_marked)
        .group_by(*keys)
        .having(func.sum(t.records) != 0)
    )
    names = ["state", *(each.name for each in (*keys, *sums))]
    marked = connection.execute(
        update(table).where(t.bucket_ns.in_(buckets)).values(state=MERGING)
    ).rowcount
    try:
        with connection.begin_nested():
            connection.execute(table.insert().from_select(names, rows, include_defaults=False))
    except DBAPIError:
        # A sum exceeds 64 bits: these days are answered from their records.
        for bucket_ns in buckets:
            open_gap(connection, bucket_ns, bucket_ns + 1)
    connection.execute(delete(table).where(is_marked))
    return marked
