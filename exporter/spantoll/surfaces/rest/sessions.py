"""Sessions of browsers that are signed in with a key, in the memory of this process.

Input: a key, once. Output: a cookie that stands for it, and a token that forms carry, so that no
page of another origin can send them
(https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html).
A session ends with its key, after LIFETIME_S, or with the process.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from fastapi import Request

from spantoll.storage import AccessKey, KeyRing

__all__ = ["COOKIE", "LIFETIME_S", "Sessions"]

COOKIE = "spantoll_session"
LIFETIME_S = 12 * 3_600
"""A working day."""
MOST = 1_000
"""Sessions at one time; the oldest ends where one more begins."""


class Session(NamedTuple):
    """A browser that is signed in."""

    key_id: int
    ends_s: float


class Sessions:
    """The sessions of one server."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._sessions: dict[str, Session] = {}
        self._secret = secrets.token_bytes(32)

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, key: AccessKey) -> str:
        """Begin a session of a key; return the value of its cookie."""
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        cookie = secrets.token_urlsafe(32)
        self._sessions[cookie] = Session(key.id, self._clock_s() + LIFETIME_S)
        return cookie

    def end(self, request: Request) -> None:
        """End the session of a request, if it has one."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)

    def find(self, request: Request, keys: KeyRing) -> AccessKey | None:
        """Return the key of a request's session; None without one, or where it has ended."""
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        if session is None:
            return None
        if session.ends_s < self._clock_s():
            self.end(request)
            return None
        return keys.find_id(session.key_id)

    def make_token(self, request: Request) -> str:
        """Return what a form of this browser must carry; without a session, of this server."""
        cookie = request.cookies.get(COOKIE, "")
        text = cookie if cookie in self._sessions else ""
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()

    def accepts(self, request: Request, token: str) -> bool:
        """Return whether a form carries the token of its browser."""
        return hmac.compare_digest(self.make_token(request).encode(), token.encode())
