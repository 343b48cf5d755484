"""The calls of a group, joined where the evidence says that two spans report one call.

Input: the records of a group and their ancestors. Output: clusters of positions; the records of a
cluster report one call. Rules are applied in the order of `EVIDENCE` and only ever join.

The one-to-one rules compare calls with one usage hash (see `records.keys`), one emitter after the
other: its calls are matched with those of the emitters before it. Each emitter after the first so
adds the three slices of `matching` to what a verdict depends on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from spantoll.pipeline.counting.evidence import NEAR_TOKENS, ONE_TO_ONE, RULES, Evidence
from spantoll.pipeline.counting.forest import Forest
from spantoll.pipeline.counting.matching import match_in_slices
from spantoll.pipeline.counting.usage import rank, same_usage
from spantoll.records.keys import SLICE_BITS
from spantoll.records.record import UsageRecord
from spantoll.records.reported import end_ns, is_billable, reports_usage

__all__ = ["Clusters"]

MAY_BE_A_SUM = "llm_usage"
"""The dialect of emitters that are not known: agents write their sums under its names too."""


class _Candidate(NamedTuple):
    """A cluster to be matched with one of another emitter."""

    members: Sequence[int]
    emitters: frozenset[str | None]
    has_response_key: bool
    response_ids: frozenset[str]


class Clusters:
    """The calls among `records`, and which of them report one call."""

    def __init__(
        self,
        records: Sequence[UsageRecord],
        forest: Forest,
        *,
        common_ids: Collection[int | None] = (),
    ) -> None:
        """Join what is one call. `common_ids` are the response keys that identify no response."""
        self._records = records
        self._forest = forest
        self._common_ids = common_ids
        self.calls = [i for i, record in enumerate(records) if is_billable(record)]
        self._cluster = {i: i for i in self.calls}
        self._members = {i: [i] for i in self.calls}
        self._rules: dict[int, str] = {}
        self._estimates: set[int] = set()
        self.sums: set[int] = set()
        """Calls that report the sum of the calls below them, and so are none themselves."""
        self._join_stream_pairs()
        self._join_response_ids()
        self._find_sums_of_agents()
        self._join_nested()
        self._join_one_to_one()

    def __iter__(self) -> Iterator[list[int]]:
        """Return the positions of each cluster."""
        return iter(self._members.values())

    def rule(self, i: int) -> str | None:
        """Return the name of the rule that joined a call first."""
        return self._rules.get(i)

    def rank(self, i: int) -> tuple[object, ...]:
        """Order the reports of one call: the first is billed."""
        return i in self._estimates, *rank(self._records[i], self._forest.calls_above(i))

    def report_usage(self, i: int) -> bool:
        """Return True if any report of the call has usage."""
        return any(reports_usage(self._records[j]) for j in self._members[self._cluster[i]])

    def _join(self, one: int, other: int, rule: str) -> None:
        a, b = self._cluster[one], self._cluster[other]
        if a == b:
            return
        if len(self._members[a]) < len(self._members[b]):
            a, b = b, a
        for each in self._members[b]:
            self._cluster[each] = a
        self._members[a] += self._members.pop(b)
        self._rules.setdefault(one, rule)
        self._rules.setdefault(other, rule)

    def _emitters(self, i: int) -> set[str | None]:
        """Return the scopes whose spans report usage of a call; without usage, all its scopes."""
        members = self._members[self._cluster[i]]
        reporting = [j for j in members if reports_usage(self._records[j])]
        return {self._records[j].scope_name for j in reporting or members}

    def _have_common_emitter(self, one: int, other: int) -> bool:
        return self._cluster[one] != self._cluster[other] and not self._emitters(one).isdisjoint(
            self._emitters(other)
        )

    def _join_stream_pairs(self) -> None:
        families: defaultdict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for i in self.calls:
            record = self._records[i]
            family: object = (
                *(record.trace_id, record.parent_span_id),
                *(record.scope_name, record.request_model),
            )
            if record.duration_ns == 0:
                families[family][1].append(i)
            elif not reports_usage(record) and record.status == "success":
                families[family][0].append(i)
        rule = RULES["stream_pair"]
        for requests, events in families.values():
            waiting = sorted(requests, key=self._start, reverse=True)
            for event in sorted(events, key=self._start):
                if waiting and rule.matches(self._records[waiting[-1]], self._records[event]):
                    self._join(waiting.pop(), event, rule.name)

    def _join_response_ids(self) -> None:
        by_id: defaultdict[str, list[int]] = defaultdict(list)
        for i in self.calls:
            record = self._records[i]
            if record.response_key is not None and record.response_key not in self._common_ids:
                by_id[str(record.response_id)].append(i)
        for same in by_id.values():
            if len(same) > 1:
                self._join_response(same)

    def _join_response(self, same: Sequence[int]) -> None:
        """Join the calls with one response id; a server may give all its answers one id."""
        reporting = [i for i in same if reports_usage(self._records[i])]
        silent = [i for i in same if not reports_usage(self._records[i])]
        rule = RULES["response_id"]
        for one, other in self._neighbours(reporting):
            self._join_if(rule, one, other)
        for one, other in self._pairs_of_near_output(reporting):
            if same_usage(self._records[one], self._records[other]):
                self._join_if(rule, one, other)
        self._join_handlers(reporting)
        for one, other in self._pairs_of_near_output(reporting):
            if not self._have_common_emitter(one, other) or self._in_one_trace(one, other):
                self._join_if(RULES["response_id_near"], one, other)
        self._join_inexact(reporting)
        for i in silent:
            self._join_nearest(rule, i, reporting or [j for j in silent if j < i])

    def _neighbours(self, calls: Sequence[int]) -> Iterable[tuple[int, int]]:
        """Yield neighbours by time among the calls of equal totals."""

        def totals(i: int) -> tuple[int, int]:
            record = self._records[i]
            return record.input_tokens or 0, record.output_tokens or 0

        for equal in self._grouped(calls, key=totals):
            latest = equal[0]
            for i in equal[1:]:
                yield latest, i
                latest = max(latest, i, key=lambda j: end_ns(self._records[j]))

    def _grouped(self, calls: Sequence[int], *, key: Callable[[int], object]) -> list[list[int]]:
        groups: defaultdict[object, list[int]] = defaultdict(list)
        for i in sorted(calls, key=self._start):
            groups[key(i)].append(i)
        return list(groups.values())

    def _pairs_of_near_output(self, calls: Sequence[int]) -> Iterable[tuple[int, int]]:
        """Yield the pairs, not of one cluster, whose output tokens almost agree."""
        by_output = sorted((self._records[i].output_tokens or 0, i) for i in calls)
        for position, (output, one) in enumerate(by_output):
            for more, other in by_output[position + 1 :]:
                if more - output > NEAR_TOKENS:
                    break
                if self._cluster[one] != self._cluster[other]:
                    yield one, other

    def _join_handlers(self, reporting: Sequence[int]) -> None:
        rule = RULES["response_id_handlers"]
        for one, other in pairwise(sorted(reporting, key=self._start)):
            if self._join_if(rule, one, other):
                # The span that ends first is written before the provider has reported usage.
                self._estimates.add(min(one, other, key=lambda i: (end_ns(self._records[i]), -i)))

    def _join_inexact(self, reporting: Sequence[int]) -> None:
        rule = RULES["response_id_inexact"]
        for i in reporting:
            if self._records[i].usage_quality not in ("exact", "assumed"):
                exact = [j for j in reporting if not self._have_common_emitter(i, j)]
                self._join_nearest(rule, i, exact)

    def _join_nearest(self, rule: Evidence, i: int, others: Iterable[int]) -> None:
        found = [
            j
            for j in others
            if self._cluster[j] != self._cluster[i]
            and rule.matches(self._records[i], self._records[j])
        ]
        if found:
            self._join(i, min(found, key=lambda j: (self._apart_ns(i, j), j)), rule.name)

    def _join_if(self, rule: Evidence, one: int, other: int) -> bool:
        if not rule.matches(self._records[one], self._records[other]):
            return False
        self._join(one, other, rule.name)
        return True

    def _find_sums_of_agents(self) -> None:
        """Find spans that agents may have written, above an agent that reports its own usage."""
        unknown = [i for i in self.calls if self._records[i].dialect == MAY_BE_A_SUM]
        if not unknown:
            return
        agents = [
            i
            for i, record in enumerate(self._records)
            if record.role == "aggregate" and reports_usage(record)
        ]
        for i in unknown:
            is_alone = len(self._members[self._cluster[i]]) == 1
            if is_alone and any(self._forest.is_above(i, agent) for agent in agents):
                self.sums.add(i)

    def _join_nested(self) -> None:
        """Join a call with the call directly above it, where one is the other seen from outside."""
        below: defaultdict[int, list[int]] = defaultdict(list)
        for i in self.calls:
            above = self._forest.nearest_above(i, self._cluster)
            if above is not None:
                below[above].append(i)
        # Innermost first, so that a chain of three instrumentations joins link by link.
        for above in sorted(below, key=lambda i: (-self._forest.calls_above(i), i)):
            self._join_below(above, sorted(below[above], key=self._start))

    def _join_below(self, above: int, below: Sequence[int]) -> None:
        if above in self.sums:
            return
        outer = self._records[above]
        joined = [i for i in below if self._cluster[i] == self._cluster[above]]
        if any(self._records[i].scope_name != outer.scope_name for i in joined):
            return
        # An instrumentation's own event of the call is below its span and stands for no other.
        below = [i for i in below if i not in joined]
        answered = [i for i in below if self._records[i].status == "success"]
        same = [i for i in answered if RULES["nested"].matches(outer, self._records[i])]
        only = answered if answered or reports_usage(outer) else below[-1:]
        if same:
            self._join(above, same[-1], "nested")
        elif len(only) == 1 and RULES["nested_only"].matches(outer, self._records[only[0]]):
            self._join(above, only[0], "nested_only")
        elif any(reports_usage(self._records[i]) for i in below) or (
            len(answered) > 1 and not reports_usage(outer)
        ):
            # More than any one call below: it is the sum of what is below.
            self.sums.add(above)

    def _join_one_to_one(self) -> None:
        by_usage: defaultdict[int, list[int]] = defaultdict(list)
        for members in self._members.values():
            calls = [i for i in members if i not in self.sums]
            if calls:
                first = min(calls, key=self.rank)
                if (key := self._records[first].usage_key) is not None:
                    by_usage[key % (1 << SLICE_BITS)].append(first)
        for calls in by_usage.values():
            if len(calls) > 1:
                self._match_emitters(calls)

    def _match_emitters(self, calls: Sequence[int]) -> None:
        """Match the calls of each emitter with those of the emitters before it, by name."""
        candidates = {i: self._candidate(i) for i in calls}
        if all(each.has_response_key for each in candidates.values()):
            return
        emitters = sorted(
            frozenset[str | None]().union(*(each.emitters for each in candidates.values())),
            key=lambda name: name or "",
        )
        times = {i: (self._records[i].started_ns, end_ns(self._records[i])) for i in calls}
        for number, emitter in enumerate(emitters[1:], start=1):
            before = frozenset(emitters[:number])
            left = [i for i, each in candidates.items() if emitter not in each.emitters]
            pairs = match_in_slices(
                [i for i in left if not before.isdisjoint(candidates[i].emitters)],
                [
                    i
                    for i, each in candidates.items()
                    if emitter in each.emitters and not before <= each.emitters
                ],
                times=times,
                fit=lambda i, j: self._one_to_one_rule(candidates[i], candidates[j]) is not None,
            )
            for i, j in pairs.items():
                self._join(i, j, self._one_to_one_rule(candidates[i], candidates[j]) or "")
                # The joined call stays where it first ended.
                kept, gone = sorted((i, j), key=lambda each: (times[each][1], each))
                del candidates[gone]
                candidates[kept] = self._candidate(kept)

    def _candidate(self, i: int) -> _Candidate:
        members = self._members[self._cluster[i]]
        records = [self._records[j] for j in members]
        return _Candidate(
            members,
            frozenset(self._emitters(i)),
            any(record.response_key is not None for record in records),
            frozenset(record.response_id for record in records if record.response_id),
        )

    def _one_to_one_rule(self, one: _Candidate, other: _Candidate) -> str | None:
        """Return the name of the strongest rule by which two clusters are one call."""
        if not one.emitters.isdisjoint(other.emitters):
            return None
        if one.has_response_key and other.has_response_key:
            # With one id they are joined by it, or it identifies no response.
            return None
        if (
            one.response_ids
            and other.response_ids
            and one.response_ids.isdisjoint(other.response_ids)
        ):
            return None
        for rule in ONE_TO_ONE:
            for i in one.members:
                for j in other.members:
                    if rule.matches(self._records[i], self._records[j]) and not (
                        self._forest.is_above(i, j) or self._forest.is_above(j, i)
                    ):
                        return rule.name
        return None

    def _in_one_trace(self, one: int, other: int) -> bool:
        return self._records[one].trace_id == self._records[other].trace_id

    def _apart_ns(self, one: int, other: int) -> int:
        return abs(end_ns(self._records[one]) - end_ns(self._records[other]))

    def _start(self, i: int) -> tuple[int, int]:
        return self._records[i].started_ns, i
