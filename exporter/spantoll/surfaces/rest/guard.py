"""Who may use the API from where: the checks before any route.

Input: each request of the mounted application. Output: the same request with its key, or problem
details: 401 without a known key, 403 for a page of another origin, 421 for a Host that is not this
server (DNS rebinding), 429 for too many. Open access is for this machine alone, where any web page
that is open could ask too: https://fetch.spec.whatwg.org/#origin-header
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.params import Depends as Dependency
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPBearer
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from spantoll.errors import StoreUnavailable, Unauthenticated
from spantoll.query import Filter
from spantoll.receiver.tokens import read_bearer
from spantoll.storage import AccessKey, KeyRing
from spantoll.surfaces.rest.hidden_costs import check_costs
from spantoll.surfaces.rest.problem import ProblemError, answer_unavailable, make_problem
from spantoll.surfaces.rest.sessions import COOKIE, Sessions

__all__ = ["Access", "Actor", "Guard", "require"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
RATE = "6000/minute"
"""Of one key, or of one address without a key: a hundred usage events a second, one by one."""
LOGIN = "/login"
PUBLIC = (LOGIN, "/static/style.css", "/static/icon.svg")
"""Paths of the dashboard that take no key: the page that asks for one and how it looks."""
READING = ("GET", "HEAD")
KEY = "spantoll.key"
FILTERS = "spantoll.filters"
CHANGING = ("write", "admin")
"""Scopes of what changes prices, customers and records that are stored."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask: whoever is on this machine, or has a key."""

    keys: KeyRing = field(default_factory=KeyRing)
    local: bool = True
    """The address is one of this machine alone: open until the first key is made."""
    anybody: bool = False
    """`--insecure`: everybody may ask and send, until the first key is made; changes take a key."""
    rate: str = RATE


class Guard:
    """Passes on the requests that may be made, with what their key may see."""

    def __init__(
        self, app: ASGIApp, access: Access, *, sessions: Sessions, has_pages: bool = False
    ) -> None:
        self._app = app
        self._access = access
        self._sessions = sessions
        self._has_pages = has_pages
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._rate: RateLimitItem = parse(access.rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        request = Request(scope)
        refusal = await self._refuse(request)
        await (self._app if refusal is None else refusal)(scope, receive, send)

    async def _refuse(self, request: Request) -> Response | None:
        key = None
        if self._is_open():
            refusal = None if self._access.anybody else _refuse_foreign(request)
            if refusal is not None:
                return refusal
        elif self._has_pages and request.url.path in PUBLIC:
            if request.method not in READING and _is_foreign(request):
                return make_problem(403, "pages of another origin may not ask")
        else:
            refusal = self._refuse_guessed(request)
            if refusal is not None:
                return refusal
            try:
                key = await self._find_key(request)
            except Unauthenticated as error:
                return self._challenge(request, error)
            except StoreUnavailable as error:
                return await answer_unavailable(request, error)
            if "authorization" not in request.headers and request.method not in READING:
                refusal = _refuse_form(request)
                if refusal is not None:
                    return refusal
        request.scope[KEY] = key
        request.scope[FILTERS] = _limit(key)
        return self._refuse_surplus(request, key)

    def _is_open(self) -> bool:
        reachable = self._access.local or self._access.anybody
        return reachable and not self._access.keys.requires()

    async def _find_key(self, request: Request) -> AccessKey:
        authorization = request.headers.get("authorization")
        if authorization is None:
            cookie = request.cookies.get(COOKIE)
            key_id = None if cookie is None else await self._sessions.find_key_id(cookie)
            key = None if key_id is None else self._access.keys.find_id(key_id)
        else:
            key = self._access.keys.find(read_bearer(authorization))
        if key is None:
            raise Unauthenticated("this key is not known; `spantoll keys make` makes one")
        return key

    def _challenge(self, request: Request, error: Unauthenticated) -> Response:
        """Ask for a key: a browser that opens a page is led to the form that asks for it."""
        takes_page = "text/html" in request.headers.get("accept", "")
        by_browser = takes_page and "authorization" not in request.headers
        if self._has_pages and by_browser and request.method in READING:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{LOGIN}?next={quote(request.url.path + query, safe='')}", 303)
        return make_problem(401, str(error), headers={"WWW-Authenticate": "Bearer"})

    def _refuse_guessed(self, request: Request) -> Response | None:
        """Count a cookie that is not known yet: to look for its session reads the ledger."""
        cookie = request.cookies.get(COOKIE)
        is_read = cookie is not None and not self._sessions.knows(cookie)
        return self._refuse_surplus(request, None) if is_read else None

    def _refuse_surplus(self, request: Request, key: AccessKey | None) -> Response | None:
        address = request.client.host if request.client else ""
        who = f"key {key.id}" if key is not None else f"address {address}"
        if self._limiter.hit(self._rate, who):
            return None
        reset_s, _ = self._limiter.get_window_stats(self._rate, who)
        headers = {"Retry-After": str(max(1, math.ceil(reset_s - time.time())))}
        return make_problem(429, f"more than {self._access.rate}", headers=headers)


BEARER = Depends(HTTPBearer(auto_error=False, description="A key of `spantoll keys make`."))
"""Says in the OpenAPI document what `Guard` has checked already."""


def require(scope: str) -> Sequence[Dependency]:
    """Make the dependencies of routes for keys with a scope."""

    async def check_scope(request: Request) -> None:
        key: AccessKey | None = request.scope.get(KEY)
        if key is None and scope in CHANGING and request.app.state.access.anybody:
            raise ProblemError(
                403, f"--insecure opens no changes: `spantoll keys make NAME --scope {scope}`"
            )
        if key is not None and not key.allows(scope):
            raise ProblemError(403, f"the key {key.name!r} has not the scope {scope}")

    return [BEARER, Depends(check_scope), Depends(check_costs)]


def name_actor(request: Request) -> str:
    """Say who makes a request, for the audit: the name of its key, or its address without one."""
    key: AccessKey | None = request.scope.get(KEY)
    if key is not None:
        return key.name
    return f"{request.client.host if request.client else 'unknown'}, without a key"


Actor = Annotated[str, Depends(name_actor)]


def _refuse_form(request: Request) -> Response | None:
    """Refuse what a browser sends by its session, if no page of this server would send it."""
    if request.url.path.startswith("/api/"):
        return make_problem(403, "a browser's session reads; write with a bearer key")
    if _is_foreign(request):
        return make_problem(403, "pages of another origin may not ask")
    return None


def _limit(key: AccessKey | None) -> tuple[Filter, ...]:
    """Return the filters that everything a key reads is restricted by."""
    if key is None:
        return ()
    limits = (("customer_id", key.customer_id), ("tenant_id", key.tenant_id))
    return tuple(Filter(name, (value,)) for name, value in limits if value is not None)


def _read_hostname(host: str) -> str | None:
    """Return the name in a header `Host`, without its port; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _refuse_foreign(request: Request) -> Response | None:
    """Refuse what a page of another origin, or of a name made to point here, could send."""
    host = request.headers.get("host", "")
    if _read_hostname(host) not in LOOPBACK:
        return make_problem(421, f"Host {host!r} is not this server: use 127.0.0.1 or localhost")
    if _is_foreign(request):
        return make_problem(403, "pages of another origin may not ask")
    return None


def _is_foreign(request: Request) -> bool:
    """Return whether a page of another origin sends the request."""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None:
        return origin not in (f"http://{host}", f"https://{host}")
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
