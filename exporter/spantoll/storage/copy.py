"""Copy a ledger from one database to another, of any two kinds, and prove that both are equal.

Input: a store to read, in one snapshot, and a store to write. Output: rows, sums and how much had
to be written of each table. Each chunk of rows is compared, replaced where it differs, read back
and compared again. So a copy that was interrupted goes on when it is started again, and a second
one brings over what has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Table,
    and_,
    delete,
    func,
    inspect,
    select,
    true,
    tuple_,
)
from sqlalchemy.exc import DBAPIError

from spantoll import storage
from spantoll.errors import CopyError, StoreUnavailable
from spantoll.records.column_spec import Unit
from spantoll.records.columns import metadata, usage_record
from spantoll.records.record import COLUMNS
from spantoll.storage.registry import MODULES
from spantoll.storage.retention_copy import copy_kept_sums, copy_mark
from spantoll.storage.roll_up_fill import clear_roll_ups, fill_gaps
from spantoll.storage.roll_up_pending import rolled_up
from spantoll.storage.roll_ups import ROLL_UPS, roll_up_gap
from spantoll.storage.shared import read_unsettled
from spantoll.storage.sql import SqlStore
from spantoll.storage.tables import probe, retention
from spantoll.storage.views import VIEWS

__all__ = ["TableCopied", "copy_ledger"]

CHUNK_ROWS = 2_000
"""Rows of one transaction: about 2 MB of records."""

KEEPING = {"alembic_version", "record_number", probe.name, retention.name, rolled_up.name}
"""Tables that each database fills for itself; the second is how ClickHouse gives out ids. The mark
of retention is copied before all else."""

SUMMED = [
    name
    for name, spec in COLUMNS.items()
    if spec.unit is not None and spec.unit not in (Unit.TIME_NS, Unit.DURATION_NS)
]
"""Columns of `usage_record` whose sums are part of the answer: counters and money."""

Key = tuple[Any, ...]


class TableCopied(NamedTuple):
    """One table that is equal in both databases."""

    name: str
    rows: int
    written: int
    """Rows that had to be written; the others were equal before."""
    sums: Mapping[str, int]
    """Of the counters and the money of records, as read back from the copy."""


def copy_ledger(
    source: SqlStore,
    target: SqlStore,
    *,
    progress: Callable[[str, int], None] = lambda name, rows: None,
) -> list[TableCopied]:
    """Make every table of `target` equal to that of `source`; records first, roll-ups from them.

    Roll-ups of the time before the mark of retention, whose records are deleted, are copied as they
    are. `progress` is called after each chunk with the table and the rows compared so far. Raises
    CopyError where the target is not empty and no earlier copy of the source, has another mark, or
    the source has records that are not settled; StoreUnavailable where a database cannot be read or
    written.
    """
    if read_unsettled(source.engine) is not None:
        raise CopyError(f"{source.url} has records that are not settled: see `spantoll doctor`")
    try:
        with source.long_statements(), target.long_statements():
            clear_roll_ups(target)
            with source.engine.connect() as snapshot:
                mark_ns = copy_mark(snapshot, target)
                copied = [
                    _Copying(table, snapshot, target, progress).run()
                    for table in _list_tables(snapshot)
                ]
                copy_kept_sums(snapshot, target, mark_ns)
            clear_roll_ups(target)
            fill_gaps(target)
        return copied
    except DBAPIError as error:
        raise StoreUnavailable(f"the copy was interrupted: {error.orig}") from error


def _list_tables(source: Connection) -> list[Table]:
    """List the tables to copy, records first. Raises CopyError for one that no module declares."""
    for module in iter_modules(storage.__path__):
        if module.name not in {*MODULES.values(), "migrations"}:
            # What declares a table adds it to `metadata`. Backends need a driver, and declare none.
            import_module(f"{storage.__name__}.{module.name}")
    computed = {roll_up_gap.name, *(each.table.name for each in ROLL_UPS)}
    # ClickHouse lists views as tables.
    found = set(inspect(source).get_table_names()) - KEEPING - computed - VIEWS.keys()
    if unknown := found - metadata.tables.keys():
        raise CopyError(f"table {min(unknown)} of the source is not one of SpanToll")
    others = sorted(found - {usage_record.name})
    return [usage_record, *(metadata.tables[name] for name in others)]


class _Copying:
    """One table that is being copied."""

    def __init__(
        self,
        table: Table,
        snapshot: Connection,
        target: SqlStore,
        progress: Callable[[str, int], None],
    ) -> None:
        self._table = table
        self._snapshot = snapshot
        self._target = target
        self._progress = progress
        self._key = list(table.primary_key)

    def run(self) -> TableCopied:
        """Compare and replace chunk after chunk; then compare how many rows there are."""
        rows = written = 0
        sums: dict[str, int] = dict.fromkeys(SUMMED if self._table is usage_record else (), 0)
        for wanted, within in self._chunks():
            written += self._bring_over(wanted, within)
            rows += len(wanted)
            for name in sums:
                sums[name] += sum(getattr(row, name) or 0 for row in wanted)
            self._progress(self._table.name, rows)
        with self._target.engine.connect() as connection:
            found = connection.scalar(select(func.count()).select_from(self._table))
        if found != rows:
            raise self._make_error(f"has {found:,} rows, and its source {rows:,}")
        if self._table.autoincrement_column is not None:
            with self._target.transaction() as connection:
                self._target.continue_numbering(connection, self._table)
        return TableCopied(self._table.name, rows, written, sums)

    def _chunks(self) -> Iterator[tuple[Sequence[Row[Any]], ColumnElement[bool]]]:
        """Yield rows of the source in the order of their key, and the condition of their keys."""
        statement = select(self._table).order_by(*self._key)
        if not all(isinstance(column.type, Integer) for column in self._key):
            # Databases sort texts differently; tables whose key is a text are short.
            yield self._snapshot.execute(statement).all(), true()
            return
        after: ColumnElement[bool] = true()
        while rows := self._snapshot.execute(statement.where(after).limit(CHUNK_ROWS)).all():
            last = tuple(rows[-1]._mapping[column.name] for column in self._key)
            yield rows, and_(after, self._compare_key("<=", last))
            after = self._compare_key(">", last)

    def _compare_key(self, operator: str, key: Key) -> ColumnElement[bool]:
        if len(key) == 1:
            return self._key[0].op(operator, is_comparison=True)(key[0])
        return tuple_(*self._key).op(operator, is_comparison=True)(tuple_(*key))

    def _bring_over(self, wanted: Sequence[Row[Any]], within: ColumnElement[bool]) -> int:
        """Make the rows of these keys equal; return how many had to be written."""
        with self._target.engine.connect() as connection:
            if self._read(connection, within) == set(wanted):
                return 0
        with self._target.transaction() as connection:
            found = self._read(connection, within)
            self._check_origin(found, wanted)
            connection.execute(delete(self._table).where(within))
            connection.execute(self._table.insert(), [dict(row._mapping) for row in wanted])
        with self._target.engine.connect() as connection:
            if self._read(connection, within) != set(wanted):
                raise self._make_error("was changed during the copy, or cannot hold the values")
        return len(set(wanted) - found)

    def _read(self, connection: Connection, within: ColumnElement[bool]) -> set[Row[Any]]:
        return set(connection.execute(select(self._table).where(within)).all())

    def _check_origin(self, found: set[Row[Any]], wanted: Sequence[Row[Any]]) -> None:
        """Raise CopyError if rows of the target come from elsewhere."""
        names = [column.name for column in self._key]
        if self._table is usage_record:
            names += ["tenant_id", "trace_id", "span_id"]

        def identify(row: Row[Any]) -> Key:
            return tuple(row._mapping[name] for name in names)

        if not {identify(row) for row in found} <= {identify(row) for row in wanted}:
            raise self._make_error("has rows of its own: copy into an empty database")

    def _make_error(self, problem: str) -> CopyError:
        return CopyError(f"{self._target.url}: table {self._table.name} {problem}")
