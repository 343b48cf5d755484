"""Which calls of one connected group are billed, and which repeat another.

A pure function of the spans' own facts: no order, no batch and no earlier decision plays a part, so
late parents, late children and re-deliveries end in the same answer. Sources of the rules:
semantic-conventions-genai (agent spans aggregate their children, `fetch_response` reports no
usage), langfuse#14754, #9344, dd-trace-js#8936, openinference#2101 (doubles of one call).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from spantoll.pipeline.trace import Forest
from spantoll.pipeline.witness import (
    clear_of,
    has_usage,
    is_billable,
    rank,
    same_model,
    same_usage,
)
from spantoll.records.record import UsageRecord

__all__ = ["Verdict", "count"]


class Verdict(NamedTuple):
    """What becomes of one record."""

    counted: bool
    reason: str
    """Counted: sole, counted (others repeat it), aggregate_sole_witness, fetch_sole_witness. Not
    counted: aggregate, fetch, tool, or by what it was found to repeat another: response_id, nested,
    beside, stream_pair, twin, told_by_aggregate."""
    repeats: int | None = None
    """Position of the counted record it repeats."""
    witnesses: tuple[int, ...] = ()
    """Positions of all that tell of the call of a counted record, the richest first."""


MOMENT_SLACK_NS = 1_000_000_000
"""How long after the end of a stream an instrumentation tells its usage."""

COINCIDENCE_NS = 50_000_000
"""How far the ends of two spans of one call may be apart, where neither is within the other."""

SLACK_NS = 300 * 1_000_000_000
"""How far the clocks of two machines that saw one call may be apart."""


def count(records: Sequence[UsageRecord]) -> list[Verdict]:
    """Decide for every record of a group; verdicts stand in the order of the records."""
    order = sorted(range(len(records)), key=lambda i: (records[i].trace_id, records[i].span_id))
    ordered = [records[i] for i in order]
    verdicts = _Count(ordered).verdicts()
    answer: list[Verdict] = [Verdict(counted=False, reason="")] * len(records)
    for new, verdict in enumerate(verdicts):
        answer[order[new]] = verdict._replace(
            repeats=None if verdict.repeats is None else order[verdict.repeats],
            witnesses=tuple(order[each] for each in verdict.witnesses),
        )
    return answer


class _Count:
    """One decision, step by step; every step only joins calls, none takes apart."""

    def __init__(self, records: Sequence[UsageRecord]) -> None:
        self.records = records
        self.forest = Forest(records)
        self.calls = [i for i, record in enumerate(records) if is_billable(record)]
        self.cluster = {i: i for i in self.calls}
        self.members = {i: [i] for i in self.calls}
        self.how: dict[int, str] = {}
        self.rolled_up: set[int] = set()

    def verdicts(self) -> list[Verdict]:
        """Run the steps, strongest evidence first."""
        self._join_stream_pairs()
        self._join_response_ids()
        self._join_nested()
        self._join_beside()
        self._join_twins()
        verdicts: list[Verdict | None] = [None] * len(self.records)
        self._settle_calls(verdicts)
        self._settle_aggregates(verdicts)
        self._settle_fetches(verdicts)
        return [
            verdict or Verdict(counted=False, reason=record.role)
            for verdict, record in zip(verdicts, self.records, strict=True)
        ]

    def _join(self, one: int, other: int, how: str) -> None:
        a, b = self.cluster[one], self.cluster[other]
        if a == b:
            return
        if len(self.members[a]) < len(self.members[b]):
            a, b = b, a
        for each in self.members[b]:
            self.cluster[each] = a
        self.members[a] += self.members.pop(b)
        self.how.setdefault(one, how)
        self.how.setdefault(other, how)

    def _may_join(self, one: int, other: int) -> bool:
        """Two spans of one instrumentation are two calls, unless stronger evidence joined them."""
        a, b = self.cluster[one], self.cluster[other]
        return a == b or self._scopes(a).isdisjoint(self._scopes(b))

    def _scopes(self, cluster: int) -> set[str | None]:
        """Whose spans tell the usage of a call; a silent one may still wait for its moment."""
        return {
            record.scope_name
            for i in self.members[cluster]
            if has_usage(record := self.records[i]) or len(self.members[cluster]) == 1
        }

    def _join_stream_pairs(self) -> None:
        """Join a request span without usage and the moment behind it that told the usage.

        Logfire ends the span of a stream when it begins and tells its usage in a span of no length
        with the same parent.
        """
        waiting: defaultdict[object, list[int]] = defaultdict(list)
        moments: defaultdict[object, list[int]] = defaultdict(list)
        for i in self.calls:
            record = self.records[i]
            key: object = (
                *(record.trace_id, record.parent_span_id),
                *(record.scope_name, record.request_model),
            )
            if not has_usage(record) and record.status == "success":
                waiting[key].append(i)
            elif record.duration_ns == 0:
                moments[key].append(i)
        for family, later in moments.items():
            requests = sorted(waiting.get(family, ()), key=self._start)
            for moment in sorted(later, key=self._start):
                before = [i for i in requests if self._start(i) <= self._start(moment)]
                if before:
                    requests.remove(before[0])
                    self._join(before[0], moment, "stream_pair")

    def _join_response_ids(self) -> None:
        by_id: defaultdict[str, list[int]] = defaultdict(list)
        for i in self.calls:
            if key := _answer(self.records[i]):
                by_id[key].append(i)
        for same in by_id.values():
            for one, other in _pairs(same):
                if self._one_answer(one, other):
                    self._join(one, other, "response_id")

    def _one_answer(self, one: int, other: int) -> bool:
        """A response id alone is a hint: small servers give every answer the same."""
        a, b = self.records[one], self.records[other]
        if same_usage(a, b) or not (has_usage(a) and has_usage(b)):
            return _overlap(a, b, SLACK_NS)
        # Two instrumentations may disagree by a token, but share an id and a moment by no chance.
        return (a.trace_id == b.trace_id or a.scope_name != b.scope_name) and _within(a, b)

    def _join_nested(self) -> None:
        """Join a call with the call directly above it, where one is the other seen from outside."""
        below: defaultdict[int, list[int]] = defaultdict(list)
        for i in self.calls:
            above = self.forest.nearest_above(i, self.cluster)
            if above is not None:
                below[above].append(i)
        # Innermost first, so that a chain of three instrumentations joins link by link.
        for above in sorted(below, key=self.forest.depth, reverse=True):
            self._join_below(above, sorted(below[above], key=self._start))

    def _join_below(self, above: int, below: Sequence[int]) -> None:
        outer = self.records[above]
        joined = [i for i in below if self.cluster[i] == self.cluster[above]]
        if any(self.records[i].scope_name != outer.scope_name for i in joined):
            return
        # An instrumentation's own event of the call stands below its span and answers for nobody.
        below = [i for i in below if i not in joined]
        answered = [i for i in below if self.records[i].status == "success"]
        if has_usage(outer):
            same = [i for i in answered if same_usage(outer, self.records[i])]
            silent = [i for i in answered if not has_usage(self.records[i])]
            if same:
                self._join(above, same[-1], "nested")
            elif len(answered) == 1 and (silent or not clear_of(outer, self.records[answered[0]])):
                self._join(above, answered[0], "nested")
            elif any(has_usage(self.records[i]) for i in below):
                # More than any one call below: it adds up what is below.
                self.rolled_up.add(above)
        elif len(answered) == 1 or (not answered and below):
            self._join(above, (answered or list(below))[-1], "nested")
        elif len(answered) > 1:
            self.rolled_up.add(above)

    def _join_beside(self) -> None:
        """Join calls of two instrumentations beside each other: equal usage at the same time.

        Instrumentations that back-date their spans, or hang them under a parent nobody sent, leave
        no other trace of being one call.
        """
        buckets: defaultdict[object, list[int]] = defaultdict(list)
        for i in self.calls:
            record = self.records[i]
            if i in self.rolled_up:
                continue
            told: object = (record.status, record.request_model)
            if has_usage(record):
                told = record.output_tokens or ("input", record.input_tokens)
            buckets[record.trace_id, told].append(i)
        for bucket in buckets.values():
            for one, other in self._overlapping(bucket):
                a, b = self.records[one], self.records[other]
                if a.response_id and b.response_id and a.response_id != b.response_id:
                    continue
                if self.forest.is_above(one, other) or self.forest.is_above(other, one):
                    continue
                equal = same_usage(a, b) if has_usage(a) else _within(a, b)
                if equal and same_model(a, b) and self._may_join(one, other):
                    self._join(one, other, "beside")

    def _join_twins(self) -> None:
        """Join a call without response id with one in another trace at the same time.

        See `records.twin_key`, which is equal where the usage, the service and the minute are.
        """
        nameless: defaultdict[int, list[int]] = defaultdict(list)
        named: defaultdict[int, list[int]] = defaultdict(list)
        for i in self.calls:
            record = self.records[i]
            if record.twin_key is not None and i not in self.rolled_up:
                (nameless if record.response_key is None else named)[record.twin_key].append(i)
        for key, without in nameless.items():
            pairs = sorted(
                (abs(self._start(one) - self._start(other)), one, other)
                for at, one in enumerate(without)
                for other in (*named[key], *without[at + 1 :])
                if self._is_twin(one, other)
            )
            taken: set[int] = set()
            for _, one, other in pairs:
                if taken.isdisjoint((one, other)) and self._may_join(one, other):
                    taken |= {one, other}
                    self._join(one, other, "twin")

    def _is_twin(self, nameless: int, other: int) -> bool:
        a, b = self.records[nameless], self.records[other]
        return (
            a.trace_id != b.trace_id
            and _stand_for_one_call(a, b)
            and same_usage(a, b)
            and same_model(a, b)
            and not self._has_answer(nameless)
            and not (b.response_key is None and self._has_answer(other))
        )

    def _has_answer(self, call: int) -> bool:
        return any(_answer(self.records[i]) for i in self.members[self.cluster[call]])

    def _overlapping(self, bucket: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Pairs whose times overlap, the nearest starts first."""
        inorder = sorted(bucket, key=self._start)
        found = []
        for at, one in enumerate(inorder):
            for other in inorder[at + 1 : at + 9]:
                if self._start(other) > self._end(one):
                    break
                found.append((self._start(other) - self._start(one), one, other))
        return ((one, other) for _, one, other in sorted(found))

    def _settle_calls(self, verdicts: list[Verdict | None]) -> None:
        for members in self.members.values():
            told = [i for i in members if i not in self.rolled_up]
            if not told:
                for i in members:
                    verdicts[i] = Verdict(counted=False, reason="aggregate")
                continue
            best, *others = sorted(told, key=lambda i: rank(self.records[i], self.forest.depth(i)))
            reason = "counted" if others else "sole"
            verdicts[best] = Verdict(counted=True, reason=reason, witnesses=(best, *others))
            for i in others:
                how = self.how.get(i) or self.how.get(best) or "nested"
                verdicts[i] = Verdict(counted=False, reason=how, repeats=best)
            for i in set(members) - set(told):
                verdicts[i] = Verdict(counted=False, reason="aggregate")

    def _settle_aggregates(self, verdicts: list[Verdict | None]) -> None:
        """Bill an aggregate only where it is the only witness of what was used below it."""
        aggregates = [
            i
            for i, record in enumerate(self.records)
            if record.role == "aggregate" and has_usage(record)
        ]
        counted_below: set[int] = set()
        for i in sorted(aggregates, key=self.forest.depth, reverse=True):
            below = [
                j
                for j in self.forest.inside(i)
                if self.records[j].role != "aggregate" or j in counted_below
            ]
            calls = [j for j in below if is_billable(self.records[j]) or j in counted_below]
            if any(has_usage(self.records[j]) for j in calls):
                continue
            silent = [
                j
                for j in calls
                if self.records[j].status == "success"
                and (verdict := verdicts[j]) is not None
                and verdict.counted
            ]
            if len(silent) == 1 and (alone := verdicts[call := silent[0]]) is not None:
                verdicts[call] = alone._replace(witnesses=(*alone.witnesses, i))
                verdicts[i] = Verdict(counted=False, reason="told_by_aggregate", repeats=call)
            else:
                known = (i, *self._only_model_below(i))
                verdicts[i] = Verdict(
                    counted=True, reason="aggregate_sole_witness", witnesses=known
                )
                for j in silent:
                    verdicts[j] = Verdict(counted=False, reason="told_by_aggregate", repeats=i)
            counted_below.add(i)

    def _only_model_below(self, above: int) -> list[int]:
        """Find who names the model that an aggregate does not, if there is but one below it."""
        if _models(self.records[above]):
            return []
        naming = [
            i
            for i in sorted(self.forest.inside(above), key=lambda i: self.records[i].span_id)
            if _models(self.records[i]) and self.records[i].status == "success"
        ]
        return naming[:1] if len({_models(self.records[i]) for i in naming}) == 1 else []

    def _settle_fetches(self, verdicts: list[Verdict | None]) -> None:
        """Bill a fetched response once, and only if the call that made it was not seen."""
        billed = {
            key: i
            for i, record in enumerate(self.records)
            if (key := _answer(record)) and (verdict := verdicts[i]) is not None and verdict.counted
        }
        fetched: defaultdict[str, list[int]] = defaultdict(list)
        for i, record in enumerate(self.records):
            if record.role == "fetch" and (key := _answer(record)) and has_usage(record):
                fetched[key].append(i)
        for response_id, fetches in fetched.items():
            if response_id in billed:
                for i in fetches:
                    verdicts[i] = Verdict(False, "response_id", repeats=billed[response_id])
                continue
            last, *others = sorted(fetches, key=lambda i: (-self._start(i), i))
            verdicts[last] = Verdict(True, "fetch_sole_witness", witnesses=(last, *others))
            for i in others:
                verdicts[i] = Verdict(False, "response_id", repeats=last)

    def _start(self, i: int) -> int:
        return self.records[i].started_ns

    def _end(self, i: int) -> int:
        return _end(self.records[i])


