"""Retention in ClickHouse: sums in place of the records before a day, without transactions.

Input: a ledger, and the plan of a deletion. Output: rows of roll-ups for each UTC day before the
mark, and nowhere else; the mark; fewer records. The sums of a day are inserted, then the mark is
moved behind them by one INSERT: a reader takes records after the mark and sums before it, so that
what is cut in between is not read, and replaced by the next run. Records are deleted last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from clickhouse_connect.driver.exceptions import Error
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import DBAPIError

from spantoll.records.columns import usage_record
from spantoll.storage.clickhouse.row_versions import read_highest
from spantoll.storage.clickhouse.schema import ROW_VERSION, WEEK_NS, WEEKLY
from spantoll.storage.retention import DELETING, read_deleted_before, store_mark
from spantoll.storage.retention_run import (
    Deletion,
    RetentionPlan,
    add_retain_event,
    is_old,
    make_gap_error,
)
from spantoll.storage.roll_up_fill import within
from spantoll.storage.roll_ups import DAY_NS, MERGED, ROLL_UPS, RollUp, select_sums
from spantoll.storage.statements import MAX_SHARED
from spantoll.storage.tables import unsettled

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = ["delete_records", "move_mark"]

SLICE = 100_000
"""Records looked at in one transaction: whether others are connected with them takes a scan."""
RANGES = 500
"""Periods of ids in one statement, of about 50 bytes each; a server takes 256 kB by default."""
NOTES = 500
"""Notes of unsettled records in one statement."""

CANNOT_CONVERT = "CANNOT_CONVERT_TYPE"
"""The error of a sum that exceeds 64 bits."""

r = usage_record.c


def move_mark(store: SqlStore, planned: RetentionPlan, *, by: str, now_ns: int) -> bool:
    """Move the mark to the planned one; return False while records before it are not settled.

    Writers wait for the sums of one day at a time. Raises RetentionError where sums of a day exceed
    64 bits, and StoreUnavailable; started again, it goes on.
    """
    mark_ns = planned.deleted_before_ns
    is_noted = False
    while True:
        with store.exclusive_transaction() as connection:
            if _has_unsettled(connection, mark_ns):
                return False
            before_ns = read_deleted_before(connection)
            if before_ns >= mark_ns:
                return True
            summed_ns = _sum_next_day(connection, before_ns, mark_ns)
            if not is_noted:
                add_retain_event(connection, planned, by=by, now_ns=now_ns)
                is_noted = True
            store_mark(connection, summed_ns)


def _has_unsettled(connection: Connection, mark_ns: int) -> bool:
    u = unsettled.c
    notes = connection.execute(select(u.first_id, u.last_id)).all()
    for start in range(0, len(notes), NOTES):
        noted = or_(*(r.id.between(*note) for note in notes[start : start + NOTES]))
        found = select(r.id).where(r.started_ns < mark_ns, noted).limit(1)
        if connection.scalar(found) is not None:
            return True
    return False


def _sum_next_day(connection: Connection, before_ns: int, mark_ns: int) -> int:
    """Insert the sums of the first UTC day after the mark that has records.

    Return the time before which all is summed then.
    """
    _clear_sums(connection, before_ns)
    first = select(func.min(r.started_ns))
    first_ns: int | None = connection.scalar(
        first.where(r.started_ns >= before_ns, r.started_ns < mark_ns)
    )
    if first_ns is None:
        return mark_ns
    day_ns = first_ns - first_ns % DAY_NS
    try:
        for roll_up in ROLL_UPS:
            _insert_sums(connection, roll_up, day_ns)
    except DBAPIError as error:
        if CANNOT_CONVERT in str(error.orig):
            raise make_gap_error(mark_ns) from error
        raise
    return day_ns + DAY_NS


def _clear_sums(connection: Connection, before_ns: int) -> None:
    """Delete the sums that a run has left which was cut before it moved the mark."""
    for roll_up in ROLL_UPS:
        left = roll_up.table.c.bucket_ns >= before_ns
        found = select(roll_up.table.c.id).where(left).limit(1)
        # Ends what the run that was cut is still inserting, or fails.
        if connection.scalar(found.execution_options(settings=_name_query(connection))) is not None:
            # Not new versions, which would keep what they delete.
            statement = f"DELETE FROM {roll_up.table.name} WHERE bucket_ns >= {before_ns}"  # noqa: S608  our name
            _command(connection, statement, lightweight_deletes_sync=1)


def _insert_sums(connection: Connection, roll_up: RollUp, day_ns: int) -> None:
    sums = select_sums(roll_up, *within(r.started_ns, day_ns, day_ns + DAY_NS)).subquery("sums")
    grouped = {"bucket_ns", *roll_up.dimensions}
    last_id = read_highest(connection, roll_up.table.c.id)
    columns = {
        "id": literal_column(str(last_id), BigInteger) + func.row_number().over(),
        "state": literal_column(str(MERGED)),
        **{each.name: each if each.name in grouped else _narrow(each) for each in sums.c},
    }
    rows = select(*(column.label(f"new_{name}") for name, column in columns.items()))
    insert = roll_up.table.insert().from_select(list(columns), rows, include_defaults=False)
    connection.execute(insert.execution_options(settings=_name_query(connection)))


def _narrow(total: ColumnElement[Any]) -> ColumnElement[Any]:
    """Convert a sum of 128 bits; ClickHouse raises CANNOT_CONVERT_TYPE for one that exceeds 64."""
    return func.accurateCast(total, literal_column("'Nullable(Int64)'"))


def _name_query(connection: Connection) -> dict[str, str | int]:
    """Return the settings by which a server ends one of these statements before it runs another.

    It may still be inserting for a process that was killed.
    """
    query_id = f"spantoll-sums-{connection.engine.url.database}"
    return {"query_id": query_id, "replace_running_query": 1}


class _Slice(NamedTuple):
    """Consecutive ids of one week."""

    ranges: Sequence[tuple[int, int]]
    """First and last ids of what can be deleted, between which there is nothing else."""
    deleted: int
    examined: int
    last_id: int | None
    """None after the last slice."""
    last_version: int


def delete_records(
    store: SqlStore,
    mark_ns: int,
    *,
    pause: Callable[[], None],
    progress: Callable[[Deletion], None] = lambda done: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Deletion:
    """Delete what started before the mark and no later call is connected with, by week received.

    All versions of a record are deleted by its id, which they have in common. Of weeks that are
    past, the disk is freed beside what else the server does. Raises StoreUnavailable; started
    again, it goes on.
    """
    done = Deletion(0, 0)
    with store.transaction() as connection:
        store_mark(connection, mark_ns, row=DELETING)
        week = (r.received_ns // WEEK_NS).label("week")
        weeks = connection.scalars(select(week).where(is_old(mark_ns)).distinct()).all()
        is_weekly = _is_weekly(connection)
    for week_number in sorted(weeks):
        after_id: int | None = 0
        while after_id is not None:
            with store.transaction() as connection:
                found = _read_slice(connection, week_number, after_id, mark_ns)
                _delete_ranges(connection, week_number, found, is_weekly=is_weekly)
            after_id = found.last_id
            done = Deletion(done.deleted + found.deleted, done.examined + found.examined)
            progress(done)
            if is_stopped():
                return done
            pause()
    if is_weekly:
        with store.transaction() as connection:
            _free_disk(connection, mark_ns)
    return done


def _is_weekly(connection: Connection) -> bool:
    """Return False for a ledger of an earlier version, which is not partitioned by weeks."""
    key = text(
        "SELECT partition_key FROM system.tables WHERE database = currentDatabase() "
        "AND name = 'usage_record'"
    )
    return bool(connection.scalar(key) == WEEKLY)


def _read_slice(connection: Connection, week: int, after_id: int, mark_ns: int) -> _Slice:
    version: ColumnElement[int] = literal_column(f"usage_record.{ROW_VERSION}", BigInteger())
    rows = connection.execute(
        select(r.id, is_old(mark_ns).label("old"), version.label("version"))
        .where(r.id > after_id, *_in_week(usage_record, week))
        .order_by(r.id)
        .limit(SLICE)
    ).all()
    if not rows:
        return _Slice((), 0, 0, None, 0)
    last_id = rows[-1].id
    connected = set(connection.scalars(_select_connected(week, rows[0].id, last_id, mark_ns)))
    old = [row.id for row in rows if row.old]
    deleted = [number for number in old if number not in connected]
    return _Slice(
        list(_join_ids([row.id for row in rows], set(deleted))),
        len(deleted),
        len(old),
        last_id if len(rows) == SLICE else None,
        max(row.version for row in rows),
    )


def _in_week(rows: FromClause, week: int) -> list[ColumnElement[bool]]:
    start_ns = week * WEEK_NS
    return [rows.c.received_ns >= start_ns, rows.c.received_ns < start_ns + WEEK_NS]


def _select_connected(week: int, first_id: int, last_id: int, mark_ns: int) -> Select[Any]:
    """Select the ids of a slice whose trace or response id a record after the mark has."""
    own, other = usage_record.alias("own"), usage_record.alias("other")

    def in_slice(rows: FromClause) -> list[ColumnElement[bool]]:
        return [rows.c.id.between(first_id, last_id), *_in_week(rows, week)]

    def trace(rows: FromClause) -> list[ColumnElement[Any]]:
        return [rows.c.tenant_id, rows.c.trace_id]

    key = other.c.response_key
    traces = select(*trace(other)).where(
        other.c.started_ns >= mark_ns,
        tuple_(*trace(other)).in_(select(*trace(own)).where(*in_slice(own))),
    )
    responses = (
        select(key)
        .where(key.in_(select(own.c.response_key).where(*in_slice(own))))
        .group_by(key)
        .having(func.count() <= MAX_SHARED, func.max(other.c.started_ns) >= mark_ns)
    )
    is_connected = or_(
        tuple_(*trace(usage_record)).in_(traces),
        r.response_key.is_not(None) & r.response_key.in_(responses),
    )
    return select(r.id).where(*in_slice(usage_record), is_connected)


def _join_ids(ids: Sequence[int], chosen: set[int]) -> Iterator[tuple[int, int]]:
    """Join the chosen ones of ascending ids to ranges that have no other id in them."""
    first = last = None
    for number in ids:
        if number in chosen:
            first, last = first or number, number
        elif first is not None and last is not None:
            yield first, last
            first = None
    if first is not None and last is not None:
        yield first, last


def _delete_ranges(connection: Connection, week: int, found: _Slice, *, is_weekly: bool) -> None:
    partition = f"IN PARTITION {week} " if is_weekly else ""
    # A record with such an id that another process inserts meanwhile has a newer version.
    within_week = (
        f"received_ns >= {week * WEEK_NS} AND received_ns < {(week + 1) * WEEK_NS} "
        f"AND {ROW_VERSION} <= {found.last_version}"
    )
    for start in range(0, len(found.ranges), RANGES):
        some = found.ranges[start : start + RANGES]
        ids = " OR ".join(f"id BETWEEN {first} AND {last}" for first, last in some)
        statement = f"DELETE FROM usage_record {partition}WHERE {within_week} AND ({ids})"  # noqa: S608  numbers
        _command(connection, statement, lightweight_deletes_sync=1)


def _free_disk(connection: Connection, mark_ns: int) -> None:
    """Let the server write the parts of past weeks anew, without what is deleted of them.

    The last week is left for later, so that a daily deletion writes a week once.
    """
    partitions = text(
        "SELECT DISTINCT toInt64(partition) FROM system.parts WHERE active AND "
        "has_lightweight_delete AND database = currentDatabase() AND table = 'usage_record'"
    )
    for week in connection.scalars(partitions).all():
        if (week + 1) * WEEK_NS + DAY_NS <= mark_ns:
            _command(
                connection,
                f"ALTER TABLE usage_record APPLY DELETED MASK IN PARTITION {week}",
                mutations_sync=0,
            )


def _command(connection: Connection, statement: str, **settings: int) -> None:
    """Execute a statement that SQLAlchemy would rewrite to one of versions."""
    client = cast(Any, connection.connection.driver_connection).client
    try:
        client.command(statement, settings=settings)
    except Error as error:
        raise DBAPIError(statement, None, error) from error
