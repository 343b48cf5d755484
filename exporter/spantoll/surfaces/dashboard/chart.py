"""Bar charts as SVG that the server draws: no script, readable without one.

Input: a label and an amount for each bar. Output: the geometry of a chart in whole units of its
view box, and a sentence that says what it shows. A missing amount has no bar; it is not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

__all__ = ["Bar", "Chart", "Point", "draw_bars"]

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


class Bar(NamedTuple):
    """A bar in units of the view box."""

    x: int
    y: int
    width: int
    height: int
    point: Point


class Chart(NamedTuple):
    """A chart, its size and its description for people who do not see it."""

    bars: Sequence[Bar]
    points: Sequence[Point]
    width: int
    height: int
    summary: str


def draw_bars(points: Sequence[Point], *, of: str) -> Chart:
    """Draw a vertical bar for each point; `of` names what the amounts are of."""
    amounts = [Decimal(str(point.amount or 0)) for point in points]
    most = max(amounts, default=Decimal(0))
    step = max(1, WIDTH // max(1, len(points)))
    bars = [
        Bar(
            x=index * step,
            y=HEIGHT - _find_height(amount, most),
            width=max(1, step - GAP),
            height=_find_height(amount, most),
            point=point,
        )
        for index, (point, amount) in enumerate(zip(points, amounts, strict=True))
    ]
    return Chart(bars, points, WIDTH, HEIGHT, _describe(points, amounts, of))


def _find_height(amount: Decimal, most: Decimal) -> int:
    if amount <= 0 or most <= 0:
        return 0
    return max(LEAST_HEIGHT, int(amount / most * HEIGHT))


def _describe(points: Sequence[Point], amounts: Sequence[Decimal], of: str) -> str:
    if not points:
        return f"{of}: nothing in this period."
    highest = max(range(len(points)), key=lambda index: amounts[index])
    return (
        f"{of}, {points[0].label} to {points[-1].label}, {len(points)} bars. "
        f"The highest is {points[highest].label} with {points[highest].text}."
    )
