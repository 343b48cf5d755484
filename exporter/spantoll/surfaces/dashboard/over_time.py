"""One measure over time as a chart: each window one bar, or one bar of stacked groups.

Input: a view, a measure and the dimensions to split it by. Output: a `Chart` of the largest GROUPS
groups of the period and the sum of all others, so that the parts of a bar add up to its window.
Each part leads to its records.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from spantoll.query import Result, Row, run
from spantoll.surfaces.cells import UNKNOWN, format_measure
from spantoll.surfaces.dashboard.chart import Chart, Point, Series, draw_bars, draw_stacks
from spantoll.surfaces.dashboard.explore_table import link_records
from spantoll.surfaces.dashboard.line_chart import draw_lines
from spantoll.surfaces.dashboard.palette import OTHERS, choose_styles
from spantoll.surfaces.dashboard.period import View

__all__ = ["BEYOND", "draw_groups", "draw_windows", "name_group"]

GROUPS = 7
"""Groups of a stacked chart, beside which the others are one: as many as there are colours."""
BEYOND = "others"
"""Name of the groups beyond GROUPS, together."""


def draw_windows(
    view: View,
    rows: Sequence[Row],
    measure: str,
    *,
    window: str,
    of: str,
    lines: bool = False,
) -> Chart:
    """Draw a bar for each window, or a line; `of` names what the amounts are of."""
    points = [
        make_point(view, row, measure, window=window, link=link_records(view, row.window, {}))
        for row in rows
    ]
    if lines:
        return draw_lines([Series("all", points)], of=of)._replace(legend=())
    return draw_bars(points, of=of)


def draw_groups(
    engine: Engine,
    view: View,
    measure: str,
    *,
    by: Sequence[str],
    window: str,
    of: str,
    totals: Sequence[Row] = (),
    lines: bool = False,
) -> Chart:
    """Draw the groups of each window on top of each other, the largest of the period first.

    With `lines`, each group is a line of its own.

    `totals` are the rows of the whole windows, which the table then shows beside the groups.
    """
    query = view.query(measure, by=by, window=window, limit=GROUPS, others=True, fill=True)
    result = run(engine, query)
    drawn = dict.fromkeys(row.window for row in result.rows)
    whole = {row.window: row for row in totals}
    points = [
        Point("", None, UNKNOWN, link_records(view, each, {}))
        if each not in whole
        else make_point(
            view, whole[each], measure, window=window, link=link_records(view, each, {})
        )
        for each in (drawn if totals else ())
    ]
    draw = draw_lines if lines else draw_stacks
    return draw(list_series(view, result, measure, window=window), of=of, totals=points)


def list_series(view: View, result: Result, measure: str, *, window: str) -> list[Series]:
    """Return the points of each group over time, the largest group first, the others last."""
    rows: dict[str, list[Row]] = {}
    for row in result.rows:
        rows.setdefault(name_group(row), []).append(row)
    styles = dict(zip(rows, choose_styles(list(rows)), strict=True)) | {BEYOND: OTHERS}
    named = [each[0] for each in rows.values() if not each[0].others]
    return [
        Series(
            name,
            [
                make_point(view, row, measure, window=window, link=link_group(view, row, named))
                for row in group
            ],
            styles[name],
        )
        for name, group in rows.items()
    ]


def make_point(view: View, row: Row, measure: str, *, window: str, link: str) -> Point:
    """Make the point of a row with a window of a kind."""
    label, whole = "", True
    if row.window is not None:
        label, whole = view.label(row.window, window), view.is_whole(row.window)
    return Point(label, row.measures[measure], format_measure(row, measure), link, whole)


def link_group(view: View, row: Row, named: Sequence[Row]) -> str:
    """Return the address of the records of a group in a window.

    Others are the records of none of the `named` groups. Of several dimensions filters cannot say
    that: they lead to the records of the whole window.
    """
    if not row.others:
        return link_records(view, row.window, row.dimensions)
    within = view if row.window is None else view.limit_to(row.window)
    if len(row.dimensions) != 1:
        return within.link("/records")
    excluded = [
        f"{name}!={'' if value is None else value}"
        for group in named
        for name, value in group.dimensions.items()
    ]
    return within.link("/records", *excluded)


def name_group(row: Row) -> str:
    """Return the values of a row's dimensions as they are read."""
    if row.others:
        return BEYOND
    values = ["unknown" if value is None else str(value) for value in row.dimensions.values()]
    return " · ".join(values) or "all"
