"""Which columns no record has filled yet, so that sums of them need not be computed.

Input: records to be summed. Output: the names of sums that are NULL in all of them. Most calls
leave half of the columns empty, and an aggregate over NULLs takes as long as one over numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.insert import find_filled
from spantoll.storage.roll_up_sums import NULL_WITHOUT

__all__ = ["FilledColumns"]

r = usage_record.c


class FilledColumns:
    """The columns that make a sum known and that a record written by this process has filled.

    Most calls leave half of them empty, and an aggregate over NULLs takes as long as one over
    numbers. The columns only become more, so that few different statements are ever made.
    """

    def __init__(self) -> None:
        self._unfilled = {UsageRecord._fields.index(name) for name in NULL_WITHOUT.values()}

    def find_unknown(self, records: Sequence[UsageRecord]) -> frozenset[str]:
        """Return the names of sums that are NULL in these records, and in all before."""
        return self._leave_out(find_filled(records, tuple(self._unfilled)))

    def find_unknown_stored(
        self, connection: Connection, first_id: int, last_id: int
    ) -> frozenset[str]:
        """Return the same of stored records, which another process may have written."""
        unfilled = tuple(self._unfilled)
        if not unfilled:
            return frozenset()
        counts = [func.count(r[UsageRecord._fields[index]]) for index in unfilled]
        found = connection.execute(select(*counts).where(r.id.between(first_id, last_id))).one()
        return self._leave_out({index for index, n in zip(unfilled, found, strict=True) if n})

    def _leave_out(self, filled: set[int]) -> frozenset[str]:
        # Other threads may do the same: the answer is about these records, whatever they find.
        unfilled = self._unfilled - filled
        self._unfilled = unfilled
        empty = {UsageRecord._fields[index] for index in unfilled}
        return frozenset(name for name, column in NULL_WITHOUT.items() if column in empty)
