"""Compare roll-ups with the records they sum.

Input: a ledger. Output: the days and roll-ups of which a sum differs. Everything is read in one
snapshot; days of a gap are not compared, because no query reads their roll-ups, days before the
mark of retention not, because their records are deleted, and records not that are still pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Select, select
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.records.columns import usage_record
from spantoll.storage.retention import read_deleted_before
from spantoll.storage.roll_up_fill import Gap, list_gaps, within
from spantoll.storage.roll_up_pending import is_rolled_up, read_last_rolled_up
from spantoll.storage.roll_ups import (
    DAY_NS,
    END_NS,
    MERGED,
    ROLL_UPS,
    RollUp,
    has_roll_ups,
    select_merged,
    select_sums,
)

__all__ = ["Difference", "Verified", "verify_roll_ups"]

r = usage_record.c


class Difference(NamedTuple):
    """One roll-up that does not equal its records in one UTC day."""

    roll_up: str
    day_ns: int
    rows: int
    """Buckets and dimensions of which a sum differs, is missing or has no records."""
    records: int
    """Counted records of the day."""
    rolled_up_records: int


class Verified(NamedTuple):
    """What a comparison has found."""

    days: int
    """UTC days that were compared."""
    differences: Sequence[Difference]
    gaps: Sequence[Gap]
    deleted_before_ns: int = 0
    """The records of earlier days are deleted, so that there is nothing to compare."""


def verify_roll_ups(
    engine: Engine, *, progress: Callable[[int], None] = lambda day_ns: None
) -> Verified:
    """Compare every sum of every roll-up with the records. Raises StoreUnavailable."""
    try:
        with engine.connect() as snapshot:
            gaps = list_gaps(snapshot)
            mark_ns = read_deleted_before(snapshot)
            days = [
                each
                for each in _list_days(snapshot)
                if each >= mark_ns and not _is_in_gap(each, gaps)
            ]
            found: list[Difference] = []
            for day_ns in days:
                found += _compare_day(snapshot, day_ns)
                progress(day_ns)
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error
    return Verified(len(days), found, gaps, mark_ns)


def _list_days(snapshot: Connection) -> list[int]:
    """List the UTC days that have records or rows of a roll-up; none without roll-ups."""
    if not has_roll_ups(snapshot):
        return []
    times = [r.started_ns, *(each.table.c.bucket_ns for each in ROLL_UPS)]
    days: set[int] = set()
    for time in times:
        days.update(snapshot.scalars(select(time - time % DAY_NS).distinct()))
    return sorted(days)


def _is_in_gap(day_ns: int, gaps: Sequence[Gap]) -> bool:
    return any(gap.start_ns <= day_ns < gap.end_ns for gap in gaps)


def _compare_day(snapshot: Connection, day_ns: int) -> Iterator[Difference]:
    end_ns = min(END_NS, day_ns + DAY_NS)
    there = is_rolled_up(read_last_rolled_up(snapshot))
    for roll_up in ROLL_UPS:
        width = 1 + len(roll_up.dimensions)
        records = select_sums(roll_up, *within(r.started_ns, day_ns, end_ns), *there)
        wanted = _read_sums(snapshot, records, width)
        found = _read_sums(snapshot, _select_rows(roll_up, day_ns, end_ns), width)
        wrong = [key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)]
        if wrong:
            yield Difference(
                roll_up.name, day_ns, len(wrong), _count_records(wanted), _count_records(found)
            )


def _select_rows(roll_up: RollUp, start_ns: int, end_ns: int) -> Select[Any]:
    """Select what a roll-up has, as `select_sums` selects what it should have."""
    within_day = within(roll_up.table.c.bucket_ns, start_ns, end_ns)
    rows = select_merged(roll_up, roll_up, *within_day, state=MERGED)
    return rows.with_only_columns(*list(rows.selected_columns)[1:])


class _Row(NamedTuple):
    records: int
    sums: tuple[int, ...]


def _read_sums(
    snapshot: Connection, statement: Select[Any], width: int
) -> dict[tuple[Any, ...], _Row]:
    """Read sums by the first `width` columns; what was added and all subtracted is left out.

    A sum over nothing is NULL or 0: how many records know it is compared as well.
    """
    rows: dict[tuple[Any, ...], _Row] = {}
    for row in snapshot.execute(statement):
        numbers = [int(value or 0) for value in row[width:]]
        if any(numbers):
            rows[tuple(row[:width])] = _Row(numbers[0], tuple(numbers[1:]))
    return rows


def _count_records(rows: dict[tuple[Any, ...], _Row]) -> int:
    return sum(row.records for row in rows.values())
