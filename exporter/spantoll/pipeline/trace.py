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
        seen = {i}
        at = self._parent[i]
        while at is not None and at not in seen:
            if at in wanted:
                return at
            seen.add(at)
            at = self._parent[at]
        return None

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

    def _depths(self) -> list[int]:
        depths: list[int | None] = [None] * len(self._parent)
        for start in range(len(depths)):
            path: list[int] = []
            at: int | None = start
            while at is not None and depths[at] is None and at not in path[-64:]:
                path.append(at)
                depths[at] = -1
                at = self._parent[at]
            base = 0 if at is None or depths[at] == -1 else (depths[at] or 0) + 1
            for step, each in enumerate(reversed(path)):
                depths[each] = base + step
        return [depth or 0 for depth in depths]
