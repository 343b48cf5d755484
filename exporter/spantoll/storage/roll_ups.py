"""Roll-ups: sums of counted records by time bucket and dimensions, in the transaction of a change.

Input: ids of records that were inserted, or are about to change. Output: rows of the roll-up tables
that add or subtract what these records sum to. Rows are only appended, so writers never wait for
each other: the sum of a bucket is the sum of all its rows, which `roll_up_merge` makes fewer.
`roll_up_gap` has the periods for which roll-ups are not valid: queries read the records there.
Records above the id of `roll_up_pending` are not in roll-ups yet: a change of them changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Insert,
    Select,
    SmallInteger,
    Table,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy.exc import DBAPIError

from spantoll.records.column_spec import identity
from spantoll.records.columns import metadata, usage_record
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.storage.filled_columns import FilledColumns
from spantoll.storage.roll_up_pending import (
    defers_records,
    read_last_rolled_up,
    read_newest,
    set_last_rolled_up,
)
from spantoll.storage.roll_up_sums import NEVER_NULL, SUMS, known_name

__all__ = [
    "APPENDED",
    "CHUNK",
    "DAY_NS",
    "END_NS",
    "MERGED",
    "MERGING",
    "MOST_ADDED",
    "ROLL_UPS",
    "RollUp",
    "add_pending",
    "add_records",
    "changing_records",
    "has_roll_ups",
    "insert_rows",
    "open_gap",
    "roll_up_gap",
    "select_merged",
    "select_sums",
]

DAY_NS = 24 * 3600 * 10**9
QUARTER_NS = 15 * 60 * 10**9
"""Every offset from UTC in use is a multiple of 15 minutes (tz database 2024a)."""
END_NS = 2**63 - 1
"""The end of what a column of nanoseconds holds."""

APPENDED, MERGING, MERGED, STAGED = range(4)
"""The values of `state`; a row is merging or staged only within one transaction."""

CHUNK = 5_000
"""Ids in one IN list; SQLite takes 32,766 parameters."""

MOST_ADDED = 32_768
"""Pending records of one transaction: more than two groups of a group commit."""

r = usage_record.c


class RollUp(NamedTuple):
    """One table of sums; `bucket_ns` is the UTC start of a bucket."""

    name: str
    width_ns: int
    """Of a bucket."""
    dimensions: tuple[str, ...]
    """Columns of a record that are the same in all records of a row."""
    sums: tuple[str, ...]
    """Names of SUMS."""
    table: Table


_MODEL = ("tenant_id", "provider", "model", "operation", "status")
_PRICE = ("pricing_status", "pricing_reason", "rate_id")
_ATTRIBUTION = (
    "customer_id",
    "organisation",
    "project",
    "workspace_id",
    "team",
    "environment",
    "service_name",
    "task_type",
)


def _declare(
    name: str, width_ns: int, dimensions: tuple[str, ...], sums: Sequence[str] = tuple(SUMS)
) -> RollUp:
    known = [known_name(each) for each in sums if each not in NEVER_NULL]
    table = Table(
        name,
        metadata,
        Column("id", identity, primary_key=True),
        Column("bucket_ns", BigInteger, nullable=False),
        Column("state", SmallInteger, nullable=False),
        *(Column(each, COLUMNS[each].type, nullable=True) for each in dimensions),
        Column("records", BigInteger, nullable=False),
        *(Column(each, BigInteger, nullable=True) for each in sums),
        *(Column(each, BigInteger, nullable=False) for each in known),
        # An id that is read as one of a snapshot must never be that of another row later.
        sqlite_autoincrement=True,
    )
    Index(f"ix_{name}_bucket", table.c.bucket_ns, table.c.state)
    return RollUp(name, width_ns, dimensions, tuple(sums), table)


# The day answers long periods; 15 minutes the edges, of periods and of days of other zones.
_MODEL_DAY = _declare("roll_up_model_day", DAY_NS, (*_MODEL, *_PRICE))
_MODEL_QUARTER = _declare("roll_up_model_quarter", QUARTER_NS, (*_MODEL, *_PRICE))
# Buckets of 15 minutes would have about as many rows as there are records.
_ATTRIBUTION_DAY = _declare("roll_up_attribution_day", DAY_NS, (*_MODEL, *_PRICE, *_ATTRIBUTION))
_USER_DAY = _declare("roll_up_user_day", DAY_NS, (*_MODEL, *_PRICE, "user_id"))
_LATENCY_DAY = _declare("roll_up_latency_day", DAY_NS, (*_MODEL, "latency_bucket"), ())

ROLL_UPS = (_MODEL_DAY, _MODEL_QUARTER, _ATTRIBUTION_DAY, _USER_DAY, _LATENCY_DAY)
"""The fewest rows first, of those of one width."""

roll_up_gap = Table(
    "roll_up_gap",
    metadata,
    Column("start_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("end_ns", BigInteger, nullable=False),
)
"""Periods of whole UTC days, half-open, which may overlap: roll-ups are not valid there."""

_names = sorted(
    {"counted", "started_ns", "latency_bucket", "input_cost_nano", "cache_cost_nano"}
    | {name for each in ROLL_UPS for name in each.dimensions}
    | (SUMS.keys() & set(UsageRecord._fields))
)
_summed = [UsageRecord._fields.index(name) for name in _names]


DATABASES = frozenset({"sqlite", "postgresql", "mariadb", "mysql"})
"""Names of SQLAlchemy's dialects for databases whose ledgers have roll-ups."""