def _pairs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours, and the first with all: enough to join what belongs together, and linear."""
    yield from pairwise(indexes)
    yield from ((indexes[0], other) for other in indexes[2:])


def _answer(record: UsageRecord) -> str | None:
    """The response id, if it is long enough to mean one response (see `records.response_key`)."""
    return record.response_id if record.response_key is not None else None


def _models(record: UsageRecord) -> tuple[str, ...]:
    return tuple(name for name in (record.request_model, record.response_model) if name)


def _end(record: UsageRecord) -> int:
    return record.started_ns + (record.duration_ns or 0)


def _stand_for_one_call(a: UsageRecord, b: UsageRecord) -> bool:
    """Tell whether the times of two spans, taken from anywhere around a call, fit."""
    return _within(a, b) or _coincide(a, b) or _follows(a, b) or _follows(b, a)


def _coincide(a: UsageRecord, b: UsageRecord) -> bool:
    """Tell whether two spans begin and end together: both stand around one call."""
    apart_ns = max(abs(a.started_ns - b.started_ns), abs(_end(a) - _end(b)))
    return apart_ns <= COINCIDENCE_NS


def _follows(moment: UsageRecord, b: UsageRecord) -> bool:
    """Tell whether a moment is just behind the end of a span."""
    late_ns = moment.started_ns - _end(b)
    return moment.duration_ns == 0 and 0 <= late_ns <= MOMENT_SLACK_NS


def _overlap(a: UsageRecord, b: UsageRecord, slack_ns: int) -> bool:
    return a.started_ns <= _end(b) + slack_ns and b.started_ns <= _end(a) + slack_ns


def _within(a: UsageRecord, b: UsageRecord) -> bool:
    """Tell whether the time of one lies within the other's."""
    return (a.started_ns <= b.started_ns and _end(b) <= _end(a)) or (
        b.started_ns <= a.started_ns and _end(a) <= _end(b)
    )
