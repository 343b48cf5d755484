"""`/settings`: what this server works with, to be read only.

Input: the settings of `spantoll up` and its ledger. Output: each setting with where it comes from,
the prices in use and the access keys without their secrets. A key sees it that has the scope admin
and no limit; changes are made on the command line.
"""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from spantoll.customers.times import format_time
from spantoll.settings import Settings
from spantoll.storage import AccessKey, list_keys
from spantoll.surfaces.dashboard.render import render
from spantoll.surfaces.rest.context import Context
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
    return render(
        request,
        "settings.html",
        context=context,
        settings=[] if settings is None else list_settings(settings),
        price_set=context.rate_card.price_set,
        keys=list_keys(context.engine),
        time=format_time,
        version=version("spantoll"),
    )
