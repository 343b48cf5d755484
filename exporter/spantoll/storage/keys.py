"""The table of access keys: who may send to the ledger and read it.

Input: the name, scopes and limit of a key. Output: its secret, once; the table holds its SHA-256. A
secret is 256 random bits: no slower hash is needed to keep it from being guessed. A key is never
deleted: it is revoked, and its row stays.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.records.column_spec import binary, identity, text
from spantoll.records.columns import metadata
from spantoll.storage.audit_events import add_audit_event
from spantoll.storage.store import Store

__all__ = [
    "SCOPES",
    "AccessKey",
    "access_key",
    "hash_secret",
    "list_keys",
    "make_key",
    "revoke_key",
]

SCOPES = ("ingest", "read", "write", "admin")
"""What a key may: send usage; ask; change prices; all of it."""
PREFIX = "stk_"
"""Of every secret, so that scanners of leaked secrets can find ours."""
SECRET_BYTES = 32
LONGEST_NAME = 128
UNNAMED = "unknown"
"""Who made or revoked a key, for the audit, where the caller does not say."""

access_key = Table(
    "access_key",
    metadata,
    Column("id", identity, primary_key=True),
    Column("name", text(LONGEST_NAME), nullable=False),
    Column("digest", binary(32), nullable=False),
    Column("scopes", text(64), nullable=False),
    Column("customer_id", text(128)),
    Column("tenant_id", text(64)),
    Column("created_ns", BigInteger, nullable=False),
    Column("revoked_ns", BigInteger),
    UniqueConstraint("digest", name="uq_access_key_digest"),
)

_c = access_key.c


class AccessKey(NamedTuple):
    """A key as it is stored."""

    id: int
    name: str
    digest: bytes
    """SHA-256 of the secret."""
    scopes: tuple[str, ...]
    customer_id: str | None
    """The only customer whose records it reads; None reads those of all."""
    tenant_id: str | None
    created_ns: int
    revoked_ns: int | None

    def allows(self, scope: str) -> bool:
        """Return whether the key has a scope; `admin` has all."""
        return scope in self.scopes or "admin" in self.scopes


def hash_secret(secret: str) -> bytes:
    """Return the SHA-256 of a secret."""
    return sha256(secret.encode(errors="surrogateescape")).digest()


def make_key(
    store: Store,
    name: str,
    *,
    scopes: Iterable[str],
    customer_id: str | None = None,
    tenant_id: str | None = None,
    by: str = UNNAMED,
    now_ns: int,
) -> str:
    """Add a key, made `by` somebody, and return its secret, which cannot be read again.

    Raises ConfigurationError for a scope that is not one of SCOPES, or a key that is limited to a
    customer or tenant and may do more than read.
    """
    given = set(scopes)
    if not given or given - set(SCOPES):
        raise ConfigurationError(f"a key has one or more scopes of {', '.join(SCOPES)}")
    if (customer_id or tenant_id) and given != {"read"}:
        raise ConfigurationError("a key limited to a customer or tenant has the scope read only")
    if not 0 < len(name) <= LONGEST_NAME:
        raise ConfigurationError(f"the name of a key has 1 to {LONGEST_NAME} characters")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    granted = ",".join(scope for scope in SCOPES if scope in given)
    row = {
        "name": name,
        "digest": hash_secret(secret),
        "scopes": granted,
        "customer_id": customer_id or None,
        "tenant_id": tenant_id or None,
        "created_ns": now_ns,
    }
    with store.transaction() as connection:
        made = connection.execute(insert(access_key).values(row)).inserted_primary_key
        what = f"key {made[0] if made else '?'} {name}: {granted}"
        add_audit_event(connection, "key.make", by=by, why=what, now_ns=now_ns)
    return secret


def list_keys(engine: Engine) -> Sequence[AccessKey]:
    """Return every key, revoked ones too, oldest first. Raises StoreUnavailable."""
    columns = [_c[name] for name in AccessKey._fields]
    try:
        with engine.connect() as connection:
            found = connection.execute(select(*columns).order_by(_c.id)).all()
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the keys: {error.orig}") from error
    return [AccessKey(**{**row._asdict(), "scopes": tuple(row.scopes.split(","))}) for row in found]


def revoke_key(store: Store, key_id: int, *, by: str = UNNAMED, now_ns: int) -> bool:
    """Revoke a key for good; return False where there is none of this id that is in use."""
    with store.transaction() as connection:
        done = connection.execute(
            update(access_key)
            .where(_c.id == key_id, _c.revoked_ns.is_(None))
            .values(revoked_ns=now_ns)
        )
        if done.rowcount == 1:
            what = f"key {key_id}"
            add_audit_event(connection, "key.revoke", by=by, why=what, now_ns=now_ns)
        return done.rowcount == 1
