"""Which records are in roll-ups already: on SQLite those up to an id, elsewhere all.

Input: a connection. Output: the id, or the condition of the records up to it. SQLite has one writer
at a time, so that ids grow in the order of commits: what is above the id is *pending*, and is added
to roll-ups later, together, in which a record costs a third of what it does in a small write. The
id is changed in the transaction that adds to roll-ups, and read in the one that reads them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    SmallInteger,
    Table,
    func,
    select,
    update,
)

from spantoll.records.columns import metadata, usage_record

__all__ = [
    "ALL",
    "defers_records",
    "is_rolled_up",
    "read_last_rolled_up",
    "read_newest",
    "read_pending_after",
    "rolled_up",
    "set_last_rolled_up",
]

ALL = 2**63 - 1
"""No id is higher: no record is pending."""

DEFERRING = frozenset({"sqlite"})
"""Names of SQLAlchemy's dialects for databases where records may be pending."""

rolled_up = Table(
    "rolled_up",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("last_id", BigInteger, nullable=False),
)
"""One row where records may be pending: those up to `last_id` are in roll-ups; no row: none."""

r = usage_record.c
_newest = select(func.max(r.id))
_last_rolled_up = select(rolled_up.c.last_id)


def defers_records(database: Connection | Engine) -> bool:
    """Return True if records may be pending in this kind of database."""
    return database.dialect.name in DEFERRING


def read_last_rolled_up(connection: Connection) -> int:
    """Read up to which id records are in roll-ups, or in a gap of them; ALL where none waits."""
    if not defers_records(connection):
        return ALL
    return connection.scalar(_last_rolled_up) or 0


def read_newest(connection: Connection) -> int:
    """Read the highest id of a record; 0 where there is none."""
    return connection.scalar(_newest) or 0


def read_pending_after(connection: Connection) -> int | None:
    """Read above which id records are pending; None where no record is."""
    last_id = read_last_rolled_up(connection)
    if last_id == ALL or read_newest(connection) <= last_id:
        return None
    return last_id


def set_last_rolled_up(connection: Connection, last_id: int | None = None) -> None:
    """Let records up to an id, or all that are there, be in roll-ups, where some may be pending."""
    if not defers_records(connection):
        return
    if last_id is None:
        last_id = read_newest(connection)
    if connection.execute(update(rolled_up).values(last_id=last_id)).rowcount == 0:
        connection.execute(rolled_up.insert().values(id=1, last_id=last_id))


def is_rolled_up(last_id: int) -> list[ColumnElement[bool]]:
    """Return the conditions of the records up to an id; none for ALL.

    They find no records, so that a database reads its index of what else is asked for.
    """
    return [] if last_id == ALL else [r.id + 0 <= last_id]
