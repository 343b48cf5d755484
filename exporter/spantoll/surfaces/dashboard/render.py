"""Templates of the dashboard, and the headers of its pages.

Input: the name of a template and its values. Output: an HTML response. The headers follow
https://www.w3.org/TR/CSP3/: nothing of another host may be loaded or sent to.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from spantoll.query import CostState
from spantoll.storage import AccessKey
from spantoll.surfaces.cells import UNKNOWN, format_cost, format_measure, format_number
from spantoll.surfaces.dashboard.palette import INCOMPLETE, PATTERNS
from spantoll.surfaces.rest.guard import KEY
from spantoll.surfaces.rest.sessions import COOKIE, FormToken

__all__ = ["THEME", "THEMES", "Page", "render", "render_changed", "render_page", "sees_settings"]

THEME = "spantoll_theme"
"""The cookie that keeps the choice of colours."""
THEMES = {"system": "light dark", "light": "light", "dark": "dark"}
"""Choices, each with the CSS property `color-scheme` of its pages."""

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}

templates = Environment(
    loader=PackageLoader("spantoll.surfaces.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def format_amount(amount: Decimal | None) -> str:
    """Write a unit price with all its places."""
    return UNKNOWN if amount is None else f"{amount.normalize():f}"


templates.filters.update(amount=format_amount, cost=format_cost, number=format_number)
templates.globals.update(
    measure=format_measure,
    state_of=CostState.from_record,
    patterns=PATTERNS,
    incomplete=INCOMPLETE,
)


class Page(NamedTuple):
    """What a page shows, whoever looks at it."""

    template: str
    values: Mapping[str, Any]
    status: int = 200


def render(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a template; nothing of another host may be loaded into it."""
    return render_page(request, Page(name, values, status))


def render_page(request: Request, page: Page) -> HTMLResponse:
    """Render a page for whoever asks for it."""
    token = FormToken(request)
    response = HTMLResponse(_write(request, page, token), page.status, headers=SECURITY)
    token.keep(response)
    return response


def render_changed(request: Request, page: Page) -> Response:
    """Render a page with an ETag; 304 where the request names the same one."""
    token = FormToken(request)
    text = _write(request, page, token)
    headers = {**SECURITY, "ETag": f'"{sha256(text.encode()).hexdigest()[:32]}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    response = HTMLResponse(text, page.status, headers=headers)
    token.keep(response)
    return response


def sees_settings(request: Request) -> bool:
    """Return whether a request may see the settings: without keys, or with one for everything."""
    key: AccessKey | None = request.scope.get(KEY)
    limited = key is not None and bool(key.customer_id or key.tenant_id)
    return key is None or (key.allows("admin") and not limited)


def _write(request: Request, page: Page, token: FormToken) -> str:
    key: AccessKey | None = request.scope.get(KEY)
    theme = request.cookies.get(THEME, "system")
    return templates.get_template(page.template).render(
        path=request.url.path,
        address=f"{request.url.path}?{request.url.query}".rstrip("?"),
        theme=theme if theme in THEMES else "system",
        themes=THEMES,
        demo=request.app.state.context.demo,
        csrf=token,
        sees_settings=sees_settings(request),
        signed_in=key.name if key is not None and COOKIE in request.cookies else "",
        **page.values,
    )