def has_roll_ups(database: Connection | Engine) -> bool:
    """Return True if ledgers in this kind of database have roll-ups."""
    return database.dialect.name in DATABASES


def is_same_in_roll_ups(before: UsageRecord, after: UsageRecord) -> bool:
    """Return True if a change of a record changes no roll-up."""
    if not (before.counted or after.counted):
        return True
    return all(before[index] == after[index] for index in _summed)


def select_sums(
    roll_up: RollUp,
    *conditions: ColumnElement[bool],
    negative: bool = False,
    width_ns: int | None = None,
    unknown: Set[str] = frozenset(),
) -> Select[Any]:
    """Select the rows that a roll-up has of the counted records that meet the conditions.

    `width_ns` is that of the buckets, if they are to be narrower than the roll-up's. The sums
    `unknown` are NULL in all of these records, and are not computed.
    """

    def sign(total: ColumnElement[Any]) -> ColumnElement[Any]:
        return -total if negative else total

    def sum_up(name: str) -> ColumnElement[Any]:
        return cast(null(), BigInteger) if name in unknown else sign(func.sum(SUMS[name]))

    def count_known(name: str) -> ColumnElement[Any]:
        return literal_column("0") if name in unknown else sign(func.count(SUMS[name]))

    bucket = (r.started_ns - r.started_ns % (width_ns or roll_up.width_ns)).label("bucket_ns")
    known = [name for name in roll_up.sums if name not in NEVER_NULL]
    return (
        select(
            bucket,
            *(r[name] for name in roll_up.dimensions),
            sign(func.count()).label("records"),
            *(sum_up(name).label(name) for name in roll_up.sums),
            *(count_known(name).label(known_name(name)) for name in known),
        )
        .where(r.counted == true(), *conditions)
        .group_by("bucket_ns", *(r[name] for name in roll_up.dimensions))
    )


def select_merged(
    roll_up: RollUp, source: RollUp, *conditions: ColumnElement[bool], state: int
) -> Select[Any]:
    """Select the rows of a roll-up that sum those of another one with the same columns and more."""
    t = source.table.c
    bucket = (t.bucket_ns - t.bucket_ns % roll_up.width_ns).label("bucket")
    keys = [t[name] for name in roll_up.dimensions]
    known = [known_name(name) for name in roll_up.sums if name not in NEVER_NULL]
    sums = [func.sum(t[name]).label(name) for name in ("records", *roll_up.sums, *known)]
    rows = select(literal(state).label("state"), bucket, *keys, *sums)
    return rows.where(*conditions).group_by("bucket", *keys)


def insert_rows(roll_up: RollUp, rows: Select[Any]) -> Insert:
    """Insert what `select_merged` selects."""
    known = [known_name(name) for name in roll_up.sums if name not in NEVER_NULL]
    names = ["state", "bucket_ns", *roll_up.dimensions, "records", *roll_up.sums, *known]
    return roll_up.table.insert().from_select(names, rows, include_defaults=False)


_a = _ATTRIBUTION_DAY.table
_is_staged = (_a.c.id > bindparam("last_id")) & (_a.c.state == STAGED)
_last_id = select(func.coalesce(func.max(_a.c.id), 0))
_unstage = _a.update().where(_is_staged).values(state=APPENDED)


_filled_columns = FilledColumns()


def _choose(is_range: bool) -> ColumnElement[bool]:
    """Return the condition of records by their ids: a list of ids costs more than its sums."""
    if is_range:
        return r.id.between(bindparam("first"), bindparam("last"))
    return r.id.in_(bindparam("ids", expanding=True))


@cache
def _list_inserts(*, negative: bool, is_range: bool, unknown: frozenset[str]) -> list[Insert]:
    """List the statements that append what records sum to, those of one id after another if so.

    They are made when they are first needed: that takes longer than many a command.
    """
    is_chosen = _choose(is_range)

    def insert(roll_up: RollUp, state: int, width_ns: int | None = None) -> Insert:
        sums = select_sums(
            roll_up, is_chosen, negative=negative, width_ns=width_ns, unknown=unknown
        )
        rows = sums.with_only_columns(literal(state).label("state"), *sums.selected_columns)
        return insert_rows(roll_up, rows)

    # Grouping records costs most: what has no dimension but those of another roll-up is made of its
    # rows, which until they are merged are of 15 minutes.
    staged = insert(_ATTRIBUTION_DAY, STAGED, QUARTER_NS)
    return [staged, *(insert(each, APPENDED) for each in (_USER_DAY, _LATENCY_DAY))]


