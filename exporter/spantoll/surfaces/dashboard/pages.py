"""The dashboard: pages that the server renders, under `/` beside the REST API.

Input: the parameters of the REST API, in the address. Output: HTML that reads without a script and
loads nothing from elsewhere. Every number is one of `query`, and leads to its records.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Request
from fastapi.responses import HTMLResponse

from spantoll.errors import QueryError
from spantoll.pricing import Unpriced
from spantoll.pricing.browse import Period, list_periods
from spantoll.query import (
    Filter,
    RecordQuery,
    list_records,
)
from spantoll.settings import Settings
from spantoll.surfaces.dashboard import (
    customers,
    explore,
    health_page,
    login,
    models_page,
    new_price,
    overview,
    record_page,
    settings_page,
    theme,
)
from spantoll.surfaces.dashboard.chart import Chart, Point, draw_bars
from spantoll.surfaces.dashboard.environments import Environments
from spantoll.surfaces.dashboard.live import LivePages, share_live, show_unavailable
from spantoll.surfaces.dashboard.nothing import explain_nothing
from spantoll.surfaces.dashboard.period import read_or_default
from spantoll.surfaces.dashboard.render import Page, render
from spantoll.surfaces.dashboard.whole_files import WholeFiles
from spantoll.surfaces.rest.context import Context, RestContext
from spantoll.surfaces.rest.guard import require

__all__ = ["add_dashboard"]

HERE = FilePath(__file__).parent
ROWS = 50

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def add_dashboard(app: FastAPI, settings: Settings | None = None) -> None:
    """Add the pages to the application of the REST API; `settings` are those to show."""
    app.state.settings = settings
    app.state.live_pages = LivePages()
    app.state.environments = Environments()
    app.state.show_unavailable = show_unavailable
    app.mount("/static", WholeFiles(directory=HERE / "static"), name="static")
    app.include_router(login.router)
    for module in (
        overview,
        explore,
        models_page,
        record_page,
        customers,
        health_page,
        new_price,
        settings_page,
        theme,
    ):
        app.include_router(module.router, dependencies=require("read"))
    app.include_router(router, dependencies=require("read"))


@router.get("/records")
@share_live
def show_records(request: Request, context: RestContext, visible: Sequence[Filter]) -> Page:
    """List calls, newest first."""
    view, problem = read_or_default(request, context, visible)
    uncounted = request.query_params.get("uncounted") in ("true", "1", "on")
    after = request.query_params.get("after")
    try:
        wanted = RecordQuery(
            filters=view.filters,
            start_ns=view.start_ns,
            end_ns=view.end_ns,
            limit=ROWS,
            after=after,
            uncounted=uncounted,
        )
    except QueryError as error:
        problem = str(error)
        wanted = RecordQuery(filters=view.filters, limit=ROWS)
    page = list_records(context.engine, wanted)
    also = {"uncounted": "true"} if uncounted else {}
    following = view.link("/records", **also, after=page.cursor) if page.cursor else None
    return Page(
        "records.html",
        {
            "view": view,
            "problem": problem,
            "page": page,
            "nothing": None
            if page.records or after or uncounted
            else explain_nothing(context.engine, view, visible, "/records"),
            "uncounted": uncounted,
            "following": following,
            "links": context.links,
        },
    )


@router.get("/models/{provider}/{model:path}")
def show_model(
    request: Request,
    context: Context,
    provider: Annotated[str, Path(max_length=64)],
    model: Annotated[str, Path(max_length=256)],
) -> HTMLResponse:
    """Show the prices of a model and when each holds."""
    periods = list_periods(context.rate_card, provider, model)
    missing = periods.detail if isinstance(periods, Unpriced) else ""
    return render(
        request,
        "model.html",
        status=404 if missing else 200,
        provider=provider,
        model=model,
        missing=missing,
        periods=() if isinstance(periods, Unpriced) else periods,
        chart=None if isinstance(periods, Unpriced) else draw_input_prices(periods),
    )


def draw_input_prices(periods: Sequence[Period]) -> Chart | None:
    """Draw the price of a million input tokens in each period; None without two such prices."""
    points = [
        Point(period.valid_from or "always", amount, f"{amount.normalize():f} USD")
        for period in periods
        for price in period.rate.prices
        if price.metric == "input"
        for amount in [price.amount_usd * 1_000_000 / price.per]
    ]
    return draw_bars(points, of="Input price per million tokens") if len(points) > 1 else None


@router.get("/docs")
def show_docs(request: Request) -> HTMLResponse:
    """Show the routes of the REST API, from its OpenAPI document."""
    return render(request, "docs.html", document=request.app.openapi())
