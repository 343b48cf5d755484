"""Which stored records must be settled together: the connected groups that a write has added to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    bindparam,
    literal,
    or_,
    select,
)

from spantoll.records.columns import usage_record
from spantoll.semconv.call import BILLABLE_ROLES
from spantoll.storage.facts import stored
from spantoll.storage.store import Stored

__all__ = ["MAX_SHARED", "Gained", "Groups"]

MAX_SHARED = 1_000
"""A response id that more records have is no id (mock servers answer one constant): it connects
none of them, in whatever order they came."""

CHUNK = 500
"""Values in one IN list; every database takes that many."""

Gained = Callable[[FromClause], ColumnElement[bool]]
"""How SQL knows, of one alias of `usage_record`, a row that the write in progress has inserted."""

Trace = tuple[str, bytes]

T = TypeVar("T")


class Groups:
    """Finds the groups to settle.

    The usual write, of single-span traces with response ids of their own, costs two statements
    that find nothing, each one index probe per inserted row.
    """

    def __init__(self, gained: Gained) -> None:
        new, other = usage_record.alias("new"), usage_record.alias("other")
        one = select(literal(1))
        in_trace = one.where(
            other.c.tenant_id == new.c.tenant_id,
            other.c.trace_id == new.c.trace_id,
            other.c.span_id != new.c.span_id,
        )
        of_key = one.where(other.c.response_key == new.c.response_key)
        is_shared = of_key.where(other.c.id != new.c.id).exists()
        not_billable = new.c.role.not_in(sorted(BILLABLE_ROLES))
        among_keys = bindparam("keys", expanding=True, type_=BigInteger())

        def is_beyond(members: Select[int]) -> ColumnElement[bool]:
            return members.offset(MAX_SHARED).limit(1).scalar_subquery().is_not(None)

        self._traces = (
            select(new.c.tenant_id, new.c.trace_id)
            .where(gained(new), or_(not_billable, in_trace.exists()))
            .distinct()
        )
        self._keys = (
            select(new.c.response_key, is_beyond(of_key), is_beyond(of_key.where(~gained(other))))
            .where(gained(new), new.c.response_key.is_not(None), is_shared)
            .distinct()
        )
        self._keys_among = (
            select(new.c.response_key, is_beyond(of_key))
            .where(new.c.response_key.in_(among_keys), is_shared)
            .distinct()
        )
        rows = select(usage_record, gained(usage_record).label("gained"))
        self._of_keys = rows.where(usage_record.c.response_key.in_(among_keys))
        self._of_traces = rows.where(
            usage_record.c.tenant_id == bindparam("tenant"),
            usage_record.c.trace_id.in_(bindparam("traces", expanding=True)),
        )

    def find(self, connection: Connection, write: Mapping[str, Any]) -> Iterator[list[Stored]]:
        """Load the groups one after the other; `write` is what binds `gained`."""
        traces = {(row[0], row[1]) for row in connection.execute(self._traces, write)}
        keys: set[int] = set()
        meaningless: set[int] = set()
        crossing: set[int] = set()
        for key, beyond, was_beyond in connection.execute(self._keys, write).tuples():
            (meaningless if beyond else keys).add(key)
            if beyond and not was_beyond:
                crossing.add(key)

        def of_keys(wanted: Collection[int]) -> Iterator[Row[Any]]:
            for chunk in _chunks(wanted):
                yield from connection.execute(self._of_keys, {**write, "keys": chunk})

        # A response id that has just lost its meaning: what it held together is settled apart.
        loosened = {row.id: (row.tenant_id, row.trace_id) for row in of_keys(crossing)}
        traces.update(loosened.values())

        rows: dict[int, Row[Any]] = {}
        asked_traces: set[Trace] = set()
        asked_keys = set(meaningless)
        while traces or keys:
            found = chain(self._in_traces(connection, write, traces), of_keys(keys))
            fresh = {row.id: row for row in found if row.id not in rows}
            rows |= fresh
            asked_traces |= traces
            traces = {(row.tenant_id, row.trace_id) for row in fresh.values()} - asked_traces
            seen = {row.response_key for row in fresh.values()} - asked_keys - {None}
            asked_keys |= seen
            keys = set()
            for chunk in _chunks(seen):
                among = connection.execute(self._keys_among, {"keys": chunk}).tuples()
                for key, beyond in among:
                    (meaningless if beyond else keys).add(key)

        for group in _connected(rows.values(), meaningless):
            if any(row.gained or row.id in loosened for row in group):
                members = [stored(row) for row in group]
                if _is_open(members):
                    yield members

    def _in_traces(
        self, connection: Connection, write: Mapping[str, Any], traces: Collection[Trace]
    ) -> Iterator[Row[Any]]:
        by_tenant: defaultdict[str, list[bytes]] = defaultdict(list)
        for tenant, trace_id in traces:
            by_tenant[tenant].append(trace_id)
        for tenant, trace_ids in by_tenant.items():
            for chunk in _chunks(trace_ids):
                wanted = {**write, "tenant": tenant, "traces": chunk}
                yield from connection.execute(self._of_traces, wanted)


def _connected(
    rows: Collection[Row[Any]], meaningless: Collection[int]
) -> Iterator[list[Row[Any]]]:
    links: defaultdict[tuple[str, bytes | str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        for link in _links(row, meaningless):
            links[link].append(row)
    placed: set[int] = set()
    for row in rows:
        if row.id in placed:
            continue
        placed.add(row.id)
        group = [row]
        for member in group:
            for link in _links(member, meaningless):
                # Emptied, so that a trace of n records is looked through once and not n times.
                for neighbour in links.pop(link, ()):
                    if neighbour.id not in placed:
                        placed.add(neighbour.id)
                        group.append(neighbour)
        yield group


def _links(row: Row[Any], meaningless: Collection[int]) -> Iterator[tuple[str, bytes | str]]:
    yield row.tenant_id, row.trace_id
    # The key is a hash, so equal keys may still be different ids.
    if row.response_key is not None and row.response_key not in meaningless:
        yield row.tenant_id, row.response_id


def _is_open(members: list[Stored]) -> bool:
    """Whether settling could say anything else than what is stored."""
    first = members[0]
    return (
        len(members) > 1
        or first.facts.role not in BILLABLE_ROLES
        or first.current is not first.facts
    )


def _chunks(values: Iterable[T]) -> Iterator[list[T]]:
    left = iter(values)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
