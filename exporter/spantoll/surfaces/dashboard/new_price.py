"""`/prices/new`: give a model a price, see what it changes, apply it.

Input: a form with amounts in USD per million tokens. Output: what pricing the stored calls of the
model again would change, and, once applied, a row of the user's own prices and a run of re-pricing
that can be undone. It takes a key with the scope write and no limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from spantoll.errors import RepriceError
from spantoll.pipeline.price_changes import add_rows
from spantoll.pipeline.reprice_preview import Preview
from spantoll.pipeline.reprice_run import preview_repricing, reprice_records
from spantoll.pipeline.user_pricing import (
    load_user_card,
    read_current_documents,
    read_user_pricing,
)
from spantoll.pricing import UserPricing, load_rate_card
from spantoll.pricing.own_prices import OwnPrice, read_own_price
from spantoll.pricing.shipped import PriceDataError
from spantoll.query.windows import find_zone
from spantoll.storage import SqlStore
from spantoll.storage.own_prices import PRICES
from spantoll.storage.reprice import Run, Selection, count_selected
from spantoll.surfaces.dashboard.login import CheckedForm
from spantoll.surfaces.dashboard.render import render
from spantoll.surfaces.repricing import read_costs, read_revenue
from spantoll.surfaces.rest.context import (
    Context,
    RestContext,
    Visible,
    check_unlimited,
    find_sql_store,
)
from spantoll.surfaces.rest.guard import Actor, require

__all__ = ["router"]

METRICS = {"input": "Input", "cache_read": "Cached input", "output": "Output"}
"""Metrics of the form, with what they are called there; another one takes `spantoll prices set`."""
FIELDS = ("provider", "model", *METRICS, "valid_from", "note")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class Outcome(NamedTuple):
    """What a form led to, for its page."""

    problem: str = ""
    preview: Preview | None = None
    run: Run | None = None


@router.get("/prices/new")
def show_form(
    request: Request,
    visible: Visible,
    provider: Annotated[str, Query(max_length=64)] = "",
    model: Annotated[str, Query(max_length=256)] = "",
) -> HTMLResponse:
    """Ask for the price of a model."""
    check_unlimited(visible, "prices")
    return show(request, {"provider": provider, "model": model}, Outcome())


@router.post("/prices/new", dependencies=require("write"))
def price_model(
    request: Request, context: Context, visible: Visible, actor: Actor, form: CheckedForm
) -> HTMLResponse:
    """Show what the price of a form would change, or apply it."""
    check_unlimited(visible, "prices")
    store = find_sql_store(context)
    try:
        rows = read_rows(form)
        if form.get("action") == "apply":
            outcome = Outcome(run=apply_prices(context, store, rows, by=actor))
        else:
            outcome = Outcome(preview=preview_prices(context, store, rows))
    except (PriceDataError, RepriceError) as error:
        return show(request, form, Outcome(str(error)), status=422)
    return show(request, form, outcome)


def show(
    request: Request, form: Mapping[str, str], outcome: Outcome, *, status: int = 200
) -> HTMLResponse:
    """Render the form with what it led to."""
    return render(
        request,
        "new_price.html",
        status=status,
        problem=outcome.problem,
        given={name: form.get(name, "") for name in FIELDS},
        metrics=METRICS,
        preview=outcome.preview,
        run=outcome.run,
        read_costs=read_costs,
        read_revenue=read_revenue,
    )


def read_rows(form: Mapping[str, str]) -> list[OwnPrice]:
    """Read the price rows of a form. Raises PriceDataError."""
    amounts = {metric: form.get(metric, "").strip() for metric in METRICS}
    if not any(amounts.values()):
        raise PriceDataError("give at least one amount")
    named = {name: form.get(name, "") for name in ("provider", "model", "valid_from", "note")}
    return [
        read_own_price({**named, "metric": metric, "amount": amount, "per": "1M"}, METRICS[metric])
        for metric, amount in amounts.items()
        if amount
    ]


def preview_prices(context: RestContext, store: SqlStore, rows: Sequence[OwnPrice]) -> Preview:
    """Add up what the rows would change of stored calls. Raises PriceDataError."""
    tried = read_user_pricing(store.engine).join(UserPricing(tuple(rows)))
    tried.check()
    selection = select_calls(rows)
    return preview_repricing(
        store,
        load_rate_card(user=tried, documents=read_current_documents(store.engine)),
        selection,
        end_id=count_selected(store.engine, selection)[1],
        tz=find_zone(context.tz),
        now_ns=context.now_ns(),
    )


def apply_prices(
    context: RestContext, store: SqlStore, rows: Sequence[OwnPrice], *, by: str
) -> Run:
    """Add the rows and price the stored calls of their model again.

    Raises PriceDataError where nothing was added, RepriceError while another run is unfinished.
    """
    add_rows(store, PRICES, rows, by=by, now_ns=context.now_ns())
    selection = select_calls(rows)
    return reprice_records(
        store,
        load_user_card(store.engine),
        selection,
        end_id=count_selected(store.engine, selection)[1],
        by=by,
        now_ns=context.now_ns(),
    )


def select_calls(rows: Sequence[OwnPrice]) -> Selection:
    """Select the stored calls of the model that the rows are of."""
    return Selection(provider=rows[0].provider, model=rows[0].model)
