"""The table of browser sessions: which browsers are signed in, and with which key.

Input: the id of an access key. Output: a secret for the browser's cookie; the table holds its
SHA-256. A session is in the ledger, so it outlives a restart and every server of the ledger knows
it. It ends at `expires_ns`, when the browser signs out, or when its key is revoked.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Engine, Table, delete, insert, or_, select
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.records.column_spec import binary
from spantoll.records.columns import metadata
from spantoll.storage.keys import access_key, hash_secret
from spantoll.storage.store import Store

__all__ = [
    "LIFETIME_S",
    "MAX_SESSIONS",
    "BrowserSession",
    "begin_session",
    "browser_session",
    "end_session",
    "find_session",
]

LIFETIME_S = 12 * 3_600
"""A working day."""
MAX_SESSIONS = 1_000
"""Sessions of one key at one time; the oldest ends where one more begins."""
SECRET_BYTES = 32

browser_session = Table(
    "browser_session",
    metadata,
    Column("digest", binary(32), primary_key=True),
    Column("key_id", BigInteger, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("expires_ns", BigInteger, nullable=False),
)

_s = browser_session.c


class BrowserSession(NamedTuple):
    """A browser that is signed in, as it is stored."""

    digest: bytes
    """SHA-256 of the secret in its cookie."""
    key_id: int
    created_ns: int
    expires_ns: int


def begin_session(store: Store, key_id: int, *, now_ns: int) -> str:
    """Store a session of a key and return its secret; delete sessions that have ended.

    Raises StoreUnavailable.
    """
    secret = secrets.token_urlsafe(SECRET_BYTES)
    revoked = select(access_key.c.id).where(access_key.c.revoked_ns.is_not(None))
    surplus = select(_s.created_ns).where(_s.key_id == key_id).order_by(_s.created_ns.desc())
    with store.transaction() as connection:
        connection.execute(
            delete(browser_session).where(or_(_s.expires_ns <= now_ns, _s.key_id.in_(revoked)))
        )
        newest_ended_ns = connection.scalar(surplus.offset(MAX_SESSIONS - 1).limit(1))
        if newest_ended_ns is not None:
            connection.execute(
                delete(browser_session).where(_s.key_id == key_id, _s.created_ns <= newest_ended_ns)
            )
        session = BrowserSession(hash_secret(secret), key_id, now_ns, now_ns + LIFETIME_S * 10**9)
        connection.execute(insert(browser_session).values(session._asdict()))
    return secret


def find_session(engine: Engine, secret: str) -> BrowserSession | None:
    """Return the session of a secret, expired or not; None where there is none.

    Raises StoreUnavailable.
    """
    wanted = select(browser_session).where(_s.digest == hash_secret(secret))
    try:
        with engine.connect() as connection:
            row = connection.execute(wanted).first()
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the sessions: {error.orig}") from error
    return None if row is None else BrowserSession._make(row)


def end_session(store: Store, secret: str) -> None:
    """Delete the session of a secret, if there is one. Raises StoreUnavailable."""
    with store.transaction() as connection:
        connection.execute(delete(browser_session).where(_s.digest == hash_secret(secret)))
