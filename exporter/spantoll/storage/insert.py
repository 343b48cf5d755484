"""Insert records with the columns that one of them fills.

Input: records. Output: one statement for all of them, prepared once for each set of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from spantoll.records.record import UsageRecord

__all__ = ["RecordInsert", "find_filled", "pick_filled"]


class RecordInsert:
    """Inserts records, naming only those columns that one of them fills.

    About half of a record is NULL, and a driver spends as long on binding a NULL as on a number:
    leaving out what no record of the batch has doubles the rows per second.
    """

    def __init__(self, spell: Callable[[Sequence[str]], str]) -> None:
        """`spell` writes the statement that inserts these columns and skips what is there."""

        @lru_cache(maxsize=128)
        def prepare(used: tuple[int, ...]) -> tuple[str, itemgetter[tuple[Any, ...]]]:
            return spell([UsageRecord._fields[index] for index in used]), itemgetter(*used)

        self._prepare = prepare

    def __call__(self, connection: Connection, records: Sequence[UsageRecord]) -> int:
        """Insert; answer how many were new."""
        statement, pick = self._prepare(_used(records))
        return connection.exec_driver_sql(statement, list(map(pick, records))).rowcount


def pick_filled(
    records: Sequence[UsageRecord],
) -> tuple[tuple[str, ...], Callable[[UsageRecord], tuple[Any, ...]]]:
    """Return the columns that one of the records fills, and what picks their values."""
    used = _used(records)
    return tuple(UsageRecord._fields[index] for index in used), itemgetter(*used)


def find_filled(records: Sequence[UsageRecord], columns: Sequence[int]) -> set[int]:
    """Return the positions of those of `columns` that one of the records fills.

    The records of a batch fill much the same columns, so each is asked, in C, only whether it fills
    one that those before it do not.
    """
    unfilled = tuple(columns)
    rest = iter(records)
    while unfilled:
        pick = _pick_columns(unfilled)
        nothing = (None,) * len(unfilled)
        values = next(filter(nothing.__ne__, map(pick, rest)), nothing)
        if values is nothing:
            break
        unfilled = tuple(
            [index for index, value in zip(unfilled, values, strict=True) if value is None]
        )
    return set(columns).difference(unfilled)


def _used(records: Sequence[UsageRecord]) -> tuple[int, ...]:
    return tuple(sorted(find_filled(records, range(len(UsageRecord._fields)))))


def _pick_columns(columns: tuple[int, ...]) -> Callable[[UsageRecord], tuple[Any, ...]]:
    # `itemgetter` of a single position returns its value alone.
    return itemgetter(*columns) if len(columns) > 1 else lambda record: (record[columns[0]],)
