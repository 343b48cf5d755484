"""Reads the records that one key connects: by span, parent, response, usage or trace and time.

Input: the records a write has inserted, and keys. Output: `Stored` records, each read once: what
the write inserted is at hand, the rest is read by index. Nothing here decides what belongs
together; see `groups`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from spantoll.records.keys import neighbour_keys
from spantoll.records.record import UsageRecord
from spantoll.records.reported import end_ns
from spantoll.storage.facts import stored
from spantoll.storage.statements import Statements
from spantoll.storage.store import Stored

__all__ = [
    "Bound",
    "Lookups",
    "Times",
    "Trace",
    "lack_responses",
    "part_by_trace",
    "trace_of",
]

CHUNK = 500
"""Values in one IN list; every database takes that many."""

MIXED = 16
"""Spans of several traces in one statement: it probes the index for the square of that."""

Bound = Mapping[str, Any]

Trace = tuple[str, bytes]
"""Tenant, trace id."""

Times = tuple[int, int]
"""First start and last end, in nanoseconds since the epoch."""

SpanId = tuple[str, bytes, bytes]
"""Tenant, trace id, span id."""

T = TypeVar("T")


class Lookups:
    """The records around one write."""

    def __init__(
        self,
        statements: Statements,
        connection: Connection,
        records: Sequence[UsageRecord],
        bound: Bound,
    ) -> None:
        self._sql = statements
        self._connection = connection
        self._bound = bound
        self.gained: dict[int, Stored] = {}
        self._members: dict[int, Stored] = {}
        self._by_span: dict[SpanId, Stored | None] = {}
        self._children: defaultdict[SpanId, list[Stored]] = defaultdict(list)
        self._responses: defaultdict[int, list[Stored]] = defaultdict(list)
        self._usages: defaultdict[int, list[Stored]] = defaultdict(list)
        self._aggregates: defaultdict[Trace, list[Stored]] = defaultdict(list)
        self._roots: defaultdict[Trace, list[Stored]] = defaultdict(list)
        # Of two copies in one write the first was inserted.
        at_hand = {record[:3]: record for record in reversed(records)}
        for row in connection.execute(statements.gained, bound).all():
            record = at_hand[row[1:]]
            self._keep(Stored(row[0], record, record))

    def _keep(self, member: Stored) -> None:
        """Index a record that the write has inserted."""
        facts = member.facts
        self.gained[member.id] = self._members[member.id] = member
        self._by_span[span_id(member)] = member
        if facts.parent_span_id is not None:
            self._children[parent_id(member)].append(member)
        else:
            self._roots[facts.tenant_id, facts.trace_id].append(member)
        if facts.response_key is not None:
            self._responses[facts.response_key].append(member)
        if facts.usage_key is not None:
            self._usages[facts.usage_key].append(member)
        if facts.role == "aggregate":
            self._aggregates[facts.tenant_id, facts.trace_id].append(member)

    def parents(self, members: Iterable[Stored]) -> list[Stored]:
        """Read the recorded parents; each is read once, and remembered if it is not recorded."""
        wanted = {parent_id(each) for each in members if each.facts.parent_span_id is not None}
        missing = [each for each in wanted if each not in self._by_span]
        self._by_span.update(dict.fromkeys(missing))
        for _ in self._read_pairs(self._sql.spans, missing):
            pass
        found = (self._by_span[each] for each in wanted)
        return [each for each in found if each is not None]

    def parent(self, member: Stored) -> Stored | None:
        """Return the recorded parent, if it was read."""
        if member.facts.parent_span_id is None:
            return None
        return self._by_span.get(parent_id(member))

    def children(self, members: Collection[Stored]) -> Iterator[Stored]:
        """Read what is directly below spans."""
        above = [span_id(each) for each in members]
        for each in above:
            yield from self._children[each]
        yield from self._read_pairs(self._sql.children, above)

    def child_with_usage(self, members: Collection[Stored]) -> Stored | None:
        """Read one call or aggregate with tokens that is directly below spans."""
        # A statement of its own for each trace: of several it would read but one row.
        for trace in {trace_of(each) for each in members}:
            above = [span_id(each) for each in members if trace_of(each) == trace]
            for member in self._read_pairs(self._sql.child_with_usage, above):
                return member
        return None

    def stream_events(self, members: Collection[Stored]) -> list[Stored]:
        """Read the zero-length calls with the same parent as spans."""
        return list(self._siblings(members, self._sql.stream_events, self._sql.root_events))

    def stream_requests(self, members: Collection[Stored]) -> list[Stored]:
        """Read the calls without usage with the same parent as spans."""
        return list(self._siblings(members, self._sql.stream_requests, self._sql.root_requests))

    def _siblings(
        self, members: Collection[Stored], below: Select[Any], roots: Select[Any]
    ) -> Iterator[Stored]:
        above = {parent_id(each) for each in members if each.facts.parent_span_id is not None}
        for parent in above:
            yield from self._children[parent]
        yield from self._read_pairs(below, above)
        traces = {trace_of(each) for each in members if each.facts.parent_span_id is None}
        for trace in traces:
            yield from self._roots[trace]
        for tenant, trace_id in traces:
            yield from self._read(roots, tenant=tenant, traces=[trace_id])

    def times_of_children(self, members: Collection[Stored]) -> dict[Trace, Times]:
        """Read, for each trace, when the first child of these spans starts and the last ends."""
        found: dict[Trace, Times] = {}
        for wanted in part_by_trace(span_id(each) for each in members):
            rows = self._connection.execute(self._sql.times_of_children, wanted).all()
            for trace_id, first_ns, last_ns in rows:
                trace = wanted["tenant"], trace_id
                before = found.get(trace, (first_ns, last_ns))
                found[trace] = min(before[0], first_ns), max(before[1], last_ns)
        return found

    def with_responses(self, keys: Collection[int]) -> Iterator[Stored]:
        """Read the records with one of these response keys."""
        for key in keys:
            yield from self._responses[key]
        for chunk in _chunks(keys):
            yield from self._read(self._sql.of_responses, keys=chunk)

    def with_usages(self, keys: Collection[int]) -> Iterator[Stored]:
        """Read the calls with one of these usage keys."""
        for key in keys:
            yield from self._usages[key]
        for chunk in _chunks(keys):
            yield from self._read(self._sql.of_usages, keys=chunk)

    def common_responses(self, keys: Collection[int]) -> set[int]:
        """Return the response keys that more than MAX_SHARED records have."""
        found: set[int] = set()
        for chunk in _chunks(keys):
            found |= set(self._connection.scalars(self._sql.common, {"keys": chunk}))
        return found

    def lack_responses(self, keys: Collection[int]) -> bool:
        """Return True if any call of the time of these usage keys has no response id."""
        return lack_responses(self._connection, self._sql, keys)

    def aggregates(self, trace: Trace, first_ns: int, last_ns: int) -> list[Stored]:
        """Read the aggregates of a trace whose time overlaps a span of time."""
        tenant, trace_id = trace
        time = {"first_ns": first_ns, "last_ns": last_ns}
        older = self._read(self._sql.aggregates, tenant=tenant, trace=trace_id, **time)
        return [*self._aggregates[trace], *older]

    def orphans(self, above: Stored, root: Stored, read_all: bool) -> list[Stored]:
        """Read the spans of a trace without recorded parent, within the time of a span.

        `root` is the topmost span above it, which is not inside it whatever the times are. If one
        of the orphans has tokens, it alone is read, unless all are wanted.
        """
        facts = above.facts
        first_ns, last_ns = facts.started_ns, end_ns(facts)
        wanted: dict[str, Any] = {
            "tenant": facts.tenant_id,
            "trace": facts.trace_id,
            "but": [above.id, root.id],
            "first_ns": first_ns,
            "last_ns": last_ns,
        }
        found = [] if read_all else list(self._read(self._sql.orphan_with_usage, **wanted))
        return found or [
            orphan
            for orphan in self._read(self._sql.orphans, **wanted)
            if first_ns <= orphan.facts.started_ns and end_ns(orphan.facts) <= last_ns
        ]

    def _read_pairs(self, statement: Select[Any], spans: Iterable[SpanId]) -> Iterator[Stored]:
        for wanted in part_by_trace(spans):
            yield from self._read(statement, **wanted)

    def _read(self, statement: Select[Any], **wanted: Any) -> Iterator[Stored]:
        for row in self._connection.execute(statement, {**self._bound, **wanted}).all():
            member = self._members.get(row[0])
            if member is None:
                member = self._members[row[0]] = stored(row)
                self._by_span[span_id(member)] = member
            yield member


def lack_responses(connection: Connection, sql: Statements, keys: Collection[int]) -> bool:
    """Return True if any call of the time of these usage keys has no response id.

    Where every emitter reports ids, this costs one probe a write instead of some a record.
    """
    steps = neighbour_keys(0, 1)
    time = {"first_key": min(keys) + steps[0], "last_key": max(keys) + steps[-1]}
    return connection.execute(sql.without_response, time).first() is not None


def span_id(member: Stored) -> SpanId:
    """Return the identity of a record."""
    facts = member.facts
    return facts.tenant_id, facts.trace_id, facts.span_id


def parent_id(member: Stored) -> SpanId:
    """Return the identity of the span that a record names as its parent."""
    facts = member.facts
    return facts.tenant_id, facts.trace_id, facts.parent_span_id or b""


def trace_of(member: Stored) -> Trace:
    """Return tenant and trace id."""
    return member.facts.tenant_id, member.facts.trace_id


def part_by_trace(spans: Iterable[SpanId]) -> Iterator[dict[str, Any]]:
    """Yield what to bind to read spans by index, many of one trace or a few of several.

    The index is probed for every pair of a trace and a span of one statement.
    """
    traces: defaultdict[str, defaultdict[bytes, list[bytes]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for tenant, trace_id, span in spans:
        traces[tenant][trace_id].append(span)
    for tenant, by_trace in traces.items():
        few: list[tuple[bytes, bytes]] = []
        for trace_id, ids in by_trace.items():
            if len(ids) < MIXED:
                few += [(trace_id, span) for span in ids]
                continue
            for chunk in _chunks(ids):
                yield {"tenant": tenant, "traces": [trace_id], "spans": chunk}
        for pairs in _chunks(few, MIXED):
            some, ids = dict.fromkeys(pair[0] for pair in pairs), [pair[1] for pair in pairs]
            yield {"tenant": tenant, "traces": list(some), "spans": ids}


def _chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    left = iter(values)
    while chunk := list(islice(left, size)):
        yield chunk
