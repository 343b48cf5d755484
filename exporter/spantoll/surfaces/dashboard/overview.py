"""`/`: what was spent in a period, on what, and how the calls went.

Input: the parameters of the REST API, in the address. Output: cards, charts and tables, of which
every number is one of `query` and leads to its records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from spantoll.errors import QueryError
from spantoll.query import (
    Filter,
    RecordQuery,
    Result,
    Row,
    count_latencies,
    list_records,
    parse_period,
    run,
)
from spantoll.query.names import make_unknown_name_error
from spantoll.surfaces.cells import format_number
from spantoll.surfaces.dashboard.chart import Chart, Point, Series, draw_stacks
from spantoll.surfaces.dashboard.comparison import compare, describe_change, describe_period
from spantoll.surfaces.dashboard.downloads import Card, make_downloads, make_workbook
from spantoll.surfaces.dashboard.heat_map import LONGEST_NS, make_heat_map
from spantoll.surfaces.dashboard.latency_chart import PERCENTILES, draw_latencies
from spantoll.surfaces.dashboard.live import share_live
from spantoll.surfaces.dashboard.nothing import explain_nothing
from spantoll.surfaces.dashboard.over_time import draw_groups, draw_windows
from spantoll.surfaces.dashboard.palette import OTHERS, Style
from spantoll.surfaces.dashboard.period import View, read_or_default, read_view
from spantoll.surfaces.dashboard.render import Page
from spantoll.surfaces.rest.context import Context, RestContext, Visible

__all__ = ["router"]

TOP = 8
"""Rows of a card; the link below it leads to all."""
SPLITS = ("provider", "model", "customer_id", "team")
"""What the cost is split by."""
SPLIT_LABELS: Mapping[str, str] = {
    **{name: name.removesuffix("_id").capitalize() for name in SPLITS},
    "": "Nothing",
}
"""Values of `by`, and what the page calls them."""
TOTALS: Mapping[str, str] = {
    "cost_usd": "Cost",
    "requests": "Calls",
    "success_rate": "Success rate",
    "errors": "Errors",
    "latency_avg_ms": "Latency, mean ms",
    "latency_p95_ms": "Latency, p95 ms",
    "input_tokens": "Input tokens",
    "cache_read_tokens": "Cached input tokens",
    "cache_hit_rate": "Cache hit rate",
    "cache_savings_usd": "Saved by caches",
    "output_tokens": "Output tokens",
}
"""Measures of the cards, with what they are called there."""


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
OVER_TIME = ("cost_usd", "requests", "successes", "errors", "timeouts", "cancelled")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/overview.xlsx")
def download_overview(request: Request, context: Context, visible: Visible) -> Response:
    """Answer with the numbers of the page as a workbook. Raises QueryError and ProblemError."""
    view = read_view(request, context, visible)
    cards = make_cards(view, read_split(request))
    return make_workbook(context, list(cards.values()), file="overview")


@router.get("/")
@share_live
def show_overview(request: Request, context: RestContext, visible: Sequence[Filter]) -> Page:
    """Show what was spent, on what, and how it went."""
    if is_empty(context, visible):
        return Page("empty.html", {"endpoint": str(request.base_url).rstrip("/")})
    view, problem = read_or_default(request, context, visible)
    split = SPLITS[1]
    try:
        split = read_split(request)
    except QueryError as error:
        problem = problem or str(error)
    view = view._replace(asked=(("by", split),) if "by" in request.query_params else ())
    engine = context.engine
    cards = make_cards(view, split)
    asked = cards["totals"].query
    growth = None
    if view.against:
        try:
            growth = compare(engine, view, asked)
        except QueryError as error:
            problem = problem or str(error)
    result = growth.result if growth else run(engine, asked)
    totals = result.totals
    over_time = run(engine, cards["time"].query)
    percentiles = {
        name: value for name in PERCENTILES if isinstance(value := totals.measures[name], float)
    }
    return Page(
        "overview.html",
        {
            "view": view,
            "problem": problem,
            "notes": dict.fromkeys([*result.notes, *(growth.before.notes if growth else ())]),
            "totals": totals,
            "labels": TOTALS,
            "changes": {name: describe_change(growth.totals, name) for name in TOTALS}
            if growth
            else {},
            "before": describe_period(view, growth) if growth else "",
            "month": measure_month(context, view),
            "cost_chart": draw_cost(context, view, over_time, split),
            "split": split,
            "splits": SPLIT_LABELS,
            "outcome_chart": draw_outcomes(view, over_time),
            "outcomes": list(list_outcomes(totals=over_time.totals)),
            "latency_chart": draw_latencies(view, count_latencies(engine, asked), percentiles),
            "cards": {name: run(engine, cards[name].query) for name in SPLITS},
            "downloads": make_downloads(view, cards),
            "heat_map": make_heat_map(run(engine, cards["hours"].query))
            if totals.requests and "hours" in cards
            else None,
            "nothing": None if totals.requests else explain_nothing(engine, view, visible, "/"),
        },
    )


def make_cards(view: View, split: str) -> dict[str, Card]:
    """Return what each part of the page is an answer to."""
    totals = view.query(*dict.fromkeys((*TOTALS, *PERCENTILES)))
    over_time = view.query(*OVER_TIME, window=view.window, fill=True)
    latency = view.query(*PERCENTILES, "latency_avg_ms", window=view.window)
    cards = {
        "totals": Card("Totals", totals),
        "time": Card(f"Cost and outcomes by {view.window}", over_time),
        "latency": Card(f"Latency by {view.window}", latency),
    }
    if split:
        by_group = view.query("cost_usd", "requests", by=[split], window=view.window)
        cards["split"] = Card(name_cost(view, split), by_group)
    if is_short(view):
        cards["hours"] = Card("By hour", view.query("cost_usd", "requests", window="hour"))
    for name in SPLITS:
        query = view.query("cost_usd", "requests", by=[name], order=["-cost_usd"], limit=TOP)
        cards[name] = Card(f"By {name.removesuffix('_id')}", query)
    return cards


def measure_month(context: RestContext, view: View) -> Row:
    """Add up the cost of the current month, with the filters of the view."""
    start_ns, _ = parse_period(
        start="this_month", end=None, last=None, tz=view.tz, now_ns=view.now_ns
    )
    query = replace(view.query("cost_usd"), start_ns=start_ns, end_ns=None)
    return run(context.engine, query).totals


def is_short(view: View) -> bool:
    """Return whether the period is short enough for its hours."""
    end_ns = view.now_ns if view.end_ns is None else view.end_ns
    return view.start_ns is not None and end_ns - view.start_ns <= LONGEST_NS


def is_empty(context: RestContext, visible: Sequence[Filter]) -> bool:
    """Return whether there is no record at all."""
    anything = RecordQuery(filters=visible, limit=1, uncounted=True)
    return not list_records(context.engine, anything).records


def draw_cost(context: RestContext, view: View, result: Result, split: str) -> Chart:
    """Draw the cost of each window, whole or made of the groups of `split`."""
    of, window = name_cost(view, split), view.window
    if not split:
        return draw_windows(view, result.rows, "cost_usd", window=window, of=of)
    return draw_groups(
        context.engine, view, "cost_usd", by=(split,), window=window, of=of, totals=result.rows
    )


def name_cost(view: View, split: str) -> str:
    """Return the title of the cost over time."""
    by = f" and {split.removesuffix('_id')}" if split else ""
    return f"Cost by {view.window}{by}"


def read_split(request: Request) -> str:
    """Return what the cost over time is split by, empty for nothing. Raises QueryError."""
    split = request.query_params.get("by", SPLITS[1])
    if split and split not in SPLITS:
        raise make_unknown_name_error(split, field="by", allowed=SPLITS)
    return split


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
