"""Ids of records in ClickHouse, which counts nothing up.

Input: how many ids a write needs. Output: ids that no other process has. Each takes blocks of
`BLOCK` ids; the number of a block is that of an INSERT into the table `record_number`, which the
server gives out in order (https://clickhouse.com/docs/operations/settings/merge-tree-settings,
`enable_block_number_column`).
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, func, select
from sqlalchemy.sql import literal_column

from spantoll.records.column_spec import text
from spantoll.storage.clickhouse.schema import NUMBERS

__all__ = ["RecordNumbers", "start_after"]

BLOCK = 1 << 20
"""Ids of a block. 2**33 of them are as many ids as a float, and so JavaScript, keeps apart."""

_numbers = Table(NUMBERS, MetaData(), Column("claim", text(32)), Column("floor", BigInteger))


class RecordNumbers:
    """The ids of one process that writes; not thread-safe."""

    def __init__(self) -> None:
        self._left = range(0)

    def take(self, connection: Connection, count: int) -> range:
        """Take consecutive ids."""
        if len(self._left) < count:
            self._left = _claim_block(connection)
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def start_after(connection: Connection, number: int) -> None:
    """Give out higher ids than `number` from now on: records with ids were copied in."""
    connection.execute(_numbers.insert(), {"claim": "", "floor": number})


def _claim_block(connection: Connection) -> range:
    claim = uuid4().hex
    connection.execute(_numbers.insert(), {"claim": claim, "floor": 0})
    # The first block has the number 1.
    place = select(literal_column("_block_number", BigInteger())).where(_numbers.c.claim == claim)
    block = connection.execute(place.select_from(_numbers)).scalar_one()
    floor = connection.scalar(select(func.max(_numbers.c.floor))) or 0
    first = floor + (block - 1) * BLOCK + 1
    return range(first, first + BLOCK)
