"""`/settings`: what this server works with, and a form that sets exchange rates.

Input: the settings of `spantoll up` and its ledger. Output: each setting with where it comes from,
the prices and exchange rates in use, the rules of owners, the closed periods, and the access keys
without their secrets. A key sees it that has the scope admin and no limit. What is in the ledger
and of no file can be changed here; settings are read at start, from where the page says.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from spantoll.customers.times import format_time
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.pipeline.price_changes import add_rows
from spantoll.pricing.exchange import read_exchange_rate
from spantoll.pricing.shipped import PriceDataError
from spantoll.query.run import reading
from spantoll.settings import Settings
from spantoll.storage import list_keys
from spantoll.storage.migrate import HEAD
from spantoll.storage.own_prices import EXCHANGE_RATES
from spantoll.storage.owner_rules import read_owner_rules
from spantoll.storage.periods import read_periods
from spantoll.surfaces.dashboard.login import CheckedForm
from spantoll.surfaces.dashboard.owner_links import link_owners
from spantoll.surfaces.dashboard.render import render, sees_settings
from spantoll.surfaces.rest.context import Context, RestContext, find_sql_store
from spantoll.surfaces.rest.guard import Actor, require
from spantoll.surfaces.shown_settings import list_settings

__all__ = ["router"]

RATE_FIELDS: Mapping[str, str] = {
    "currency": "Currency",
    "usd": "One unit in USD",
    "valid_from": "First day, UTC",
    "valid_to": "Until, UTC",
}
"""Fields of the form, which are those of `[[exchange_rates]]`, with what they are called there."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/settings")
def show_settings(request: Request, context: Context) -> HTMLResponse:
    """Show settings, prices and keys."""
    return show(request, context)


@router.post("/settings/rates", dependencies=require("write"), response_model=None)
def set_exchange_rate(
    request: Request, context: Context, actor: Actor, form: CheckedForm
) -> HTMLResponse | RedirectResponse:
    """Add the exchange rate of a form to the ledger, with an entry in the audit.

    Raises StoreUnavailable.
    """
    if not sees_settings(request):
        return refuse(request)
    store = find_sql_store(context)
    try:
        rate = read_exchange_rate(form, "this rate")
        replace = form.get("replace") == "on"
        rows = [rate]
        add_rows(store, EXCHANGE_RATES, rows, replace=replace, by=actor, now_ns=context.now_ns())
    except PriceDataError as error:
        return show(request, context, given=form, problem=str(error))
    return RedirectResponse("/settings#rates", 303)


def show(
    request: Request,
    context: RestContext,
    *,
    given: Mapping[str, str] | None = None,
    problem: str = "",
) -> HTMLResponse:
    """Show the page, with the form as it was given and why it was refused."""
    if not sees_settings(request):
        return refuse(request)
    settings: Settings | None = request.app.state.settings
    with reading(context.engine) as connection:
        rules = read_owner_rules(connection)
        periods = read_periods(connection)
        rates = read_customer_book(connection).exchange_rates
    return render(
        request,
        "settings.html",
        status=422 if problem else 200,
        problem=problem,
        given={name: (given or {}).get(name, "") for name in RATE_FIELDS},
        context=context,
        settings=[] if settings is None else list_settings(settings),
        price_set=context.rate_card.price_set,
        keys=list_keys(context.engine),
        owners=link_owners(rules),
        periods=periods,
        rates=rates,
        time=format_time,
        versions=list_versions(context),
        rate_fields=RATE_FIELDS,
    )


def refuse(request: Request) -> HTMLResponse:
    """Say which keys see the settings."""
    reason = "this key does not see the settings: they take the scope admin without a limit"
    return render(request, "missing.html", status=403, reason=reason)


def list_versions(context: RestContext) -> dict[str, str]:
    """Return the versions that a report of a fault should name."""
    database = context.engine.dialect
    of_database = ".".join(map(str, getattr(database, "server_version_info", None) or ()))
    return {
        "SpanToll": version("spantoll"),
        "Schema": HEAD,
        "Database": f"{database.name} {of_database}".rstrip(),
        "Python": platform.python_version(),
    }
