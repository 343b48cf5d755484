"""Blocks of columns, in ClickHouse's native format, which a server stores whole or not at all.

Input: the values of each column. Output: one INSERT by the driver, past SQLAlchemy, which would
make a mapping of each row.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

from clickhouse_connect.driver.exceptions import DataError
from sqlalchemy import Column, Connection

from spantoll.storage.clickhouse.schema import spell_type

__all__ = ["check_types", "insert_columns"]

# The driver logs with a traceback each error that it also raises.
logging.getLogger("clickhouse_connect.driver.transform").setLevel(logging.CRITICAL)


def check_types(column: Column[Any], values: Sequence[object]) -> None:
    """Raise DataError for a value that its column's type does not take.

    The driver would make an integer of a Decimal, and text of anything.
    """
    taken = {column.type.python_type} | ({type(None)} if column.nullable else set())
    if wrong := set(map(type, values)) - taken:
        names = ", ".join(sorted(kind.__name__ for kind in wrong))
        raise DataError(f"column {column.name} takes no {names}")


def insert_columns(
    connection: Connection,
    table: str,
    columns: Sequence[Column[Any]],
    values: Sequence[Sequence[object]],
) -> None:
    """Insert a block of rows, given by column. Raises what the driver raises, and DataError."""
    client = cast(Any, connection.connection.driver_connection).client
    try:
        client.insert(
            table,
            values,
            column_names=[column.name for column in columns],
            column_type_names=[spell_type(column) for column in columns],
            column_oriented=True,
        )
    except (OverflowError, UnicodeError, ValueError) as error:
        raise DataError(str(error)) from error
