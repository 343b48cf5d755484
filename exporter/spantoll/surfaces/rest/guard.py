"""Who may use the API from where: the checks before any route.

Input: each request of the mounted application. Output: the same request, or problem details: 421
for a Host that is not this server (DNS rebinding), 403 for a page of another origin. On a loopback
address anybody on this machine may ask, and so could any web page that is open there.
https://www.rfc-editor.org/rfc/rfc6454, https://fetch.spec.whatwg.org/#origin-header
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from spantoll.surfaces.rest.problem import make_problem

__all__ = ["LocalOnly"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LocalOnly:
    """Passes on requests to a loopback name, and none that a page of another origin makes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        request = Request(scope)
        host = request.headers.get("host", "")
        if urlsplit(f"//{host}").hostname not in LOOPBACK:
            detail = f"Host {host!r} is not this server: use 127.0.0.1 or localhost"
            await make_problem(421, detail)(scope, receive, send)
        elif _is_foreign(request, host):
            detail = "requests of pages of another origin are refused"
            await make_problem(403, detail)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_foreign(request: Request, host: str) -> bool:
    """Return whether a browser says that a page of another origin makes the request."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin not in (f"http://{host}", f"https://{host}")
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
