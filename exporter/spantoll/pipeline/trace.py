from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Sequence

from spantoll.records.record import UsageRecord

__all__ = ["Forest"]


class Forest:
    """The parents of the records of a group, by position.

    Spans that are not GenAI spans are not recorded, so a chain of parents may break; then what lies
    within the time of a span of the same trace counts as inside it.
    """

    def __init__(self, records: Sequence[UsageRecord]) -> None:
        self._records = records
        place = {(each.trace_id, each.span_id): i for i, each in enumerate(records)}
        self._parent = [
            place.get((each.trace_id, each.parent_span_id)) if each.parent_span_id else None
            for each in records
        ]
        self._cut_cycles()
        self._depth = self._depths()
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._roots: defaultdict[bytes, list[int]] = defaultdict(list)
        for i, parent in enumerate(self._parent):
            if parent is None:
                self._roots[records[i].trace_id].append(i)
            else:
                self._children[parent].append(i)
        for roots in self._roots.values():
            roots.sort(key=lambda i: records[i].started_ns)

    def depth(self, i: int) -> int:
        """How many recorded spans are above a record."""
        return self._depth[i]

    def nearest_above(self, i: int, wanted: Container[int]) -> int | None:
        """The nearest ancestor among `wanted`."""
        at = self._parent[i]
        while at is not None and at not in wanted:
            at = self._parent[at]
        return at

    def is_above(self, one: int, other: int) -> bool:
        """Tell whether a record is an ancestor of another."""
        return self.nearest_above(other, (one,)) == one

    def inside(self, i: int) -> list[int]:
        """All descendants, and what hangs from no recorded span but lies within the time."""
        found: list[int] = []
        seen = {i}
        todo = [*self._children[i], *self._adrift(i)]
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                found.append(at)
                todo += self._children[at]
        return found

    def _adrift(self, i: int) -> list[int]:
        record = self._records[i]
        end = record.started_ns + (record.duration_ns or 0)
        roots = self._roots[record.trace_id]
        first = bisect_left(roots, record.started_ns, key=lambda j: self._records[j].started_ns)
        found = []
        for j in roots[first:]:
            other = self._records[j]
            if other.started_ns > end:
                break
            ends_within = other.started_ns + (other.duration_ns or 0) <= end
            # A true root of the trace is inside nothing.
            if j != i and other.parent_span_id is not None and ends_within:
                found.append(j)
        return found

    def _cut_cycles(self) -> None:
        """Forget the parents of spans that are their own ancestors: such a claim says nothing."""
        clear: set[int] = set()
        for start in range(len(self._parent)):
            path: list[int] = []
            on_path: set[int] = set()
            at: int | None = start
            while at is not None and at not in clear and at not in on_path:
                path.append(at)
                on_path.add(at)
                at = self._parent[at]
            if at is not None and at in on_path:
                for each in path[path.index(at) :]:
                    self._parent[each] = None
            clear |= on_path

    def _depths(self) -> list[int]:
        depths: list[int] = [-1] * len(self._parent)
        for start in range(len(depths)):
            path: list[int] = []
            at: int | None = start
            while at is not None and depths[at] < 0:
                path.append(at)
                at = self._parent[at]
            above = -1 if at is None else depths[at]
            for step, each in enumerate(reversed(path), start=1):
                depths[each] = above + step
        return depths
