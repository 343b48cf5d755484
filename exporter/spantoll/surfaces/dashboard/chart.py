"""Bar charts as SVG that the server draws: no script, readable without one.

Input: a label and an amount for each bar. Output: the geometry of a chart in whole units of its
view box, and a sentence that says what it shows. A missing amount has no bar; it is not 0. A
negative one, such as a loss, hangs below the line of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from spantoll.surfaces.dashboard.palette import PLAIN, Style

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Bar",
    "Chart",
    "Curve",
    "Key",
    "Mark",
    "Point",
    "Series",
    "describe_stacks",
    "draw_bars",
    "draw_stacks",
    "find_height",
    "read_amount",
]

WIDTH = 960
HEIGHT = 200
GAP = 2
LEAST_HEIGHT = 2
"""Of an amount that is not 0: it must be seen."""


class Point(NamedTuple):
    """What a bar stands for."""

    label: str
    amount: Decimal | int | float | None
    text: str
    """The amount as it is written, with its marks."""
    link: str = ""
    """Address of the records of the bar, with its period where it is of a window."""
    whole: bool = True
    """False where a window is not over, or not all of it is in the period."""


class Series(NamedTuple):
    """The points of one group, one for each window of the chart."""

    name: str
    points: Sequence[Point]
    style: Style = PLAIN


class Key(NamedTuple):
    """An entry of a legend."""

    name: str
    style: Style


class Mark(NamedTuple):
    """A vertical line at a place between the bars."""

    x: int
    name: str
    text: str


class Bar(NamedTuple):
    """A bar in units of the view box."""

    x: int
    y: int
    width: int
    height: int
    point: Point
    style: Style = PLAIN
    window_link: str = ""
    """Of a part of a stack: the address of all records of its window."""


class Curve(NamedTuple):
    """A line through the amounts of a group."""

    places: str
    """Points in units of the view box, as SVG has them."""
    style: Style


class Chart(NamedTuple):
    """A chart, its size and its description for people who do not see it."""

    title: str
    bars: Sequence[Bar]
    points: Sequence[Point]
    width: int
    height: int
    summary: str
    legend: Sequence[Key] = ()
    highest: str = ""
    """The amount of the highest bar, where it is one amount."""
    marks: Sequence[Mark] = ()
    totals: Sequence[Point] = ()
    """Of a stacked chart, where they are known: a point for each whole window."""
    curves: Sequence[Curve] = ()
    """Where amounts are lines; the bars are then invisible and only say what is at a window."""
    ends: tuple[str, str] | None = None
    """What the ends of the axis are, where they are not the first and the last point."""
    zero: int | None = None
    """Where the line of 0 is, if amounts are below it."""

    @property
    def name(self) -> str:
        """Return the title as part of an id or of the name of a file."""
        return "-".join(self.title.lower().split())

    @property
    def whole(self) -> bool:
        """Whether every window is over and all of it in the period."""
        return all(point.whole for point in self.points)


def draw_bars(points: Sequence[Point], *, of: str) -> Chart:
    """Draw a vertical bar for each point; `of` names what the amounts are of."""
    amounts = [read_amount(point) for point in points]
    most, least = max(amounts, default=Decimal(0)), min(amounts, default=Decimal(0))
    most, least = max(most, Decimal(0)), min(least, Decimal(0))
    above, below = find_height(most, most - least), find_height(-least, most - least)
    zero = above if below else HEIGHT
    step = max(1, WIDTH // max(1, len(points)))
    bars = []
    for index, (point, amount) in enumerate(zip(points, amounts, strict=True)):
        height = find_height(abs(amount), most - least)
        y = zero if amount < 0 else zero - height
        bars.append(Bar(index * step, y, max(1, step - GAP), height, point))
    highest = points[amounts.index(most)].text if most else ""
    return Chart(
        of,
        bars,
        points,
        WIDTH,
        zero + below,
        _describe(points, of),
        highest=highest,
        zero=zero if below else None,
    )


def draw_stacks(groups: Sequence[Series], *, of: str, totals: Sequence[Point] = ()) -> Chart:
    """Draw a bar for each window, made of the amounts of the groups on top of each other.

    `totals` are points of the whole windows, as many as each group has, or none.
    """
    windows = list(zip(*(group.points for group in groups), strict=True))
    sums = [sum(map(read_amount, points), Decimal(0)) for points in windows]
    most = max(map(_sum_above, windows), default=Decimal(0))
    lowest = max((_sum_above(points, sign=-1) for points in windows), default=Decimal(0))
    step = max(1, WIDTH // max(1, len(windows)))
    # Small amounts are drawn higher than they are: there is room for one of every group.
    room = LEAST_HEIGHT * len(groups)
    zero = find_height(most, most + lowest) + room if lowest else HEIGHT + room
    below = find_height(lowest, most + lowest) + room if lowest else 0
    bars: list[Bar] = []
    for index, points in enumerate(windows):
        top = bottom = zero
        for group, point in zip(groups, points, strict=True):
            amount = read_amount(point)
            height = find_height(abs(amount), most + lowest)
            y = bottom if amount < 0 else top - height
            top, bottom = (top, bottom + height) if amount < 0 else (y, bottom)
            named = point._replace(label=f"{point.label}, {group.name}")
            if height:
                all_of_window = totals[index].link if totals else ""
                width = max(1, step - GAP)
                bars.append(Bar(index * step, y, width, height, named, group.style, all_of_window))
    net = max(sums, default=Decimal(0))
    highest = totals[sums.index(net)].text if net and totals else ""
    summary = describe_stacks(groups, windows, sums, of, highest=highest)
    drawn = [point for points in windows for point in points]
    legend = [Key(group.name, group.style) for group in groups]
    return Chart(
        of,
        bars,
        drawn,
        WIDTH,
        zero + below,
        summary,
        legend,
        # With losses a bar is higher than the sum of its window.
        highest="" if lowest else highest,
        totals=totals,
        zero=zero if lowest else None,
    )


def _sum_above(points: Sequence[Point], *, sign: int = 1) -> Decimal:
    """Return the sum of the amounts above 0 or, with a sign of -1, of those below it, as > 0."""
    amounts = (sign * read_amount(point) for point in points)
    return sum((amount for amount in amounts if amount > 0), Decimal(0))


def read_amount(point: Point) -> Decimal:
    """Return the amount of a point, 0 where it is unknown."""
    return Decimal(str(point.amount or 0))


def find_height(amount: Decimal, most: Decimal) -> int:
    """Return how high an amount is drawn where `most` is drawn as high as the chart."""
    if amount <= 0 or most <= 0:
        return 0
    return max(LEAST_HEIGHT, int(amount / most * HEIGHT))


def _describe(points: Sequence[Point], of: str) -> str:
    if not points:
        return f"{of}: nothing in this period."
    # Of unknown amounts, which are below all others, the first one is named.
    known = [point for point in points if point.amount is not None] or points[:1]
    highest, lowest = max(known, key=read_amount), min(known, key=read_amount)
    losses = f" The lowest is {lowest.label} with {lowest.text}." if read_amount(lowest) < 0 else ""
    return (
        f"{of}, {points[0].label} to {points[-1].label}, {len(points)} bars. "
        f"The highest is {highest.label} with {highest.text}.{losses}{_name_incomplete(points)}"
    )


def describe_stacks(
    groups: Sequence[Series],
    windows: Sequence[Sequence[Point]],
    totals: Sequence[Decimal],
    of: str,
    *,
    highest: str,
) -> str:
    """Return the sentence of a chart of groups over time; `totals` are the sums of its windows."""
    if not windows:
        return f"{of}: nothing in this period."
    top = max(range(len(windows)), key=lambda index: totals[index])
    with_amount = f" with {highest}" if highest else ""
    sums = [sum(map(read_amount, group.points), Decimal(0)) for group in groups]
    largest = max(range(len(groups)), key=lambda index: sums[index])
    return (
        f"{of}, {windows[0][0].label} to {windows[-1][0].label}, {len(windows)} bars. "
        f"The highest is {windows[top][0].label}{with_amount}; "
        f"of the groups, {groups[largest].name}."
        f"{_name_incomplete([points[0] for points in windows])}"
    )


def _name_incomplete(points: Sequence[Point]) -> str:
    """Name the windows that cannot be compared with the others; empty without any."""
    labels = [point.label for point in points if not point.whole]
    return f" Incomplete: {', '.join(labels)}." if labels else ""
