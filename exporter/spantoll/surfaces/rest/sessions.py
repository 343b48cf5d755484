"""Browsers that are signed in with a key: from the cookie of a request to the key it stands for.

Input: a cookie. Output: the id of its key, read from the ledger and at most RELOAD_S old, and the
token that forms carry, so that no page of another origin can send them. The token is an HMAC with
the browser's own cookie, so every server of the ledger accepts it
(https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html).
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from sqlalchemy import Engine

from spantoll.errors import StoreUnavailable
from spantoll.storage.browser_sessions import LIFETIME_S, BrowserSession, find_session

__all__ = ["COOKIE", "FORM_COOKIE", "FormToken", "Sessions", "set_private_cookie"]

COOKIE = "spantoll_session"
FORM_COOKIE = "spantoll_form"
"""Of a browser without a session: a random value from which the token of its forms is made."""
RELOAD_S = 1.0
"""A session that another server of the ledger has ended is refused after this long."""
MAX_KNOWN = 10_000
"""Sessions in memory: 100 bytes each."""
TOKEN = b"form"


class Known(NamedTuple):
    """A session as the ledger had it."""

    session: BrowserSession
    read_s: float


class Sessions:
    """The sessions of a ledger, those last used in memory."""

    def __init__(
        self,
        engine: Engine,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._now_ns = now_ns
        self._clock_s = clock_s
        self._known: dict[str, Known] = {}
        # A thread of its own: a check must not wait for the queries of other pages.
        self._limiter = CapacityLimiter(1)

    def knows(self, cookie: str) -> bool:
        """Return whether the session of a cookie was found before."""
        return cookie in self._known

    def forget(self, cookie: str) -> None:
        """Read the session of a cookie anew when it is next used."""
        self._known.pop(cookie, None)

    async def find_key_id(self, cookie: str) -> int | None:
        """Return the id of the key of a session; None without one, or where it has ended.

        While the ledger cannot be read the sessions in memory stay valid. Raises StoreUnavailable
        for one that is not in memory.
        """
        known = self._known.get(cookie)
        if known is None or self._clock_s() - known.read_s >= RELOAD_S:
            try:
                session = await to_thread.run_sync(
                    find_session, self._engine, cookie, limiter=self._limiter
                )
            except StoreUnavailable:
                if known is None:
                    raise
                session = known.session
            self._keep(cookie, session)
        else:
            session = known.session
        if session is None or session.expires_ns <= self._now_ns():
            return None
        return session.key_id

    def _keep(self, cookie: str, session: BrowserSession | None) -> None:
        self._known.pop(cookie, None)
        if session is None:
            return
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[cookie] = Known(session, self._clock_s())


class FormToken:
    """What the forms of one browser carry."""

    def __init__(self, request: Request) -> None:
        kept = request.cookies.get(COOKIE) or request.cookies.get(FORM_COOKIE)
        self._secure = request.url.scheme == "https"
        self._cookie = kept or ""
        self._is_new = False

    def write(self) -> str:
        """Return the token for a form; a browser without a cookie is given one by `keep`."""
        if not self._cookie:
            self._cookie, self._is_new = secrets.token_urlsafe(32), True
        return hmac.new(self._cookie.encode(), TOKEN, sha256).hexdigest()

    def keep(self, response: Response) -> None:
        """Set the cookie that a token was made from, where the browser has none yet."""
        if self._is_new:
            set_private_cookie(response, FORM_COOKIE, self._cookie, secure=self._secure)

    def accepts(self, token: str) -> bool:
        """Return whether a form carries the token of its browser."""
        return bool(self._cookie) and hmac.compare_digest(self.write().encode(), token.encode())


def set_private_cookie(
    response: Response, name: str, value: str, *, secure: bool, max_age_s: int = LIFETIME_S
) -> None:
    """Set a cookie that no script reads and no form of another site sends."""
    response.set_cookie(
        name, value, max_age=max_age_s, httponly=True, samesite="lax", secure=secure
    )
