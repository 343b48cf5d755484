"""Which of some records are stored, by their identity, where a database cannot skip them itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Select, bindparam, select, tuple_

from spantoll.records.columns import usage_record

__all__ = ["Identity", "read_stored", "select_ids"]

CHUNK = 1_000
"""Identities in one IN list."""

Identity = tuple[str, bytes, bytes]
"""Tenant, trace id, span id."""

_identity = (usage_record.c.tenant_id, usage_record.c.trace_id, usage_record.c.span_id)
_stored_among = select(*_identity).where(
    tuple_(*_identity).in_(bindparam("identities", expanding=True))
)


def select_ids(identities: Sequence[Identity]) -> Select[tuple[int]]:
    """Select the ids of the records of these identities, in the order of ids; at most CHUNK."""
    among = tuple_(*_identity).in_(identities)
    return select(usage_record.c.id).where(among).order_by(usage_record.c.id)


def read_stored(connection: Connection, identities: Sequence[Identity]) -> Iterator[Identity]:
    """Yield those of the identities whose record is stored."""
    for start in range(0, len(identities), CHUNK):
        chunk = identities[start : start + CHUNK]
        for row in connection.execute(_stored_among, {"identities": chunk}).all():
            yield row[0], row[1], row[2]
