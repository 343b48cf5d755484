"""Price sets in the ledger: published documents as they were read, never changed.

Input: a checked `PriceDocument`. Output: the set of each source that was chosen last, and the list
of all. A set is stored once, by its hash; choosing it again only notes the time.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Engine, Integer, LargeBinary, Table, Text, select, update
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.pricing.documents import PriceDocument
from spantoll.records.column_spec import text
from spantoll.records.columns import metadata
from spantoll.storage.audit_events import add_audit_event
from spantoll.storage.sql import SqlStore
from spantoll.storage.store import Store

__all__ = [
    "StoredSet",
    "choose_price_set",
    "find_current_sets",
    "list_price_sets",
    "read_price_documents",
]

MAX_CONTENT_BYTES = (1 << 24) - 1
"""What MySQL's MEDIUMBLOB takes; the feeds compress to about 100 kB."""

price_set = Table(
    "price_set",
    metadata,
    Column("sha256", text(64), primary_key=True),
    Column("source", text(32), nullable=False),
    Column("version", text(64), nullable=False),
    Column("as_of", text(32), nullable=False),
    Column("models", Integer, nullable=False),
    Column("location", text(254), nullable=False),
    Column("held", Text, nullable=False),
    Column(
        "content",
        LargeBinary(MAX_CONTENT_BYTES).with_variant(mysql.MEDIUMBLOB(), "mariadb", "mysql"),
        nullable=False,
    ),
    Column("added_ns", BigInteger, nullable=False),
    Column("chosen_ns", BigInteger, nullable=False),
)


class StoredSet(NamedTuple):
    """What identifies a stored price set."""

    sha256: str
    source: str
    version: str
    as_of: str
    models: int
    location: str
    held: tuple[tuple[str, str], ...]
    added_ns: int
    chosen_ns: int


def list_price_sets(engine: Engine) -> list[StoredSet]:
    """List all sets, the last chosen of each source first. Raises StoreUnavailable."""
    columns = [price_set.c[name] for name in StoredSet._fields]
    statement = select(*columns).order_by(price_set.c.chosen_ns.desc(), price_set.c.sha256)
    try:
        with engine.connect() as connection:
            rows = connection.execute(statement).all()
    except DBAPIError as error:
        raise StoreUnavailable(f"price sets cannot be read: {error.orig}") from error
    return [
        StoredSet(*row)._replace(held=tuple((p, m) for p, m in json.loads(row.held)))
        for row in rows
    ]


def find_current_sets(engine: Engine) -> list[StoredSet]:
    """Find the set of each source that was chosen last."""
    current: dict[str, StoredSet] = {}
    for each in list_price_sets(engine):
        current.setdefault(each.source, each)
    return list(current.values())


def read_price_documents(engine: Engine, sets: Sequence[StoredSet]) -> list[PriceDocument]:
    """Read the documents of some sets. Raises StoreUnavailable."""
    documents = []
    try:
        with engine.connect() as connection:
            for each in sets:
                statement = select(price_set.c.content).where(price_set.c.sha256 == each.sha256)
                content = zlib.decompress(connection.execute(statement).scalar_one())
                identity = (each.source, each.version, each.sha256, each.as_of, each.models)
                documents.append(PriceDocument(*identity, content, each.held))
    except DBAPIError as error:
        raise StoreUnavailable(f"price sets cannot be read: {error.orig}") from error
    return documents


def choose_price_set(
    store: Store, document: PriceDocument, *, location: str, by: str | None = None, now_ns: int
) -> bool:
    """Store a set and let it bill from now on; return False if it was stored before.

    With `by`, who asks for it, the audit names the set. Raises ConfigurationError for a store that
    is no SQL database, and StoreUnavailable.
    """
    if not isinstance(store, SqlStore):
        raise ConfigurationError(f"{store.url} cannot keep price sets")
    same = price_set.c.sha256 == document.sha256
    with store.transaction() as connection:
        if by is not None:
            what = f"price set {document.source} {document.version}, {document.sha256[:12]}"
            add_audit_event(connection, "prices", by=by, why=what, now_ns=now_ns)
        if connection.execute(select(price_set.c.sha256).where(same)).first() is not None:
            connection.execute(update(price_set).where(same).values(chosen_ns=now_ns))
            return False
        connection.execute(
            price_set.insert(),
            {
                "sha256": document.sha256,
                "source": document.source,
                "version": document.version[:64],
                "as_of": document.as_of,
                "models": document.models,
                "location": location[:254],
                "held": json.dumps(document.held),
                "content": zlib.compress(document.content),
                "added_ns": now_ns,
                "chosen_ns": now_ns,
            },
        )
    return True
