"""Find the newest and oldest records of a ledger in ClickHouse, which has no index by start time.

Input: a statement that selects records, newest first, or a query. Output: its rows, or when its
first and last record started. Records of about one time are stored beside each other, each granule
with the range of its start times: a window of time is read fast, and widens until it has enough.
Other databases read their index of start times, and need none of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, func, or_, select

from spantoll.query.conditions import make_conditions
from spantoll.query.query import Query
from spantoll.query.statement import select_bounds
from spantoll.records.columns import usage_record

__all__ = ["read_bounds", "read_newest"]

WITHOUT_TIME_INDEX: Final = frozenset({"clickhousedb"})
"""Names of SQLAlchemy's dialects for databases that sort records to find the newest."""

WINDOWS: Final = (100_000, 1_000_000)
"""Records of a window, if they were spread evenly; after these all are read. A ledger of fewer
records is read at once: each window costs a statement."""

MOST_IDS: Final = 100
"""Of a list that is looked up: the index of ids matches one granule of 1,000 by mistake."""

FROM_PARTS: Final = {"settings": {"final": 0, "aggregate_functions_null_for_empty": 0}}
"""Options by which ClickHouse answers from what it keeps of each part, versions of rows that were
replaced included; the least of no rows is then 0."""

r = usage_record.c


class _Extent(NamedTuple):
    """The times from the first to the last record that was received, and the number of records."""

    first_ns: int
    last_ns: int
    records: int

    def list_widths(self) -> list[int]:
        """List the widths of windows that are shorter than the whole, in nanoseconds."""
        whole_ns = self.last_ns - self.first_ns
        return [whole_ns * most // self.records for most in WINDOWS if most < self.records]


def read_newest(
    connection: Connection, statement: Select[Any], *, end_ns: int | None, count: int
) -> Sequence[Any]:
    """Read the newest `count` records, which `statement` selects, newest first.

    `end_ns` is a time before which these started, if one is known.
    """
    if connection.dialect.name not in WITHOUT_TIME_INDEX:
        return connection.execute(statement).all()
    extent = _read_extent(connection)
    if not extent.list_widths():
        return connection.execute(statement).all()
    found = _find_newest(connection, statement, extent, end_ns=end_ns, count=count)
    if not found:
        return []
    narrow = statement.where(r.started_ns >= found[-1].started_ns)
    if len(found) <= MOST_IDS:
        narrow = narrow.where(r.id.in_([row.id for row in found]))
    rows = connection.execute(narrow).all()
    # One that was corrected meanwhile may be none of them any more: then others take its place.
    return rows if len(rows) >= len(found) else connection.execute(statement).all()


def _find_newest(
    connection: Connection,
    statement: Select[Any],
    extent: _Extent,
    *,
    end_ns: int | None,
    count: int,
) -> Sequence[Any]:
    """Find the ids and start times of the rows of a statement, without its many columns."""
    newest = statement.with_only_columns(r.id, r.started_ns, maintain_column_froms=True)
    last_ns = extent.last_ns if end_ns is None else min(extent.last_ns, end_ns)
    for width_ns in extent.list_widths():
        found = connection.execute(newest.where(r.started_ns >= last_ns - width_ns)).all()
        if len(found) == count:
            return found
    return connection.execute(newest).all()


def read_bounds(connection: Connection, query: Query) -> tuple[int | None, int | None]:
    """Read when the first and last record of a query started; None for one without records."""
    if connection.dialect.name not in WITHOUT_TIME_INDEX:
        first, last = connection.execute(select_bounds(query)).one()
        return first, last
    conditions = make_conditions(query)
    extent = _read_extent(connection)
    bounds = select(func.min(r.started_ns), func.max(r.started_ns)).where(*conditions)
    for width_ns in extent.list_widths()[:1]:
        early_ns, late_ns = extent.first_ns + width_ns, extent.last_ns - width_ns
        edges = or_(r.started_ns < early_ns, r.started_ns >= late_ns)
        first, last = connection.execute(bounds.where(edges)).one()
        if first is not None and first < early_ns and last >= late_ns:
            return first, last
    first, last = connection.execute(bounds).one()
    return first, last


def _read_extent(connection: Connection) -> _Extent:
    """Read when the first and last record was received, and how many there are."""
    times = select(func.min(r.received_ns), func.max(r.received_ns), func.count())
    return _Extent(*connection.execute(times.execution_options(**FROM_PARTS)).one())
