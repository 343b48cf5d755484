"""The access keys of a ledger in memory, for checks that must not wait for the database.

Input: the engine of a store. Output: the key of a secret, at most RELOAD_S behind the table; while
the table cannot be read the keys stay as they were last.
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Sequence

from sqlalchemy import Engine

from spantoll.errors import StoreUnavailable
from spantoll.storage.keys import AccessKey, hash_secret, list_keys

__all__ = ["KeyRing"]

log = logging.getLogger(__name__)

RELOAD_S = 1.0
"""After this long a key that was made is known, and one that was revoked is refused."""


class KeyRing:
    """The keys of one ledger; empty until `load` or `follow` is given its engine."""

    def __init__(self) -> None:
        self._keys: Sequence[AccessKey] = ()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def load(self, engine: Engine) -> None:
        """Read the keys once. Raises StoreUnavailable."""
        self._keys = list_keys(engine)

    def follow(self, engine: Engine) -> None:
        """Read the keys now, and again every RELOAD_S until `close`. Raises StoreUnavailable."""
        self.load(engine)
        self._thread = threading.Thread(
            target=self._reload, args=(engine,), name="spantoll-keys", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop following; the keys stay as they are."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def requires(self, *scopes: str) -> bool:
        """Return whether a key with one of these scopes, or any key, was ever made.

        Revoked ones count: to revoke the last key closes the door and does not open it.
        """
        return any(not scopes or any(key.allows(each) for each in scopes) for key in self._keys)

    def find(self, secret: str) -> AccessKey | None:
        """Return the key of a secret that is in use; compares with all of them in constant time."""
        digest = hash_secret(secret)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest) and key.revoked_ns is None:
                found = key
        return found

    def find_id(self, key_id: int) -> AccessKey | None:
        """Return the key of an id that is in use."""
        keys = (key for key in self._keys if key.id == key_id and key.revoked_ns is None)
        return next(keys, None)

    def _reload(self, engine: Engine) -> None:
        while not self._stopped.wait(RELOAD_S):
            try:
                self.load(engine)
            except StoreUnavailable as error:
                log.warning("%s; those known stay valid", error)
