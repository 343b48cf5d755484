"""Which stored records must be settled together: the connected groups that a write has added to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    literal,
    or_,
    select,
)

from spantoll.records.columns import usage_record
from spantoll.records.record import UsageRecord
from spantoll.semconv.call import BILLABLE_ROLES
from spantoll.storage.facts import stored
from spantoll.storage.store import Stored

__all__ = ["MAX_SHARED", "Gained", "Groups"]

MAX_SHARED = 1_000
"""A response id that more records have is no id (mock servers answer one constant): it connects
none of them, in whatever order they came. The same holds for a twin key."""

CHUNK = 500
"""Values in one IN list; every database takes that many."""

Gained = Callable[[FromClause], ColumnElement[bool]]
"""How SQL knows, of one alias of `usage_record`, a row that the write in progress has inserted."""

Bound = Mapping[str, Any]
Trace = tuple[str, bytes]
Key = tuple[str, int]
"""A column of LINKS, and a value in it."""

T = TypeVar("T")


class Groups:
    """Finds the groups to settle.

    The usual write, of single-span traces with response ids of their own, costs a statement for
    the traces and one for each of LINKS that finds nothing, each one index probe per inserted row.
    """

    def __init__(self, gained: Gained) -> None:
        new, other = usage_record.alias("new"), usage_record.alias("other")
        one = select(literal(1))
        in_trace = one.where(
            other.c.tenant_id == new.c.tenant_id,
            other.c.trace_id == new.c.trace_id,
            other.c.span_id != new.c.span_id,
        )
        not_billable = new.c.role.not_in(sorted(BILLABLE_ROLES))
        # No DISTINCT and no IS NOT NULL here: either makes SQLite walk a whole index for its order
        # instead of the few rows that are new.
        self.traces = select(new.c.tenant_id, new.c.trace_id).where(
            gained(new), or_(not_billable, in_trace.exists())
        )
        self.links = {name: link(name, gained) for name, link in LINKS.items()}
        identity = (new.c.id, new.c.tenant_id, new.c.trace_id, new.c.span_id)
        self.gained = select(*identity).where(gained(new))
        self.older_of_traces = _older(gained).where(
            usage_record.c.tenant_id == bindparam("tenant"),
            usage_record.c.trace_id.in_(bindparam("traces", expanding=True)),
        )

    def find(
        self, connection: Connection, records: Sequence[UsageRecord], bound: Bound
    ) -> Iterator[list[Stored]]:
        """Give the groups that inserting `records` added to; `bound` is what binds `gained`."""
        traces = {(row[0], row[1]) for row in connection.execute(self.traces, bound).all()}
        shared = [
            ((name, key), beyond, was_beyond)
            for name, link in self.links.items()
            if link.may_connect(connection, records)
            for key, beyond, was_beyond in connection.execute(link.shared, bound).all()
        ]
        if not traces and not shared:
            return
        search = _Search(self, connection, records, bound)
        search.connecting = {key for key, beyond, _ in shared if not beyond}
        search.meaningless = {key for key, beyond, _ in shared if beyond}
        # A key that has just lost its meaning: what it held together is settled apart.
        crossing = {key for key, beyond, was_beyond in shared if beyond and not was_beyond}
        loosened = list(search.of_keys(crossing))
        open_ids = search.gained | {member.id for member in loosened}
        traces |= {_trace(member) for member in loosened}
        for group in _parted(search.connected_to(traces), search.connecting):
            if any(member.id in open_ids for member in group) and _is_open(group):
                yield group


class _Link:
    """The statements about one column of LINKS."""

    def __init__(self, name: str, gained: Gained) -> None:
        new, other = usage_record.alias("new"), usage_record.alias("other")
        key = new.c[name]
        of_key = select(literal(1)).where(other.c[name] == key)
        is_shared = self._is_shared(new, other, of_key)
        among: ColumnElement[Any] = bindparam("keys", expanding=True, type_=BigInteger())

        def is_beyond(members: Select[int]) -> ColumnElement[bool]:
            return members.offset(MAX_SHARED).limit(1).scalar_subquery().is_not(None)

        self.name = name
        self.shared = select(key, is_beyond(of_key), is_beyond(of_key.where(~gained(other)))).where(
            gained(new), is_shared
        )
        self.among = select(key, is_beyond(of_key)).where(key.in_(among), is_shared)
        self.older = _older(gained).where(usage_record.c[name].in_(among))

    def may_connect(self, connection: Connection, records: Sequence[UsageRecord]) -> bool:
        """Whether looking for what `records` share can find anything."""
        return True

    def _is_shared(
        self, new: FromClause, other: FromClause, of_key: Select[int]
    ) -> ColumnElement[bool]:
        return of_key.where(other.c.id != new.c.id).exists()


class _TwinLink(_Link):
    """Connects calls of which one at least has no response id."""

    def __init__(self, name: str, gained: Gained) -> None:
        super().__init__(name, gained)
        self.nameless = (
            select(literal(1))
            .select_from(usage_record)
            .where(
                usage_record.c.response_key.is_(None),
                usage_record.c.twin_key.between(bindparam("first"), bindparam("last")),
            )
            .limit(1)
        )

    def may_connect(self, connection: Connection, records: Sequence[UsageRecord]) -> bool:
        """Whether there is a call without an id at all, at the time of these.

        Where every emitter tells ids, this costs one probe a write instead of some a record.
        """
        keys = [record.twin_key for record in records if record.twin_key is not None]
        if not keys:
            return False
        if any(r.response_key is None and r.twin_key is not None for r in records):
            return True
        period = {"first": min(keys), "last": max(keys)}
        return connection.execute(self.nameless, period).first() is not None

    def _is_shared(
        self, new: FromClause, other: FromClause, of_key: Select[int]
    ) -> ColumnElement[bool]:
        """Two ids are two calls, and so are two of one emitter that have none.

        Each case is one step into an index, however many calls used the same.
        """
        nameless, other_too = new.c.response_key.is_(None), other.c.response_key.is_(None)
        scope, others = new.c.scope_name, other.c.scope_name
        return or_(
            and_(~nameless, of_key.where(other_too).exists()),
            and_(nameless, of_key.where(~other_too).exists()),
            and_(nameless, of_key.where(other_too, others < scope).exists()),
            and_(nameless, of_key.where(other_too, others > scope).exists()),
        )


LINKS: dict[str, type[_Link]] = {"response_key": _Link, "twin_key": _TwinLink}
"""The columns whose equal values connect traces."""


def _older(gained: Gained) -> Select[Any]:
    return select(usage_record).where(~gained(usage_record))


class _Search:
    """The records around one write. What it inserted is at hand; the rest is read as needed."""

    def __init__(
        self, sql: Groups, connection: Connection, records: Sequence[UsageRecord], bound: Bound
    ) -> None:
        self._sql = sql
        self._connection = connection
        self._bound = bound
        self.connecting: set[Key] = set()
        self.meaningless: set[Key] = set()
        self.gained: set[int] = set()
        self._in_trace: defaultdict[Trace, list[Stored]] = defaultdict(list)
        self._with_key: defaultdict[Key, list[Stored]] = defaultdict(list)
        # Of two copies in one write the first was inserted.
        at_hand = {record[:3]: record for record in reversed(records)}
        for row in connection.execute(sql.gained, bound).all():
            number, record = row[0], at_hand[row[1:]]
            member = Stored(number, record, record)
            self.gained.add(number)
            self._in_trace[_trace(member)].append(member)
            for key in _keys(record):
                self._with_key[key].append(member)

    def connected_to(self, traces: set[Trace]) -> list[Stored]:
        """Read what hangs together with these and with the connecting keys, transitively."""
        found: dict[int, Stored] = {}
        asked_traces: set[Trace] = set()
        asked_keys = set(self.meaningless)
        keys = set(self.connecting)
        while traces or keys:
            fresh = {
                member.id: member
                for members in (self._of_traces(traces), self.of_keys(keys))
                for member in members
                if member.id not in found
            }
            found |= fresh
            asked_traces |= traces
            asked_keys |= keys
            traces = {_trace(member) for member in fresh.values()} - asked_traces
            named = {key for member in fresh.values() for key in _keys(member.facts)}
            keys = self._connecting_among(named - asked_keys)
            asked_keys |= named
        return list(found.values())

    def of_keys(self, keys: Collection[Key]) -> Iterator[Stored]:
        for key in keys:
            yield from self._with_key[key]
        for link, chunk in self._by_link(keys):
            wanted = {**self._bound, "keys": chunk}
            yield from map(stored, self._connection.execute(link.older, wanted).all())

    def _of_traces(self, traces: Collection[Trace]) -> Iterator[Stored]:
        by_tenant: defaultdict[str, list[bytes]] = defaultdict(list)
        for trace in traces:
            yield from self._in_trace[trace]
            by_tenant[trace[0]].append(trace[1])
        for tenant, trace_ids in by_tenant.items():
            for chunk in _chunks(trace_ids):
                wanted = {**self._bound, "tenant": tenant, "traces": chunk}
                rows = self._connection.execute(self._sql.older_of_traces, wanted).all()
                yield from map(stored, rows)

    def _connecting_among(self, keys: Collection[Key]) -> set[Key]:
        connecting: set[Key] = set()
        for link, chunk in self._by_link(keys):
            rows = self._connection.execute(link.among, {"keys": chunk}).all()
            for key, beyond in rows:
                (self.meaningless if beyond else connecting).add((link.name, key))
        self.connecting |= connecting
        return connecting

    def _by_link(self, keys: Collection[Key]) -> Iterator[tuple[_Link, list[int]]]:
        for name, link in self._sql.links.items():
            for chunk in _chunks(key for column, key in keys if column == name):
                yield link, chunk


def _parted(members: Collection[Stored], connecting: set[Key]) -> Iterator[list[Stored]]:
    """Part records into groups: traces, joined where two know one of the `connecting` keys."""
    by_trace: defaultdict[Trace, list[Stored]] = defaultdict(list)
    traces_of: defaultdict[tuple[object, ...], set[Trace]] = defaultdict(set)
    for member in members:
        facts = member.facts
        trace = facts.tenant_id, facts.trace_id
        by_trace[trace].append(member)
        for key in connecting.intersection(_keys(facts)):
            # The key is a hash, so equal keys may still be different ids.
            id_ = facts.response_id if key[0] == "response_key" else None
            traces_of[facts.tenant_id, *key, id_].add(trace)
    joined: defaultdict[Trace, set[Trace]] = defaultdict(set)
    for traces in traces_of.values():
        for trace in traces:
            joined[trace] |= traces
    placed: set[Trace] = set()
    for first in by_trace:
        if first in placed:
            continue
        placed.add(first)
        group = [first]
        for trace in group:
            more = joined.get(trace, set()) - placed
            placed |= more
            group += more
        yield [member for trace in group for member in by_trace[trace]]


def _keys(record: UsageRecord) -> list[Key]:
    return [(name, key) for name in LINKS if (key := getattr(record, name)) is not None]


def _trace(member: Stored) -> Trace:
    return member.facts.tenant_id, member.facts.trace_id


def _is_open(group: Sequence[Stored]) -> bool:
    """Whether settling could say anything else than what is stored."""
    first = group[0]
    return (
        len(group) > 1 or first.facts.role not in BILLABLE_ROLES or first.current is not first.facts
    )


def _chunks(values: Iterable[T]) -> Iterator[list[T]]:
    left = iter(values)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
