"""The charts of the overview: cost over time and by provider, and what became of the calls.

Input: a view and the answers of its queries. Output: a `Chart` of each, whose parts lead to their
records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Engine

from spantoll.query import Result, Row
from spantoll.surfaces.cells import format_dollars, format_measure, format_number
from spantoll.surfaces.dashboard.chart import Chart, Point, Series, draw_stacks
from spantoll.surfaces.dashboard.explore_table import link_records
from spantoll.surfaces.dashboard.over_time import BEYOND, draw_groups, draw_windows, name_group
from spantoll.surfaces.dashboard.palette import OTHERS, Style
from spantoll.surfaces.dashboard.period import View
from spantoll.surfaces.dashboard.share_chart import draw_shares

__all__ = [
    "Outcome",
    "draw_cost",
    "draw_outcomes",
    "draw_provider_shares",
    "list_outcomes",
    "name_cost",
]


class Outcome(NamedTuple):
    """A group of the chart of outcomes."""

    name: str
    status: str
    """The filter of its records."""
    style: Style


OUTCOMES: Mapping[str, Outcome] = {
    "successes": Outcome("succeeded", "success", Style(2)),
    "failures": Outcome("failed", "error", Style(5, 1)),
    "timeouts": Outcome("timed out", "timeout", Style(1, 2)),
    "cancelled": Outcome("cancelled", "cancelled", OTHERS),
}
"""What becomes of calls; together all of them. `failures` are the errors that are no timeouts."""


def draw_cost(engine: Engine, view: View, result: Result, split: str, *, lines: bool) -> Chart:
    """Draw the cost of each window, whole or made of the groups of `split`."""
    of, window = name_cost(view, split), view.window
    if not split:
        return draw_windows(view, result.rows, "cost_usd", window=window, of=of, lines=lines)
    return draw_groups(
        engine,
        view,
        "cost_usd",
        by=(split,),
        window=window,
        of=of,
        totals=result.rows,
        lines=lines,
    )


def draw_provider_shares(view: View, result: Result) -> Chart:
    """Draw which share of the cost each provider has; those beyond the table are one."""
    points = [
        Point(
            name_group(row),
            row.measures["cost_usd"],
            format_measure(row, "cost_usd"),
            link_records(view, None, row.dimensions),
        )
        for row in result.rows
    ]
    if result.groups > len(result.rows):
        rest = result.totals.known_cost_usd - sum(row.known_cost_usd for row in result.rows)
        points.append(Point(BEYOND, rest, format_dollars(rest), view.link("/records")))
    return draw_shares(points, of="Cost by provider")


def name_cost(view: View, split: str) -> str:
    """Return the title of the cost over time."""
    by = f" and {split.removesuffix('_id')}" if split else ""
    return f"Cost by {view.window}{by}"


def draw_outcomes(view: View, result: Result) -> Chart:
    """Draw what became of the calls of each window."""
    groups = [
        Series(
            outcome.name,
            [
                Point(
                    view.label(row.window),
                    count_outcome(row, name),
                    format_number(count_outcome(row, name)),
                    view.limit_to(row.window).link("/records", f"status={outcome.status}"),
                    view.is_whole(row.window),
                )
                for row in result.rows
                if row.window is not None
            ],
            outcome.style,
        )
        for name, outcome in OUTCOMES.items()
    ]
    return draw_stacks(groups, of=f"Calls by outcome and {view.window}")


def list_outcomes(*, totals: Row) -> Iterator[tuple[Outcome, int]]:
    """Yield each outcome with its number of calls."""
    for name, outcome in OUTCOMES.items():
        yield outcome, count_outcome(totals, name)


def count_outcome(row: Row, name: str) -> int:
    """Return how many calls of a row have an outcome."""
    if name == "failures":
        return count_outcome(row, "errors") - count_outcome(row, "timeouts")
    return int(row.measures[name] or 0)