@cache
def _list_derived_inserts() -> list[Insert]:
    return [
        insert_rows(each, select_merged(each, _ATTRIBUTION_DAY, _is_staged, state=APPENDED))
        for each in (_MODEL_DAY, _MODEL_QUARTER)
    ]


def add_records(connection: Connection, ids: Sequence[int], records: Sequence[UsageRecord]) -> None:
    """Add what records sum to, unless they are pending; those that are not counted add nothing.

    The rows `ids` are some of `records`, or all.
    """
    last_id = read_last_rolled_up(connection)
    _append(connection, [each for each in ids if each <= last_id], records, negative=False)


def add_pending(connection: Connection, *, least: int = 1) -> int:
    """Add what the oldest pending records sum to, if at least so many are; return how many.

    They are MOST_ADDED at most. In a transaction that no other writer has beside it.
    """
    if not defers_records(connection):
        return 0
    before = read_last_rolled_up(connection)
    newest = read_newest(connection)
    if newest - before < least:
        return 0
    last = min(newest, before + MOST_ADDED)
    unknown = _filled_columns.find_unknown_stored(connection, before + 1, last)
    chosen = {"first": before + 1, "last": last}
    _append_chosen(connection, chosen, is_range=True, negative=False, unknown=unknown)
    set_last_rolled_up(connection, last)
    return last - before


@contextmanager
def changing_records(
    connection: Connection, changes: Sequence[tuple[int, UsageRecord, UsageRecord]]
) -> Iterator[None]:
    """Subtract what records sum to before the block changes them, and add it again after it.

    `changes` has the id of each record, and the record as it is and as it is to be. What is pending
    is added later, as it is then.
    """
    last_id = read_last_rolled_up(connection)
    real = [each for each in changes if each[0] <= last_id and not is_same_in_roll_ups(*each[1:])]
    were_counted = [(number, before) for number, before, _ in real if before.counted]
    _append(connection, *_part_pairs(were_counted), negative=True)
    yield
    are_counted = [(number, after) for number, _, after in real if after.counted]
    _append(connection, *_part_pairs(are_counted), negative=False)


def open_gap(connection: Connection, start_ns: int = 0, end_ns: int = END_NS) -> None:
    """Let roll-ups be invalid for the UTC days of a period, until they are filled from records."""
    if not has_roll_ups(connection):
        return
    g = roll_up_gap.c
    start_ns -= start_ns % DAY_NS
    end_ns = min(END_NS, end_ns + -end_ns % DAY_NS)
    found = connection.scalar(select(g.end_ns).where(g.start_ns == start_ns))
    if found is None:
        connection.execute(roll_up_gap.insert().values(start_ns=start_ns, end_ns=end_ns))
    elif found < end_ns:
        connection.execute(roll_up_gap.update().where(g.start_ns == start_ns).values(end_ns=end_ns))


def _part_pairs(
    pairs: Sequence[tuple[int, UsageRecord]],
) -> tuple[list[int], list[UsageRecord]]:
    return [number for number, _ in pairs], [record for _, record in pairs]


def _append(
    connection: Connection,
    ids: Sequence[int],
    records: Sequence[UsageRecord],
    *,
    negative: bool,
) -> None:
    if not ids or not has_roll_ups(connection):
        return
    unknown = _filled_columns.find_unknown(records)
    for start in range(0, len(ids), CHUNK):
        chunk = sorted(set(ids[start : start + CHUNK]))
        first, last = chunk[0], chunk[-1]
        is_range = last - first + 1 == len(chunk)
        chosen = {"first": first, "last": last} if is_range else {"ids": chunk}
        _append_chosen(connection, chosen, is_range=is_range, negative=negative, unknown=unknown)


def _append_chosen(
    connection: Connection,
    chosen: Mapping[str, Any],
    *,
    is_range: bool,
    negative: bool,
    unknown: frozenset[str],
) -> None:
    try:
        with connection.begin_nested():
            before = {"last_id": connection.scalar(_last_id)}
            for statement in _list_inserts(negative=negative, is_range=is_range, unknown=unknown):
                connection.execute(statement, chosen)
            for statement in _list_derived_inserts():
                connection.execute(statement, before)
            connection.execute(_unstage, before)
    except DBAPIError:
        # Sums of counters that are noise exceed 64 bits, for which each database has an error
        # of its own. Such a day is answered from its records; what else is wrong fails again.
        days = select(r.started_ns - r.started_ns % DAY_NS).where(_choose(is_range)).distinct()
        for day_ns in connection.scalars(days, chosen).all():
            open_gap(connection, day_ns, day_ns + 1)
