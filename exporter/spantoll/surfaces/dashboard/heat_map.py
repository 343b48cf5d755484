"""Cost by hour of the day and day of the week, as a table whose cells are coloured.

Input: the answer to a query by hour, in a zone. Output: seven rows of 24 cells, each with its
amount, so that it reads without colours. Hours are those of the wall clock: where clocks go back,
two hours of a date are added up in one cell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from spantoll.query import Result, Row
from spantoll.query.windows import find_zone, to_local_time
from spantoll.surfaces.cells import UNKNOWN, format_dollars

__all__ = ["LONGEST_NS", "HeatCell", "HeatMap", "HeatRow", "make_heat_map"]

LONGEST_NS = 92 * 86_400 * 10**9
"""Of a period with a heat map: a quarter, whose 2,208 hours are read in one query."""
LEVELS = 4
"""Colours beside that of nothing; more cannot be distinguished."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = range(24)


class HeatCell(NamedTuple):
    """An hour of a day of the week."""

    text: str
    """USD to the cent; empty without calls."""
    title: str
    level: int
    """0 without cost, LEVELS for the highest."""


class HeatRow(NamedTuple):
    """A day of the week."""

    weekday: str
    cells: Sequence[HeatCell]


class HeatMap(NamedTuple):
    """The hours of a week, and a sentence for people who do not see them."""

    rows: Sequence[HeatRow]
    summary: str


class HourSum(NamedTuple):
    """What all hours of one cell add up to."""

    cost_usd: Decimal | None = None
    requests: int = 0
    estimated: bool = False
    lower_bound: bool = False

    def add(self, row: Row) -> HourSum:
        """Add an hour; an unknown cost adds nothing, and is marked by the state of its row."""
        cost = row.measures["cost_usd"]
        known = self.cost_usd
        if isinstance(cost, Decimal):
            known = cost + (known or 0)
        state = row.cost
        return HourSum(
            known,
            self.requests + row.requests,
            self.estimated or (state is not None and state.estimated),
            self.lower_bound or (state is not None and state.lower_bound),
        )

    def format_cost(self) -> str:
        """Write the cost with its marks."""
        return format_dollars(self.cost_usd, estimated=self.estimated, lower_bound=self.lower_bound)


def make_heat_map(result: Result) -> HeatMap:
    """Add up the hours of a result by day of the week and hour of the day, in its zone."""
    zone = find_zone(result.query.tz)
    sums: defaultdict[tuple[int, int], HourSum] = defaultdict(HourSum)
    for row in result.rows:
        if row.window is not None and row.requests:
            start = to_local_time(row.window.start_ns, zone)
            place = start.weekday(), start.hour
            sums[place] = sums[place].add(row)
    most = max((each.cost_usd or Decimal(0) for each in sums.values()), default=Decimal(0))
    rows = [
        HeatRow(name, [_make_cell(name, hour, sums[day, hour], most) for hour in HOURS])
        for day, name in enumerate(WEEKDAYS)
    ]
    return HeatMap(rows, _describe(sums))


def _make_cell(weekday: str, hour: int, total: HourSum, most: Decimal) -> HeatCell:
    named = f"{weekday} {hour:02d}:00"
    if not total.requests:
        return HeatCell("", f"{named}: no calls", 0)
    cost = total.cost_usd
    level = 0
    if cost and most:
        level = int((cost / most * LEVELS).to_integral_value(ROUND_CEILING))
    return HeatCell(
        UNKNOWN if cost is None else f"{cost:,.0f}" if cost >= 100 else f"{cost:.2f}",
        f"{named}: {total.format_cost()}, {total.requests:,} calls",
        max(0, level),
    )


def _describe(sums: dict[tuple[int, int], HourSum]) -> str:
    known = {place: total for place, total in sums.items() if total.cost_usd}
    if not known:
        return "Cost by hour of the week: nothing in this period."
    day, hour = max(known, key=lambda place: known[place].cost_usd or 0)
    return (
        f"USD by hour of the day and day of the week. The highest is {WEEKDAYS[day]} "
        f"{hour:02d}:00 with {known[day, hour].format_cost()}."
    )
