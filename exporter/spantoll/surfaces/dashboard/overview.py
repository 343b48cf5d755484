"""`/`: what was spent in a period, on what, and how the calls went.

Input: the parameters of the REST API, in the address. Output: cards, charts and tables, of which
every number is one of `query` and leads to its records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query import (
    COST_STATES,
    CostState,
    Filter,
    RecordQuery,
    Row,
    count_latencies,
    forecast_month,
    list_records,
    run,
)
from spantoll.query.cost_state import StateName
from spantoll.query.forecast import RULE
from spantoll.query.names import make_unknown_name_error
from spantoll.surfaces.cells import format_dollars
from spantoll.surfaces.dashboard.comparison import compare, describe_change, describe_period
from spantoll.surfaces.dashboard.downloads import Card, make_downloads, make_workbook
from spantoll.surfaces.dashboard.heat_map import LONGEST_NS, make_heat_map
from spantoll.surfaces.dashboard.latency_chart import PERCENTILES, draw_latencies
from spantoll.surfaces.dashboard.live import share_live
from spantoll.surfaces.dashboard.nothing import explain_nothing
from spantoll.surfaces.dashboard.overview_charts import (
    draw_cost,
    draw_outcomes,
    draw_provider_shares,
    list_outcomes,
    name_cost,
)
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
DRAWINGS: Mapping[str, str] = {"bars": "Bars", "lines": "Lines"}
"""Values of `draw`: how the cost over time is drawn, and what the page calls it."""
TOTALS: Mapping[str, str] = {
    "cost_usd": "Cost",
    "requests": "Calls",
    "priced_share": "Calls with a cost",
    "priced_token_share": "Tokens with a cost",
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


UNPRICED = ("pricing_status=unpriced",)
STATES_COUNTED = ("free", "estimated", "partial", "unpriced")
"""States of which a `CostState` has a count; the other calls have an exact cost."""
CARD_FILTERS: Mapping[str, Sequence[str]] = {
    "errors": ("status=error", "status=timeout"),
    "priced_share": UNPRICED,
    "priced_token_share": UNPRICED,
}
"""Filters of the records that a card leads to, where these are not all of the page."""


class Choices(NamedTuple):
    """How the cost over time is shown: parameters of the address."""

    by: str
    draw: str


CHOICES = Choices(SPLITS[1], "bars")
"""Where the address does not say it."""


class CallsOfState(NamedTuple):
    """The calls of a page whose cost is known so well."""

    state: StateName
    requests: int
    address: str
    """Of their records."""


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
    asked, unknown = read_choices(request)
    problem = problem or unknown
    chosen = asked._asdict().items()
    view = view._replace(asked=tuple(each for each in chosen if each[0] in request.query_params))
    engine = context.engine
    cards = make_cards(view, asked.by)
    query = cards["totals"].query
    growth = None
    if view.against:
        try:
            growth = compare(engine, view, query)
        except QueryError as error:
            problem = problem or str(error)
    result = growth.result if growth else run(engine, query)
    totals = result.totals
    changes = {name: describe_change(growth.totals, name) for name in TOTALS} if growth else {}
    return Page(
        "overview.html",
        {
            "view": view,
            "problem": problem,
            "notes": dict.fromkeys([*result.notes, *(growth.before.notes if growth else ())]),
            "totals": totals,
            "labels": TOTALS,
            "card_filters": CARD_FILTERS,
            "states": list_states(view, totals.cost),
            "changes": changes,
            "before": describe_period(view, growth) if growth else "",
            **show_forecast(engine, view),
            **draw_charts(engine, view, cards, totals, asked),
            "split": asked.by,
            "splits": SPLIT_LABELS,
            "drawing": asked.draw,
            "drawings": DRAWINGS,
            "downloads": make_downloads(view, cards),
            "nothing": None if totals.requests else explain_nothing(engine, view, visible, "/"),
        },
    )


def show_forecast(engine: Engine, view: View) -> dict[str, Any]:
    """Return what the page shows of the current month, with the filters of the view."""
    forecast = forecast_month(engine, view.query("cost_usd"), now_ns=view.now_ns)
    cost = format_dollars(forecast.cost_usd, estimated=True, lower_bound=forecast.lower_bound)
    return {"forecast": forecast, "forecast_cost": cost, "forecast_rule": RULE}


def draw_charts(
    engine: Engine, view: View, cards: Mapping[str, Card], totals: Row, asked: Choices
) -> dict[str, Any]:
    """Return the charts and tables of the page."""
    over_time = run(engine, cards["time"].query)
    tables = {name: run(engine, cards[name].query) for name in SPLITS}
    percentiles = {
        name: value for name in PERCENTILES if isinstance(value := totals.measures[name], float)
    }
    latencies = count_latencies(engine, cards["totals"].query)
    return {
        "cost_chart": draw_cost(engine, view, over_time, asked.by, lines=asked.draw == "lines"),
        "outcome_chart": draw_outcomes(view, over_time),
        "outcomes": list(list_outcomes(totals=over_time.totals)),
        "latency_chart": draw_latencies(view, latencies, percentiles),
        "cards": tables,
        "share_chart": draw_provider_shares(view, tables["provider"]),
        "heat_map": make_heat_map(run(engine, cards["hours"].query))
        if totals.requests and "hours" in cards
        else None,
    }


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


def list_states(view: View, cost: CostState | None) -> list[CallsOfState]:
    """Return how many calls have a cost of each state, without the states that none has."""
    if cost is None:
        return []
    doubted = {name: int(getattr(cost, f"{name}_requests")) for name in STATES_COUNTED}
    counts = {"exact": cost.requests - sum(doubted.values()), **doubted}
    return [
        CallsOfState(state, counts[state], view.link("/records", f"pricing_status={status}"))
        for status, state in COST_STATES.items()
        if counts[state]
    ]


def is_short(view: View) -> bool:
    """Return whether the period is short enough for its hours."""
    end_ns = view.now_ns if view.end_ns is None else view.end_ns
    return view.start_ns is not None and end_ns - view.start_ns <= LONGEST_NS


def is_empty(context: RestContext, visible: Sequence[Filter]) -> bool:
    """Return whether there is no record at all."""
    anything = RecordQuery(filters=visible, limit=1, uncounted=True)
    return not list_records(context.engine, anything).records


def read_split(request: Request) -> str:
    """Return what the cost over time is split by, empty for nothing. Raises QueryError."""
    split = request.query_params.get("by", CHOICES.by)
    if split and split not in SPLITS:
        raise make_unknown_name_error(split, field="by", allowed=SPLITS)
    return split


def read_drawing(request: Request) -> str:
    """Return how the cost over time is drawn. Raises QueryError."""
    drawing = request.query_params.get("draw", CHOICES.draw)
    if drawing not in DRAWINGS:
        raise make_unknown_name_error(drawing, field="draw", allowed=DRAWINGS)
    return drawing


def read_choices(request: Request) -> tuple[Choices, str]:
    """Read how the cost over time is shown; where that cannot be read, CHOICES and the reason."""
    try:
        return Choices(read_split(request), read_drawing(request)), ""
    except QueryError as error:
        return CHOICES, str(error)
