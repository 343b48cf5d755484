"""Which stored records a write makes it necessary to settle, and what must be read to do so.

Input: the records a write has inserted. Output: groups of records to hand to `Settle`; those whose
verdict is not asked for are marked as context. Nothing is connected by its trace
alone: a call is connected with the calls above and below it, with those of its response id, with
the parts of its stream, and with those of equal usage in a few time slices before and after
(`pipeline.counting.matching` says why); an aggregate needs one record with usage below it. So
the work of a write grows with what it adds, not with the trace or the ledger it adds to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from sqlalchemy import Connection

from spantoll.records.keys import SLICE_BITS, neighbour_keys
from spantoll.records.record import UsageRecord
from spantoll.records.reported import end_ns, is_billable, reports_usage
from spantoll.storage.lookups import Bound, Lookups, Times, Trace, lack_responses, trace_of
from spantoll.storage.statements import MAX_SHARED, Gained, Statements
from spantoll.storage.store import Stored

__all__ = ["MAX_SHARED", "Gained", "Groups"]

AGGREGATE = "aggregate"
WITHOUT_USAGE_BELOW = ("aggregate_sole", "aggregate_usage")
"""Reasons of an aggregate below which nothing reported usage when it was settled."""

SLICES_OF_A_MATCHING = 3
"""Time slices before and after its own that a matching of two emitters depends on."""


class Groups:
    """Finds the groups to settle.

    The usual write, of single-span traces with response ids of their own, costs three statements
    that find nothing, each an index probe or two per inserted row.
    """

    def __init__(self, gained: Gained, statements: type[Statements] = Statements) -> None:
        self._gained = gained
        self._statements = statements

    @cached_property
    def statements(self) -> Statements:
        """The statements of the database, made by the first write: readers need none."""
        return self._statements(self._gained)

    def find(
        self, connection: Connection, records: Sequence[UsageRecord], bound: Bound
    ) -> Iterator[list[Stored]]:
        """Yield the groups that inserting `records` added to; `bound` is what binds `gained`."""
        sql = self.statements
        in_traces = connection.scalars(sql.traces, bound).all()
        responses = connection.execute(sql.responses, bound).all()
        keys = [record.usage_key for record in records if record.usage_key is not None]
        usages: Sequence[int] = ()
        if keys and lack_responses(connection, sql, keys):
            usages = connection.scalars(sql.usages, bound).all()
        touched = {*in_traces, *(row[0] for row in responses), *usages}
        if not touched:
            return
        search = _Search(Lookups(sql, connection, records, bound), set(usages))
        search.shared = {key for _, key, _, _ in responses}
        search.common = {key for _, key, exceeds, _ in responses if exceeds}
        # Records whose shared key now exceeds MAX_SHARED rows are no longer connected by it.
        exceeding = {key for _, key, exceeds, exceeded in responses if exceeds and not exceeded}
        yield from search.groups(touched, exceeding)


class _Search:
    """The records around one write, and how far they are known."""

    def __init__(self, lookups: Lookups, usages: Collection[int]) -> None:
        self._lookups = lookups
        self._usages = usages
        """Ids of new calls whose usage another emitter has reported too."""
        self.shared: set[int] = set()
        """Response keys of new records that other records have."""
        self.common: set[int] = set()
        """Response keys that identify no response."""
        self._found: dict[int, Stored] = {}
        self._connected: set[int] = set()
        """Ids of records that were found together with all they are connected with."""
        self._climbed: set[int] = set()
        """Ids of records whose parent was looked up."""
        self._summed: set[int] = set()
        """Ids of aggregates of which it is known whether anything below reports usage; of one that
        was settled when nothing did, all that is below it is known."""
        self._emitters: defaultdict[int, set[str | None]] = defaultdict(set)
        """Scopes that report a usage, by its hash."""
        self._read_responses: set[int] = set()
        self._read_usages: set[int] = set()
        self._open: set[int] = set()

    def groups(
        self, touched: Collection[int], exceeding: Collection[int]
    ) -> Iterator[list[Stored]]:
        """Yield the groups around the new records `touched`."""
        new = [self._lookups.gained[each] for each in touched]
        changed = self._connect([*new, *self._lookups.with_responses(exceeding)])
        orphaned = self._lookups.times_of_children(new)
        while changed:
            beside = self._connect(self._with_equal_usage(changed))
            self._open |= {each.id for each in (*changed, *beside)}
            summed = self._sum_up([*changed, *beside], orphaned)
            changed, orphaned = self._connect(summed), {}
        self._connect(self._with_equal_usage([self._found[each] for each in self._open]))
        for group in self._parted():
            if all(each.is_context for each in group):
                continue
            if len(group) > 1 or _may_change(group[0]):
                yield group

    def _connect(self, members: Iterable[Stored]) -> list[Stored]:
        """Find what can be one call with `members`, whatever their usage; return what is new."""
        connected: list[Stored] = []
        frontier = self._unconnected(members)
        while frontier:
            connected += frontier
            self._climb(frontier)
            calls = [each for each in frontier if is_billable(each.facts)]
            frontier = self._unconnected(
                [
                    *(above for each in frontier if (above := self._call_above(each))),
                    *self._calls_below(calls),
                    *self._stream_parts(calls),
                    *self._same_responses(frontier),
                ]
            )
        return connected

    def _unconnected(self, members: Iterable[Stored]) -> list[Stored]:
        found = {each.id: each for each in members if each.id not in self._connected}
        self._connected |= found.keys()
        self._found |= found
        return list(found.values())

    def _climb(self, members: Iterable[Stored]) -> None:
        """Find everything above, so that no span is taken for an orphan that is none."""
        level = [each for each in members if each.id not in self._climbed]
        while level:
            self._climbed |= {each.id for each in level}
            parents = {each.id: each for each in self._lookups.parents(level)}
            self._found |= parents
            level = [each for each in parents.values() if each.id not in self._climbed]

    def _chain(self, member: Stored) -> tuple[list[Stored], int | None]:
        """Return a span and its parents up to a root, or to where a cycle of parents closes.

        The second value is the place in the list at which the cycle begins.
        """
        chain = [member]
        places = {member.id: 0}
        above = self._lookups.parent(member)
        while above is not None and above.id not in places:
            places[above.id] = len(chain)
            chain.append(above)
            above = self._lookups.parent(above)
        return chain, None if above is None else places[above.id]

    def _above(self, member: Stored) -> list[Stored]:
        """Return what is above a span, the nearest first; spans in a cycle have nothing above."""
        chain, cycle = self._chain(member)
        return chain[1:] if cycle is None else chain[1 : cycle + 1]

    def _call_above(self, member: Stored) -> Stored | None:
        """Return the nearest call above; in a cycle too, whose calls were perhaps joined before."""
        chain, _ = self._chain(member)
        return next((each for each in chain[1:] if is_billable(each.facts)), None)

    def _calls_below(self, calls: Iterable[Stored]) -> Iterator[Stored]:
        """Yield the calls that are below a call with no other call between."""
        level, seen = list(calls), set[int]()
        while level:
            seen |= {each.id for each in level}
            between = []
            for child in self._lookups.children(level):
                if is_billable(child.facts):
                    yield child
                elif child.id not in seen:
                    self._found[child.id] = child
                    between.append(child)
            level = between

    def _stream_parts(self, calls: Iterable[Stored]) -> Iterable[Stored]:
        """Find the request of a zero-length span that may report its usage, and the other way."""
        parts = [
            each
            for each in calls
            if each.facts.duration_ns == 0
            or (each.facts.status == "success" and not reports_usage(each.facts))
        ]
        events = self._lookups.stream_events(parts) if parts else []
        return [*events, *self._lookups.stream_requests(events)] if events else ()

    def _same_responses(self, members: Iterable[Stored]) -> Iterator[Stored]:
        keys = {
            key
            for each in members
            if (key := each.facts.response_key) is not None
            and (key in self.shared or each.id not in self._lookups.gained)
        } - self._read_responses
        self._read_responses |= keys
        self.common |= self._lookups.common_responses(keys - self.shared)
        return self._lookups.with_responses(keys - self.common)

    def _with_equal_usage(self, members: Iterable[Stored]) -> list[Stored]:
        """Read the calls that used as much, in the slices that decide together with these."""
        keys = {
            each.facts.usage_key
            for each in members
            if each.facts.usage_key is not None
            and (each.id in self._usages or each.id not in self._lookups.gained)
        }
        found: list[Stored] = []
        if not keys or not self._lookups.lack_responses(keys):
            return found
        while (
            around := {near for key in keys for near in neighbour_keys(key, self._reach(key))}
            - self._read_usages
        ):
            self._read_usages |= around
            for each in self._lookups.with_usages(around):
                found.append(each)
                key = each.facts.usage_key or 0
                self._emitters[key % (1 << SLICE_BITS)].add(each.facts.scope_name)
        return found

    def _reach(self, key: int) -> int:
        """Return how many slices before and after a call decide if it repeats another.

        Each emitter is matched with the emitters before it, and each matching adds three slices.
        """
        emitters = len(self._emitters[key % (1 << SLICE_BITS)])
        return SLICES_OF_A_MATCHING * max(1, emitters - 1)

    def _sum_up(self, changed: Sequence[Stored], orphaned: Mapping[Trace, Times]) -> list[Stored]:
        """Find one record with usage below each aggregate around `changed`.

        Where there is none, or was none until now, return the calls below it: they were settled
        with its usage. In any case return what was fetched of an aggregate's response. `orphaned`
        are the times of spans that were orphans before this write.
        """
        aggregates: dict[int, Stored] = {}
        times = dict(orphaned)
        for each in changed:
            above = self._above(each)
            if _carries_usage(each):
                self._summed |= {one.id for one in above if not self._had_no_usage_below(one)}
            self._open |= {aggregate.id for aggregate in above if aggregate.facts.role == AGGREGATE}
            aggregates |= {aggregate.id: aggregate for aggregate in (each, *above)}
            top = above[-1] if above else each
            if top.facts.parent_span_id is not None:
                times[trace_of(top)] = _joined(times.get(trace_of(top)), top)
        for trace, (first_ns, last_ns) in times.items():
            for aggregate in self._lookups.aggregates(trace, first_ns, last_ns):
                aggregates[aggregate.id] = aggregate
        sums = [
            each
            for each in aggregates.values()
            if _carries_usage(each) and not is_billable(each.facts)
        ]
        self._open |= {each.id for each in sums}
        found = list(self._same_responses(sums))
        for aggregate in sums:
            if aggregate.id not in self._summed:
                self._summed.add(aggregate.id)
                found += self._calls_below_aggregate(aggregate)
        return found

    def _had_no_usage_below(self, aggregate: Stored) -> bool:
        is_settled = aggregate.id not in self._lookups.gained
        return is_settled and aggregate.current.counted_reason in WITHOUT_USAGE_BELOW

    def _calls_below_aggregate(self, aggregate: Stored) -> list[Stored]:
        """Read what is below an aggregate, until one record with usage is found.

        If there was none when it was settled, read all: where there is one now, what the others
        were settled with has to be undone.
        """
        read_all = self._had_no_usage_below(aggregate)
        self._climb([aggregate])
        self._found[aggregate.id] = aggregate
        # In a cycle of parents it would be found below itself.
        below = {aggregate.id: aggregate}
        for read in (self._children, self._orphans):
            level = read([aggregate], read_all)
            while level := [each for each in level if each.id not in below]:
                self._found |= {each.id: each for each in level}
                if not read_all and any(_carries_usage(each) for each in level):
                    return []
                below |= {each.id: each for each in level}
                level = self._children(level, read_all)
        # A call that failed too: it may be one with a call that has usage.
        return [each for each in below.values() if is_billable(each.facts)]

    def _children(self, members: Collection[Stored], read_all: bool) -> list[Stored]:
        """Read one child with tokens if there is one, else all children."""
        found = None if read_all else self._lookups.child_with_usage(members)
        if found is not None and self._above(found):
            return [found]
        return [each for each in self._lookups.children(members) if self._above(each)]

    def _orphans(self, aggregates: Iterable[Stored], read_all: bool) -> list[Stored]:
        return [
            orphan
            for each in aggregates
            for orphan in self._lookups.orphans(each, self._chain(each)[0][-1], read_all)
        ]

    def _parted(self) -> Iterator[list[Stored]]:
        """Part what was found into groups that no key connects."""
        places: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        for number, member in self._found.items():
            facts = member.facts
            places[facts.tenant_id, facts.trace_id].append(number)
            if facts.response_key is not None and facts.response_key not in self.common:
                # The key is a hash, so equal keys may still be different ids.
                places[facts.tenant_id, facts.response_key, facts.response_id].append(number)
            if facts.usage_key is not None:
                used = facts.usage_key % (1 << SLICE_BITS)
                places[facts.tenant_id, "usage", used].append(number)
        keys_of: defaultdict[int, list[tuple[object, ...]]] = defaultdict(list)
        for key, ids in places.items():
            for each in ids:
                keys_of[each].append(key)
        while places:
            todo = [next(iter(places))]
            group: dict[int, None] = {}
            while todo:
                for each in places.pop(todo.pop(), ()):
                    if each not in group:
                        group[each] = None
                        todo += keys_of[each]
            yield [self._labelled(self._found[each]) for each in group]

    def _labelled(self, member: Stored) -> Stored:
        return member._replace(
            has_common_id=member.facts.response_key in self.common,
            is_context=member.id not in self._open,
        )


def _carries_usage(member: Stored) -> bool:
    """Return True for a call or an aggregate with usage: what is above it sums it up."""
    facts = member.facts
    return reports_usage(facts) and (is_billable(facts) or facts.role == AGGREGATE)


def _joined(times: Times | None, member: Stored) -> Times:
    first_ns, last_ns = member.facts.started_ns, end_ns(member.facts)
    if times is None:
        return first_ns, last_ns
    return min(times[0], first_ns), max(times[1], last_ns)


def _may_change(alone: Stored) -> bool:
    """Return True if settling one record alone can differ from what is stored."""
    return not is_billable(alone.facts) or alone.current is not alone.facts
