"""Pages that refresh themselves: one answer for everybody who has the same page open.

Input: a function that makes a page. Output: a route. Where the address says `live`, what the page
shows is kept for KEPT_S seconds, longer while another page is made, and shared by all requests with
the same address and the same limits. Such pages are made again one at a time and for SHARE of the
time, so that ingest beside many of them keeps the rest: under load they are older, and say of when
they are. Other pages are made for each request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from spantoll.errors import StoreUnavailable
from spantoll.query import Filter
from spantoll.surfaces.dashboard.render import Page, render_changed, render_page
from spantoll.surfaces.rest.context import Context, RestContext, Visible

__all__ = ["LivePages", "share_live", "show_unavailable"]

KEPT_S = 14.0
"""A second less than the pause of `static/live.js`: no browser gets the same answer twice."""
SHARE = 0.1
"""Of the time, for making kept pages again: ingest beside them may be 20 % slower, and half of that
is left to rendering and to pages that are opened."""
MOST = 64
"""Pages kept; the oldest goes first."""

MakePage = Callable[[Request, RestContext, Sequence[Filter]], Page]


class LivePages:
    """What the pages of one server that refresh themselves show; for any thread."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._making = threading.Lock()
        self._rests_until_s = 0.0
        self._kept: dict[Hashable, tuple[float, Page]] = {}

    def fetch(self, key: Hashable, make: Callable[[], Page]) -> Page:
        """Return the page of a key, made now unless one is kept; what `make` raises is raised.

        While another page is made, and for as long afterwards as SHARE says, one that is older is
        returned as it is: it would otherwise hold one of the few threads of the API.
        """
        made_s, page = self._kept.get(key, (0.0, None))
        if page is not None:
            now_s = self._clock_s()
            if now_s - made_s < KEPT_S or now_s < self._rests_until_s:
                return page
        if page is None:
            self._making.acquire()
        elif not self._making.acquire(blocking=False):
            return page
        try:
            made_s, other = self._kept.get(key, (0.0, None))
            if other is not None and other is not page:
                return other  # made while this one waited
            began_s = self._clock_s()
            made = make()
            ended_s = self._clock_s()
            self._rests_until_s = ended_s + (ended_s - began_s) * (1 / SHARE - 1)
            self._kept.pop(key, None)
            while len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = ended_s, made
            return made
        finally:
            self._making.release()


def share_live(make: MakePage) -> Callable[..., Response]:
    """Return the route of a page, which shares it where its address says `live`."""

    def respond(request: Request, context: Context, visible: Visible) -> Response:
        try:
            if not request.query_params.get("live"):
                return render_page(request, make(request, context, visible))
            pages: LivePages = request.app.state.live_pages
            key = request.url.netloc, request.url.path, request.url.query, tuple(visible)
            page = pages.fetch(key, lambda: _add_time(make(request, context, visible), context))
        except StoreUnavailable as error:
            return show_unavailable(request, str(error))
        return render_changed(request, page)

    respond.__doc__ = make.__doc__
    return respond


def show_unavailable(request: Request, reason: str) -> HTMLResponse:
    """Show that the ledger cannot be read, and the command that looks for the cause."""
    return render_page(request, Page("unavailable.html", {"reason": reason}, 503))


def _add_time(page: Page, context: RestContext) -> Page:
    """Say of when the numbers of a page are."""
    return page._replace(values={**page.values, "made_ns": context.now_ns()})
