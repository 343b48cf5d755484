"""Closed periods: spans of time whose records are never edited again.

Input: the time of a month in a zone. Output: rows of `closed_period`. What comes later for such a
time is an adjustment (`periods_book.py`), so that a sum that was reported stays the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, Engine, select

from spantoll.errors import RepriceError
from spantoll.storage.tables import closed_period

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = ["ClosedPeriod", "close_period", "find_period", "list_periods", "read_periods"]

_periods = select(closed_period).order_by(closed_period.c.start_ns)


class ClosedPeriod(NamedTuple):
    """One closed period, in the order of the columns of `closed_period`."""

    period_id: int
    name: str
    """As it was closed: 2026-10."""
    tz: str
    """IANA zone of its edges."""
    start_ns: int
    """Inclusive, UTC nanoseconds."""
    end_ns: int
    """Exclusive."""
    closed_ns: int
    closed_by: str


def close_period(
    store: SqlStore, name: str, *, tz: str, start_ns: int, end_ns: int, by: str, now_ns: int
) -> ClosedPeriod:
    """Close a period that is over. Raises RepriceError if it is not, or overlaps a closed one.

    It waits for the insertions under way: what they store is in the sums of the period.
    """
    if now_ns < end_ns:
        raise RepriceError(f"{name} is not over yet in {tz}: only a period that is can be closed")
    with store.exclusive_transaction() as connection:
        for other in read_periods(connection):
            if start_ns < other.end_ns and other.start_ns < end_ns:
                raise RepriceError(
                    f"{name} in {tz} overlaps {other.name} in {other.tz}, which is closed"
                )
        closed = ClosedPeriod(0, name, tz, start_ns, end_ns, now_ns, by)
        values = closed._asdict()
        del values["period_id"]
        made = connection.execute(closed_period.insert().values(values)).inserted_primary_key
        return closed._replace(period_id=made[0] if made else 0)


def list_periods(engine: Engine) -> list[ClosedPeriod]:
    """List the closed periods, oldest first."""
    with engine.connect() as connection:
        return read_periods(connection)


def read_periods(connection: Connection) -> list[ClosedPeriod]:
    """Read the closed periods, oldest first."""
    return [ClosedPeriod._make(row) for row in connection.execute(_periods)]


def find_period(periods: Iterable[ClosedPeriod], time_ns: int) -> ClosedPeriod | None:
    """Find the closed period that a time is in."""
    return next((each for each in periods if each.start_ns <= time_ns < each.end_ns), None)
