"""Settling: which stored records belong together, and keeping what their own spans told.

Everything here runs inside the transaction that added records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, tuple_, update

from spantoll.records.columns import FACTS, usage_record
from spantoll.records.record import UsageRecord
from spantoll.storage.store import Correction, Settle, Stored

__all__ = ["newest_id", "settle_since"]

Item = TypeVar("Item")
Trace = tuple[str, bytes]
Link = tuple[str, bytes | str]

AT_ONCE = 400
"""Keys of one IN list: two parameters each stay under every database's limit."""

r = usage_record.c
_FIELDS = UsageRecord._fields


def newest_id(connection: Connection) -> int:
    """Answer the highest id there is: what is inserted next is above it."""
    return connection.scalar(select(func.max(r.id))) or 0


def settle_since(connection: Connection, before: int, settle: Settle) -> int:
    """Settle every group that gained a record above the id `before`; answers how many changed."""
    changed = 0
    for group in _groups(_linked(connection, before)):
        changed += _correct(connection, group, settle(group))
    return changed


def _linked(connection: Connection, before: int) -> dict[int, Stored]:
    """Load all records connected to a new one by trace or response id, transitively."""
    traces, keys = _shared_traces(connection, before), _shared_keys(connection, before)
    seen_traces: set[Trace] = set()
    seen_keys: set[int] = set()
    found: dict[int, Stored] = {}
    while traces or keys:
        seen_traces |= traces
        seen_keys |= keys
        conditions = [
            *(tuple_(r.tenant_id, r.trace_id).in_(some) for some in _chunks(traces)),
            *(r.response_key.in_(some) for some in _chunks(keys)),
        ]
        new = [_stored(row) for each in conditions for row in connection.execute(_rows_where(each))]
        found.update((stored.id, stored) for stored in new)
        facts = [stored.facts for stored in new]
        traces = {(fact.tenant_id, fact.trace_id) for fact in facts} - seen_traces
        keys = {fact.response_key for fact in facts if fact.response_key is not None} - seen_keys
    return found


def _shared_traces(connection: Connection, before: int) -> set[Trace]:
    """Traces of new records that have more than one record: one seek per record in a key index."""
    new, other = usage_record.alias("new"), usage_record.alias("other")
    same = and_(
        other.c.tenant_id == new.c.tenant_id,
        other.c.trace_id == new.c.trace_id,
        other.c.span_id != new.c.span_id,
    )
    rows = connection.execute(
        select(new.c.tenant_id, new.c.trace_id)
        .distinct()
        .select_from(new.join(other, same))
        .where(new.c.id > before)
    )
    return {(row.tenant_id, row.trace_id) for row in rows}


def _shared_keys(connection: Connection, before: int) -> set[int]:
    """Response ids of new records that more than one record names."""
    new, other = usage_record.alias("new"), usage_record.alias("other")
    same = and_(other.c.response_key == new.c.response_key, other.c.id != new.c.id)
    rows = connection.execute(
        select(new.c.response_key)
        .distinct()
        .select_from(new.join(other, same))
        .where(new.c.id > before, new.c.response_key.is_not(None))
    )
    return {row.response_key for row in rows}


def _rows_where(condition: ColumnElement[bool]) -> Any:
    return select(usage_record).where(condition)


def _stored(row: Row[Any]) -> Stored:
    identity, facts = row[0], row[-1]
    current = UsageRecord._make(row[1:-1])
    if facts is None:
        return Stored(identity, current, current)
    return Stored(identity, current._replace(**orjson.loads(facts)), current)


def _groups(found: dict[int, Stored]) -> Iterator[list[Stored]]:
    """Part records into connected groups (union-find over trace and response ids)."""
    parent: dict[Link, Link] = {}

    def root(link: Link) -> Link:
        while (above := parent.setdefault(link, link)) != link:
            parent[link] = parent[above]
            link = parent[link]
        return link

    for stored in found.values():
        fact = stored.facts
        trace = root((fact.tenant_id, fact.trace_id))
        if fact.response_id:
            parent[root((fact.tenant_id, fact.response_id))] = trace
    members: defaultdict[Link, list[Stored]] = defaultdict(list)
    for stored in found.values():
        members[root((stored.facts.tenant_id, stored.facts.trace_id))].append(stored)
    return (group for group in members.values() if len(group) > 1)


def _correct(
    connection: Connection, group: Sequence[Stored], corrections: Sequence[Correction]
) -> int:
    """Write what settling decided: the columns that change, and the facts they had."""
    stored = {each.id: each for each in group}
    for identity, record in corrections:
        was = stored[identity]
        values: dict[str, object] = {
            name: new
            for name, old, new in zip(_FIELDS, was.current, record, strict=True)
            if old != new
        }
        facts = {
            name: fact
            for name, fact, new in zip(_FIELDS, was.facts, record, strict=True)
            if fact != new
        }
        values[FACTS] = orjson.dumps(facts).decode() if facts else None
        connection.execute(update(usage_record).where(r.id == identity).values(values))
    return len(corrections)


def _chunks(items: Collection[Item]) -> Iterator[list[Item]]:
    listed = list(items)
    return (listed[at : at + AT_ONCE] for at in range(0, len(listed), AT_ONCE))
