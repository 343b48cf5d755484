"""Parquet: a column of one type for each header, written in row groups.

Input: an `Export`. Output: a Parquet file. Money is DECIMAL(38, 9), a time is a UTC timestamp in
microseconds, nested values are JSON text. A column of `usage_record` has the type it is declared
with; any other one that of its values in the first rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import parquet
from sqlalchemy import Boolean, Integer

from spantoll.records.column_spec import Unit
from spantoll.records.record import COLUMNS
from spantoll.surfaces.exports.export import Export, format_nested, is_money, is_time

__all__ = ["write_parquet"]

GROUP = 10_000
"""Rows that are in memory at a time, and of one row group."""
MONEY = pa.decimal128(38, 9)
TIME = pa.timestamp("us", tz="UTC")
FRACTIONS = (Unit.DURATION_NS, Unit.MILLISECONDS)
"""Units whose values are shown with decimal places."""
DECLARED = {spec.outside: spec for spec in COLUMNS.values()}


def write_parquet(file: BinaryIO, export: Export) -> None:
    """Write an export as Parquet, a row group at a time."""
    rows = iter(export.rows)
    first = list(islice(rows, GROUP))
    schema = pa.schema([(name, _choose_type(name, first)) for name in export.headers])
    about = {name.encode(): value.encode() for name, value in export.about}
    with parquet.ParquetWriter(file, schema.with_metadata(about)) as writer:
        for group in _split(chain(first, rows)):
            writer.write_table(_make_table(group, schema))


def _split(rows: Iterable[Mapping[str, Any]]) -> Iterable[Sequence[Mapping[str, Any]]]:
    """Split rows into groups; no rows are one empty group."""
    remaining = iter(rows)
    yield list(islice(remaining, GROUP))
    while group := list(islice(remaining, GROUP)):
        yield group


def _make_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    columns = [
        pa.array([_convert(row.get(field.name), field.type) for row in rows], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _convert(value: Any, kind: pa.DataType) -> Any:
    value = format_nested(value)
    if value is None:
        return None
    if kind == MONEY:
        return Decimal(value)
    if kind == TIME:
        return datetime.fromisoformat(value)
    return str(value) if kind == pa.string() else value


def _choose_type(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.DataType:
    if is_money(name):
        return MONEY
    if is_time(name):
        return TIME
    spec = DECLARED.get(name)
    if spec is not None and spec.unit is not None:
        return pa.float64() if spec.unit in FRACTIONS else pa.int64()
    if spec is not None:
        if isinstance(spec.type, Boolean):
            return pa.bool_()
        return pa.int64() if type(spec.type) is Integer else pa.string()
    found = {type(row.get(name)) for row in rows} - {type(None)}
    for kinds, chosen in INFERRED:
        if found and found <= kinds:
            return chosen
    return pa.string()


INFERRED = (
    ({bool}, pa.bool_()),
    ({int}, pa.int64()),
    ({int, float}, pa.float64()),
)
"""Types of values, and the column that holds them all; the first one that fits."""
