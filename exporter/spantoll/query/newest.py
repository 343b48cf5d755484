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

WINDOWS: Final = (20_000, 100_000, 1_000_000)
"""Records of a window, if they were spread evenly; after these all are read. A ledger of fewer
records is read at once: each window costs a statement."""

CANDIDATES: Final = 2
"""Times the records of a page that are looked up: some are not what they were in the version that
was found, and are none of the page any more."""

MOST_IDS: Final = 200
"""Of a list that is looked up: the index of ids matches one granule of 1,000 by mistake."""

NEAR: Final = 8 * 8_192
"""Records, of 8 granules, among which no ids are looked up: that skips hardly any of them, and a
hundred ids in a statement take longer."""

ANY_VERSION: Final = {"settings": {"final": 0}}
"""Options by which ClickHouse reads versions of rows that were replaced too, and compares none."""

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

    def estimate_records(self, width_ns: int) -> int:
        """Return how many records a window has, if they were spread evenly."""
        return self.records * width_ns // max(1, self.last_ns - self.first_ns)


def read_newest(
    connection: Connection, statement: Select[Any], *, end_ns: int | None, count: int
) -> Sequence[Any]:
    """Read the newest `count` records, which `statement` selects, newest first.

    `end_ns` is a time before which these started, if one is known.
    """
    if connection.dialect.name not in WITHOUT_TIME_INDEX:
        return connection.execute(statement).all()
    extent = _read_extent(connection)
    widths_ns = extent.list_widths()
    last_ns = extent.last_ns if end_ns is None else min(extent.last_ns, end_ns)
    for width_ns in widths_ns:
        start_ns = last_ns - width_ns
        rows = _read_window(connection, statement, start_ns, count=count, extent=extent)
        if len(rows) == count:
            return rows
    if not widths_ns:
        return connection.execute(statement).all()
    return _read_window(connection, statement, 0, count=count, extent=extent)


def _read_window(
    connection: Connection, statement: Select[Any], start_ns: int, *, count: int, extent: _Extent
) -> Sequence[Any]:
    """Read the newest `count` records since a time; fewer, not always all, if it has not so many.

    Records that match in any version are found first, without the many columns. Each is read once,
    in its latest version. What started after the last one found is then complete, and in order.
    """
    found = _find_candidates(connection, statement.where(r.started_ns >= start_ns), count=count)
    is_cut = len(found) == CANDIDATES * count
    if not found or (start_ns and len(found) < count):
        return []
    narrow = statement.where(r.started_ns >= (found[-1].newest_ns if is_cut else start_ns))
    received_ns = [row.received_ns for row in found]
    first_ns, last_ns = min(received_ns), max(received_ns)
    narrow = narrow.where(r.received_ns.between(first_ns, last_ns))
    if len(found) <= MOST_IDS and extent.estimate_records(last_ns - first_ns) > NEAR:
        narrow = narrow.where(r.id.in_([row.id for row in found]))
    rows = connection.execute(narrow).all()
    if is_cut and not _ends_after(rows[count - 1 : count], found[-1]):
        return connection.execute(statement.where(r.started_ns >= start_ns)).all()
    return rows


def _find_candidates(
    connection: Connection, statement: Select[Any], *, count: int
) -> Sequence[Any]:
    """Find the records of which a statement selects any version, the newest first.

    The time they were received is the same in all versions, the time they started may be not.
    """
    newest_ns = func.max(r.started_ns).label("newest_ns")
    candidates = (
        statement.with_only_columns(
            r.id,
            newest_ns,
            func.max(r.received_ns).label("received_ns"),
            maintain_column_froms=True,
        )
        .group_by(r.id)
        .order_by(None)
        .order_by(newest_ns.desc(), r.id.desc())
        .limit(CANDIDATES * count)
        .execution_options(**ANY_VERSION)
    )
    return connection.execute(candidates).all()


def _ends_after(last: Sequence[Any], found: Any) -> bool:
    """Return True if the last record of a page is there, and not older than the one found last."""
    return bool(last) and (last[0].started_ns, last[0].id) >= (found.newest_ns, found.id)


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
