"""Line charts as SVG that the server draws: one curve for each group, beside the bars of `chart`.

Input: the points of each group over time. Output: a `Chart` whose curves are not on top of each
other, with an invisible bar for each window, which has its values and leads to its records. A
window without a known amount is a gap of the curve; it is not 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from spantoll.surfaces.dashboard.chart import (
    HEIGHT,
    WIDTH,
    Bar,
    Chart,
    Curve,
    Key,
    Point,
    Series,
    describe_stacks,
    find_height,
    read_amount,
)

__all__ = ["draw_lines"]


def draw_lines(groups: Sequence[Series], *, of: str, totals: Sequence[Point] = ()) -> Chart:
    """Draw a curve for each group; `totals` are points of the whole windows, or none."""
    windows = list(zip(*(group.points for group in groups), strict=True))
    drawn = [point for points in windows for point in points]
    top = max(drawn, key=read_amount, default=None)
    step = max(1, WIDTH // max(1, len(windows)))
    bars = [
        Bar(index * step, 0, step, HEIGHT, describe_window(groups, points), window_link=link)
        for index, points in enumerate(windows)
        for link in [totals[index].link if totals else ""]
    ]
    curves = [
        Curve(" ".join(f"{x},{y}" for x, y in run), group.style)
        for group in groups
        for run in list_runs(group.points, top=top, step=step)
    ]
    sums = [sum(map(read_amount, points), Decimal(0)) for points in windows]
    highest = totals[sums.index(max(sums))].text if totals and any(sums) else ""
    return Chart(
        of,
        bars,
        drawn,
        WIDTH,
        HEIGHT,
        describe_stacks(groups, windows, sums, of, highest=highest),
        [Key(group.name, group.style) for group in groups],
        highest=top.text if top is not None and read_amount(top) else "",
        totals=totals,
        curves=curves,
    )


def describe_window(groups: Sequence[Series], points: Sequence[Point]) -> Point:
    """Return what the invisible bar of a window says: the known amount of each group."""
    known = [
        f"{group.name} {point.text}"
        for group, point in zip(groups, points, strict=True)
        if point.amount is not None
    ]
    return points[0]._replace(amount=None, text="; ".join(known) or "nothing known")


def list_runs(
    points: Sequence[Point], *, top: Point | None, step: int
) -> Iterator[list[tuple[int, int]]]:
    """Yield the places of neighbouring windows with a known amount, a single one as its width."""
    most = read_amount(top) if top is not None else read_amount(Point("", None, ""))
    numbered = groupby(enumerate(points), key=lambda each: each[1].amount is not None)
    for is_known, run in numbered:
        if not is_known:
            continue
        places = [
            (index * step + step // 2, HEIGHT - find_height(read_amount(point), most))
            for index, point in run
        ]
        if len(places) == 1:
            ((x, y),) = places
            places = [(x - step // 2, y), (x + step // 2, y)]
        yield places
