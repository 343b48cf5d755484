"""Read columns of many records, newest first, a part at a time: memory does not grow with them.

Input: an engine, a `RecordQuery`, names of columns. Output: for each part, the values by column. Of
an export's hundred columns half have one value in the whole ledger, most often NULL, and each value
costs as much to fetch as any other: a column that had one value so far is compared in the database
and not fetched. A part in which one of them differs is read again with all columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Engine, and_, case, type_coerce
from sqlalchemy.types import NullType

from spantoll.query.records import RecordQuery, read_page
from spantoll.records.columns import usage_record

__all__ = ["Stored", "iterate_parts"]

PART = 4_000
"""Records of an export that are in memory at a time."""

Stored = Mapping[str, Sequence[Any]]
"""The values of some records by the name of their column."""

POSITION: Final = ("id", "started_ns")
"""What the next part begins after: always fetched."""

IS_SAME: Final = "is_same"

EXACT_TEXT: Final = frozenset({"sqlite", "postgresql"})
"""Names of SQLAlchemy's dialects for databases whose text is equal only if its bytes are: some
collations of MariaDB take 'a' and 'a ' as equal."""

Constants = Mapping[str, int | str | None]
"""The columns that had one value in all parts so far, with that value."""

r = usage_record.c


def iterate_parts(engine: Engine, query: RecordQuery, columns: Sequence[str]) -> Iterator[Stored]:
    """Read columns of records, newest first; no part is empty.

    `id` and `started_ns` must be among the columns. Booleans are 1 and 0 where the database has
    none. No transaction stays open between two parts. Raises StoreUnavailable when the database
    cannot be read.
    """
    types: tuple[type, ...] = (int, bool, NoneType)
    if engine.dialect.name in EXACT_TEXT:
        types = (*types, str)
    every = plan = _plan_part(columns, {})
    left, after = query.limit, query.after
    while left is None or left > 0:
        wanted = replace(query, limit=PART if left is None else min(PART, left), after=after)
        stored, after = _read_part(engine, wanted, plan)
        unsure: Iterable[str] = columns if plan is every else ()
        if stored is None:
            stored, after = _read_part(engine, wanted, every)
            unsure = plan.constants
        if stored:
            if unsure:
                plan = _plan_part(columns, _find_constants(stored, unsure, types))
            yield stored
        if after is None:
            return
        left = None if left is None else left - PART


class _Plan(NamedTuple):
    """How a part is read."""

    fields: Mapping[str, ColumnElement[Any]]
    """What is fetched, by its label."""
    constants: Constants
    """The columns that are not fetched but compared with their value."""


def _plan_part(columns: Sequence[str], constants: Constants) -> _Plan:
    # Converting a boolean would make SQLAlchemy look at every value of a row.
    fields: dict[str, ColumnElement[Any]] = {
        name: type_coerce(r[name], NullType()).label(name)
        for name in columns
        if name not in constants
    }
    if constants:
        same = and_(*(_compare(name, value) for name, value in constants.items()))
        fields[IS_SAME] = case((same, 1), else_=0).label(IS_SAME)
    return _Plan(fields, constants)


def _compare(name: str, value: int | str | None) -> ColumnElement[bool]:
    return r[name].is_(None) if value is None else r[name] == value


def _read_part(engine: Engine, query: RecordQuery, plan: _Plan) -> tuple[Stored | None, str | None]:
    """Read a part, and the cursor of the next one; no values where a constant is not the same.

    The values are empty if there is no record.
    """
    rows, cursor = read_page(engine, query, plan.fields)
    if not rows:
        return {}, cursor
    stored: dict[str, Sequence[Any]] = dict(zip(plan.fields, zip(*rows, strict=True), strict=True))
    if not all(stored.pop(IS_SAME, ())):
        return None, None
    return stored | {name: (value,) * len(rows) for name, value in plan.constants.items()}, cursor


def _find_constants(stored: Stored, names: Iterable[str], types: tuple[type, ...]) -> Constants:
    """Find which of the columns have one value of some types in a part, and that value."""
    return {
        name: values[0]
        for name in names
        if name not in POSITION
        and type((values := stored[name])[0]) in types
        and values.count(values[0]) == len(values)
    }
