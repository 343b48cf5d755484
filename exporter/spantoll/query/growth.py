"""Compare a period with an earlier one, or each window with the one before it.

Input: a `Query`, and which earlier period. Output: a `Growth`: what each group is now and was then.
A sum over no calls is 0; a rate, mean or percentile over none is unknown, and so is its change. A
change from 0 has no ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query.aggregate import Number
from spantoll.query.cost_state import StateName
from spantoll.query.dimensions import Value
from spantoll.query.measures import find_measure
from spantoll.query.names import make_unknown_name_error
from spantoll.query.query import Query
from spantoll.query.result import Result, Row
from spantoll.query.run import run
from spantoll.query.times import subtract_period
from spantoll.query.windows import Window, find_zone, list_windows, to_local_time

__all__ = [
    "AGAINST",
    "GROWTH_MEASURES",
    "Change",
    "Compared",
    "Growth",
    "close_growth_period",
    "measure_growth",
    "shift_period",
]

AGAINST: Final[Mapping[str, str | None]] = {"previous": None, "month": "1mo", "year": "1y"}
"""What a period is compared with: the one before it, or the same days a month or a year ago."""

GROWTH_MEASURES: Final = ("requests", "cost_usd")
"""What is compared where no measure is named."""
DEFAULT_PERIOD = "30d"

MEANS = frozenset({"ratio", "percent", "ms", "tokens/s"})
"""Units of measures that do not add up."""
AVERAGES = frozenset({"cost_per_request_usd"})


class Change(NamedTuple):
    """A measure now and then."""

    now: Number
    before: Number

    @property
    def difference(self) -> Number:
        """How much more it is now; None where either is unknown."""
        if self.now is None or self.before is None:
            return None
        return _subtract(self.now, self.before)

    @property
    def ratio(self) -> float | None:
        """The difference as a share of what it was; None where that is 0 or unknown."""
        difference = self.difference
        if difference is None or not self.before:
            return None
        return float(Decimal(str(difference)) / abs(Decimal(str(self.before))))


class Compared(NamedTuple):
    """One group now and then; None where it has no calls."""

    window: Window | None
    dimensions: Mapping[str, Value]
    now: Row | None
    before: Row | None

    @property
    def cost_states(self) -> tuple[StateName | None, StateName | None] | None:
        """The state of the cost now and then; None where no amount of money was asked for."""
        states = [None if row is None else row.cost for row in (self.now, self.before)]
        if states == [None, None]:
            return None
        now, before = (None if state is None else state.name for state in states)
        return now, before

    def change(self, name: str) -> Change:
        """Return the change of a measure."""
        return Change(_value(self.now, name), _value(self.before, name))


@dataclass(frozen=True, slots=True)
class Growth:
    """What a query answers, beside what it answered for an earlier period."""

    result: Result
    before: Result
    """With windows: the same, from one window earlier on."""
    rows: Sequence[Compared]
    totals: Compared


def close_growth_period(start: str | None, end: str | None, last: str | None) -> dict[str, Any]:
    """Return the period as arguments of `parse_query`: with an end, the last 30 days if none."""
    if last is None and end is None:
        last, end = (DEFAULT_PERIOD, None) if start is None else (None, "now")
    return {"start": start, "end": end, "last": last}


def measure_growth(engine: Engine, query: Query, *, against: str = "previous") -> Growth:
    """Compare the period of a query with an earlier one, or each of its windows with the last.

    Raises QueryError where the query has no beginning or end, a limit or an order with windows,
    StoreUnavailable when the database cannot be read.
    """
    if against not in AGAINST:
        raise make_unknown_name_error(against, field="against", allowed=AGAINST)
    if query.start_ns is None or query.end_ns is None:
        raise QueryError("growth needs a period: give from and to, or last", field="from")
    if query.others:
        raise QueryError("growth: not with others", field="others")
    if query.window != "total":
        if against != "previous":
            raise QueryError("growth: windows are compared with the one before", field="against")
        return _compare_windows(engine, query)
    start_ns, end_ns = shift_period(query.start_ns, query.end_ns, against=against, tz=query.tz)
    now = run(engine, query)
    before = run(engine, replace(query, start_ns=start_ns, end_ns=end_ns, limit=None))
    then = {_key(row): row for row in before.rows}
    rows = [Compared(None, row.dimensions, row, then.pop(_key(row), None)) for row in now.rows]
    if query.limit is None:
        rows += [Compared(None, row.dimensions, None, row) for row in then.values()]
    return Growth(now, before, rows, Compared(None, {}, now.totals, before.totals))


def shift_period(start_ns: int, end_ns: int, *, against: str, tz: str) -> tuple[int, int]:
    """Return the earlier period: whole months before whole months, whole days before whole days.

    Any other period is preceded by one of the same length.
    """
    zone = find_zone(tz)
    period = AGAINST[against] or _measure_calendar(start_ns, end_ns, zone)
    if period is None:
        return max(0, start_ns - (end_ns - start_ns)), start_ns
    return tuple(  # type: ignore[return-value]  # two of two
        subtract_period(period, field="from", tz=zone, now_ns=each) for each in (start_ns, end_ns)
    )


def _measure_calendar(start_ns: int, end_ns: int, zone: ZoneInfo) -> str | None:
    start, end = to_local_time(start_ns, zone), to_local_time(end_ns, zone)
    if any(each.time().isoformat() != "00:00:00" for each in (start, end)):
        return None
    if start.day == end.day == 1:
        return f"{(end.year - start.year) * 12 + end.month - start.month}mo"
    return f"{(end.date() - start.date()) // timedelta(days=1)}d"


def _compare_windows(engine: Engine, query: Query) -> Growth:
    """Compare every window, the first one in full, with the one before it."""

    def find_window(at_ns: int) -> Window:
        return list_windows(
            query.window,
            start_ns=max(0, at_ns),
            end_ns=max(0, at_ns) + 1,
            tz=find_zone(query.tz),
            calendar=query.calendar,
        )[0]

    first = find_window(query.start_ns or 0)
    start_ns = max(0, find_window(first.start_ns - 1).start_ns)
    longer = run(engine, replace(query, start_ns=start_ns, fill=True))
    windows = list(dict.fromkeys(row.window for row in longer.rows))
    earlier = dict(zip(windows[1:], windows, strict=False))
    rows = {(row.window, _key(row)): row for row in longer.rows}
    compared = [
        Compared(row.window, row.dimensions, row, rows[earlier[row.window], _key(row)])
        for row in longer.rows
        if row.window in earlier
    ]
    now = run(engine, query)
    return Growth(now, longer, compared, Compared(None, {}, now.totals, None))


def _key(row: Row) -> tuple[Value, ...]:
    return tuple(row.dimensions.values())


def _value(row: Row | None, name: str) -> Number:
    if row is not None and row.requests:
        return row.measures[name]
    measure = find_measure(name)
    if measure.unit in MEANS or name in AVERAGES:
        return None
    return Decimal(0) if measure.unit == "USD" else 0


def _subtract(now: Number, before: Number) -> Number:
    if isinstance(now, float) or isinstance(before, float):
        return float(now or 0) - float(before or 0)
    return (now or 0) - (before or 0)
