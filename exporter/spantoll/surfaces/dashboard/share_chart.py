"""Shares of a whole as one bar that the server draws as SVG.

Input: a name, an amount and a link for each group, the largest first. Output: a `Chart` whose parts
are as wide as their share, from 0 % to 100 %, and a sentence that names each. A group without a
known amount has no part and is named; it is not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from spantoll.surfaces.dashboard.chart import WIDTH, Bar, Chart, Key, Point, read_amount
from spantoll.surfaces.dashboard.palette import choose_styles

__all__ = ["draw_shares"]

HEIGHT = 28


def draw_shares(points: Sequence[Point], *, of: str) -> Chart:
    """Draw the share of each point with a positive amount; `of` names what they are shares of."""
    drawn = [point for point in points if read_amount(point) > 0]
    total = sum(map(read_amount, drawn), Decimal(0))
    styles = choose_styles([point.label for point in drawn])
    bars: list[Bar] = []
    legend: list[Key] = []
    sum_before = Decimal(0)
    for point, style in zip(drawn, styles, strict=True):
        amount = read_amount(point)
        share = f"{amount / total:.1%}"
        begin, end = (round(each / total * WIDTH) for each in (sum_before, sum_before + amount))
        shown = point._replace(text=f"{point.text}, {share}")
        bars.append(Bar(begin, 0, max(1, end - begin), HEIGHT, shown, style))
        legend.append(Key(f"{point.label} {share}", style))
        sum_before += amount
    named = ", ".join(key.name for key in legend) or "nothing in this period"
    unknown = [point.label for point in points if point.amount is None]
    left_out = f" Without a known amount: {', '.join(unknown)}." if unknown else ""
    return Chart(
        of,
        bars,
        drawn,
        WIDTH,
        HEIGHT,
        f"{of}: {named}.{left_out}",
        legend,
        ends=("0%", "100%"),
    )
