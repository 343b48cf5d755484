"""`/settings`: what this server works with, to be read only.

Input: the settings of `spantoll up` and its ledger. Output: each setting with where it comes from,
the prices and exchange rates in use, the rules of owners, the closed periods, and the access keys
without their secrets. A key sees it that has the scope admin and no limit; changes are made on the
command line.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from spantoll.customers.times import format_time
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.query.run import reading
from spantoll.settings import Settings
from spantoll.storage import AccessKey, list_keys
from spantoll.storage.migrate import HEAD
from spantoll.storage.owner_rules import read_owner_rules
from spantoll.storage.periods import read_periods
from spantoll.surfaces.dashboard.owner_links import link_owners
from spantoll.surfaces.dashboard.render import render
from spantoll.surfaces.rest.context import Context, RestContext
from spantoll.surfaces.rest.guard import KEY
from spantoll.surfaces.shown_settings import list_settings

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/settings")
def show_settings(request: Request, context: Context) -> HTMLResponse:
    """Show settings, prices and keys."""
    key: AccessKey | None = request.scope.get(KEY)
    if key is not None and (not key.allows("admin") or key.customer_id or key.tenant_id):
        reason = f"the key {key.name} does not see the settings: they take the scope admin"
        return render(request, "missing.html", status=403, reason=reason)
    settings: Settings | None = request.app.state.settings
    with reading(context.engine) as connection:
        rules = read_owner_rules(connection)
        periods = read_periods(connection)
        rates = read_customer_book(connection).exchange_rates
    return render(
        request,
        "settings.html",
        context=context,
        settings=[] if settings is None else list_settings(settings),
        price_set=context.rate_card.price_set,
        keys=list_keys(context.engine),
        owners=link_owners(rules),
        periods=periods,
        rates=rates,
        time=format_time,
        versions=list_versions(context),
    )


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
