"""Which span is above which, among the records of a group.

Input: records. Output: parents, ancestors and descendants by position in the group. Spans that are
not GenAI spans are not recorded, so a chain of parents may break.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Sequence

from spantoll.records.record import UsageRecord
from spantoll.records.reported import end_ns, is_billable

__all__ = ["Forest"]


class Forest:
    """The parents of the records of a group, by position."""

    def __init__(self, records: Sequence[UsageRecord]) -> None:
        self._records = records
        place = {(each.trace_id, each.span_id): i for i, each in enumerate(records)}
        self._parent = [
            place.get((each.trace_id, each.parent_span_id)) if each.parent_span_id else None
            for each in records
        ]
        self._in_cycle: set[int] = set()
        self._cut_cycles()
        self._calls_above = self._count_calls_above()
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._roots: defaultdict[bytes, list[int]] = defaultdict(list)
        for i, parent in enumerate(self._parent):
            if parent is None:
                self._roots[records[i].trace_id].append(i)
            else:
                self._children[parent].append(i)
        for roots in self._roots.values():
            roots.sort(key=lambda i: records[i].started_ns)

    def calls_above(self, i: int) -> int:
        """Return how many calls are above a record."""
        return self._calls_above[i]

    def depth(self, i: int) -> int:
        """Return how many recorded spans are above a record."""
        depth, above = 0, self._parent[i]
        while above is not None:
            depth, above = depth + 1, self._parent[above]
        return depth

    def nearest_above(self, i: int, wanted: Container[int]) -> int | None:
        """Return the nearest ancestor among `wanted`."""
        above = self._parent[i]
        while above is not None and above not in wanted:
            above = self._parent[above]
        return above

    def is_above(self, one: int, other: int) -> bool:
        """Return True if a record is an ancestor of another."""
        return self.nearest_above(other, (one,)) == one

    def inside(self, i: int) -> list[int]:
        """Return all descendants, and those of the orphans within the time of the span.

        An orphan is a span whose parent is not recorded. The root above the span is none of them,
        even where its time is within.
        """
        found: list[int] = []
        seen = {i}
        todo = [*self._children[i], *self._orphans_within(i)]
        while todo:
            below = todo.pop()
            if below not in seen:
                seen.add(below)
                found.append(below)
                todo += self._children[below]
        return found

    def _orphans_within(self, i: int) -> list[int]:
        record = self._records[i]
        end = end_ns(record)
        own_root = self._root(i)
        roots = self._roots[record.trace_id]
        first = bisect_left(roots, record.started_ns, key=lambda j: self._records[j].started_ns)
        found = []
        for j in roots[first:]:
            other = self._records[j]
            if other.started_ns > end:
                break
            ends_within = end_ns(other) <= end
            # A true root of the trace is inside nothing.
            is_orphan = other.parent_span_id is not None and j not in self._in_cycle
            if j != own_root and is_orphan and ends_within:
                found.append(j)
        return found

    def _root(self, i: int) -> int:
        """Return the topmost span above a record, or the record itself."""
        while (above := self._parent[i]) is not None:
            i = above
        return i

    def _cut_cycles(self) -> None:
        """Drop the parents of spans that are their own ancestors."""
        clear: set[int] = set()
        for start in range(len(self._parent)):
            path: list[int] = []
            on_path: set[int] = set()
            above: int | None = start
            while above is not None and above not in clear and above not in on_path:
                path.append(above)
                on_path.add(above)
                above = self._parent[above]
            if above is not None and above in on_path:
                self._in_cycle.update(path[path.index(above) :])
                for each in path[path.index(above) :]:
                    self._parent[each] = None
            clear |= on_path

    def _count_calls_above(self) -> list[int]:
        counts: list[int] = [-1] * len(self._parent)
        for start in range(len(counts)):
            path: list[int] = []
            above: int | None = start
            while above is not None and counts[above] < 0:
                path.append(above)
                above = self._parent[above]
            for each in reversed(path):
                above = self._parent[each]
                counts[each] = (
                    0 if above is None else counts[above] + is_billable(self._records[above])
                )
        return counts
