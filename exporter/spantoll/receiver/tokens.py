"""Bearer tokens of senders.

In: tokens from the settings and from a file that is read again when it changes, and access keys
with the scope `ingest`; the header `Authorization` of a request. Out: nothing, or Unauthenticated.
https://www.rfc-editor.org/rfc/rfc6750
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from spantoll.errors import ConfigurationError, Unauthenticated
from spantoll.storage import KeyRing

__all__ = ["Tokens", "read_bearer"]

CHECK_S = 1.0
SHORTEST = 8


class Tokens:
    """The tokens with which senders may send: several, so that they can change one by one.

    A file is read again when it changes: one token a line, `#` begins a comment. Tokens are kept
    as digests and compared in constant time, all of them, whichever fits.
    Raises ConfigurationError for a file that cannot be read or holds none.
    """

    def __init__(
        self,
        tokens: Iterable[str] = (),
        *,
        file: Path | None = None,
        keys: KeyRing | None = None,
    ) -> None:
        self._keys = keys or KeyRing()
        self._given = [_digest(token) for token in _checked(tokens, "tokens")]
        self._file = file
        self._checked_at = float("-inf")
        self._file_state: tuple[int, int, int] | None = None
        self._read: list[bytes] = []
        if file is not None:
            self._reload(must=True)

    def __bool__(self) -> bool:
        return bool(self._given) or self._file is not None or self._keys.requires("ingest")

    def check(self, authorization: str | None) -> None:
        """Raise Unauthenticated unless the header `Authorization` holds a token that is known."""
        if not self:
            return
        self._reload()
        token = read_bearer(authorization)
        sent = _digest(token)
        key = self._keys.find(token)
        known = key is not None and key.allows("ingest")
        for digest in (*self._given, *self._read):
            known |= hmac.compare_digest(digest, sent)
        if not known:
            raise Unauthenticated("this token is not known")

    def _reload(self, *, must: bool = False) -> None:
        """Read the file if it has changed; an unreadable file leaves the tokens as they were."""
        now = time.monotonic()
        if self._file is None or now - self._checked_at < CHECK_S:
            return
        self._checked_at = now
        try:
            state = os.stat(self._file)
            file_state = (state.st_mtime_ns, state.st_size, state.st_ino)
            if file_state == self._file_state:
                return
            lines = self._file.read_text().splitlines()
            tokens = [line.partition("#")[0].strip() for line in lines]
            self._read = [_digest(token) for token in _checked(tokens, f"token file {self._file}")]
            self._file_state = file_state
        except OSError as error:
            if must:
                raise ConfigurationError(f"token file {self._file}: {error.strerror}") from None
        except ConfigurationError:
            if must:
                raise


def read_bearer(authorization: str | None) -> str:
    """Return the token of the header `Authorization`. Raises Unauthenticated without one."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("send a token: Authorization: Bearer TOKEN")
    return token.strip()


def _checked(tokens: Iterable[str], where: str) -> list[str]:
    kept = [token.strip() for token in tokens if token.strip()]
    if "file" in where and not kept:
        raise ConfigurationError(f"{where} holds no token")
    if any(len(token) < SHORTEST for token in kept):
        raise ConfigurationError(f"{where}: a token has at least {SHORTEST} characters")
    return kept


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogateescape")).digest()
