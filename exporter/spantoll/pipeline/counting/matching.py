"""One-to-one matching of the calls of two emitters.

Input: two lists of calls, when each ended, and which two may be one call. Output: as many pairs as
there can be, the nearest ends first. Rule: greedy by distance, then augmenting paths (Kuhn's
algorithm), so that a wrong first choice never leaves a pair apart. Calls are not compared each
with each: a call looks at its neighbours in time and skips those already taken.

Time is cut into slices, matched first each alone, then with the slice after every even one, then
after every odd one; a later stage keeps the pairs of an earlier one or exchanges their partners.
This is done for calls that end almost together, then for the rest (`PASSES`). So the pairs of a
call depend on three slices of `SLICE_NS` before and after its own and on no others, however long
equal calls have been coming; and two calls whose ends are near stand together in one stage.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from spantoll.records.keys import SLICE_NS

__all__ = ["match_in_slices"]

STAGES: tuple[Callable[[int], int], ...] = (
    lambda slice_: slice_,
    lambda slice_: slice_ // 2,
    lambda slice_: (slice_ + 1) // 2,
)
"""The number of the block that a slice is in, for each stage."""

Times = tuple[int, int]
"""Start and end, in nanoseconds since the epoch."""


class _Pass(NamedTuple):
    slice_ns: int
    reach_ns: int
    """How far the positions of a pair may be apart."""
    position_ns: Callable[[Times], int]


PASSES = (
    # One emitter's span is around the other's by milliseconds on both sides, so their middles are
    # nearest: by their ends alone, steady traffic would be paired one call off.
    _Pass(SLICE_NS // 2, 100_000_000, lambda times: (times[0] + times[1]) // 2),
    # Zero-length spans, and spans that end when the consumer has read a stream.
    _Pass(SLICE_NS, SLICE_NS, lambda times: times[1]),
)


def match_in_slices(
    left: Sequence[int],
    right: Sequence[int],
    *,
    times: Mapping[int, Times],
    fit: Callable[[int, int], bool],
) -> dict[int, int]:
    """Pair each of `left` with at most one of `right`; ends are at most two slices apart."""
    pairs: dict[int, int] = {}
    for slice_ns, reach_ns, position_ns in PASSES:
        position = {call: position_ns(times[call]) for call in (*left, *right)}
        for stage in STAGES:
            place = {call: stage(times[call][1] // slice_ns) for call in (*left, *right)}
            # Pairs of the stage before that a border of this one parts are kept as they are.
            kept = {
                call for pair in pairs.items() if place[pair[0]] != place[pair[1]] for call in pair
            }
            blocks: defaultdict[int, tuple[list[int], list[int]]]
            blocks = defaultdict(lambda: ([], []))
            for side, calls in enumerate((left, right)):
                for call in calls:
                    if call not in kept:
                        blocks[place[call]][side].append(call)
            for ours, theirs in blocks.values():
                known = {call: pairs[call] for call in ours if call in pairs}
                if len(known) < min(len(ours), len(theirs)):
                    pairs |= _Matching(ours, theirs, known, position, reach_ns, fit).pairs()
    return pairs


class _Free:
    """The positions of a list that are not removed; the next one in one step (union-find)."""

    def __init__(self, size: int) -> None:
        self._after = list(range(size + 1))
        self._before = list(range(size + 1))

    def remove(self, position: int) -> None:
        self._after[position] = position + 1
        self._before[position + 1] = position

    def at_or_after(self, position: int) -> int:
        return _root(self._after, position)

    def at_or_before(self, position: int) -> int:
        """Return the position, or -1."""
        return _root(self._before, position + 1) - 1


def _root(parents: list[int], start: int) -> int:
    root = start
    while parents[root] != root:
        root = parents[root]
    while parents[start] != root:
        parents[start], start = root, parents[start]
    return root


class _Matching:
    """The calls of one block, by index in the order of their positions in time."""

    def __init__(
        self,
        left: Sequence[int],
        right: Sequence[int],
        known: Mapping[int, int],
        position_ns: Mapping[int, int],
        reach_ns: int,
        fit: Callable[[int, int], bool],
    ) -> None:
        self._left = sorted(left, key=lambda call: (position_ns[call], call))
        self._right = sorted(right, key=lambda call: (position_ns[call], call))
        self._left_ns = [position_ns[call] for call in self._left]
        self._right_ns = [position_ns[call] for call in self._right]
        self._reach_ns = reach_ns
        self._fit = fit
        place = {call: v for v, call in enumerate(self._right)}
        self._right_of = {u: place[known[c]] for u, c in enumerate(self._left) if c in known}
        self._left_of = {v: u for u, v in self._right_of.items()}

    def pairs(self) -> dict[int, int]:
        """Return the pairs by the call of the left side."""
        self._match_nearest()
        self._augment()
        return {self._left[u]: self._right[v] for u, v in self._right_of.items()}

    def _match_nearest(self) -> None:
        free = _Free(len(self._right))
        for v in self._left_of:
            free.remove(v)
        walks = {
            u: self._nearest_first(u, free)
            for u in range(len(self._left))
            if u not in self._right_of
        }
        heap = [(found[0], u, found[1]) for u, walk in walks.items() if (found := next(walk, None))]
        heapify(heap)
        while heap:
            # Of equal distances the same call goes on, so that not all move on together.
            _, u, v = heappop(heap)
            if v not in self._left_of:
                self._pair(u, v)
                free.remove(v)
            elif found := next(walks[u], None):
                heappush(heap, (found[0], u, found[1]))

    def _nearest_first(self, u: int, free: _Free) -> Iterator[tuple[int, int]]:
        """Give (distance, position) of those that fit and are free, outward from u."""
        position = self._left_ns[u]
        start = bisect_left(self._right_ns, position)
        before, after = start - 1, start
        while True:
            before, after = free.at_or_before(before), free.at_or_after(after)
            to_before = position - self._right_ns[before] if before >= 0 else self._reach_ns + 1
            to_after = (
                self._right_ns[after] - position if after < len(self._right) else self._reach_ns + 1
            )
            distance = min(to_before, to_after)
            if distance > self._reach_ns:
                return
            if to_after <= to_before:
                v, after = after, after + 1
            else:
                v, before = before, before - 1
            if self._fit(self._left[u], self._right[v]):
                yield distance, v

    def _augment(self) -> None:
        """Find a place for what the nearest-first choice left over."""
        for u in range(len(self._left)):
            if len(self._left_of) == len(self._right):
                return
            if u not in self._right_of and self._has_free_near(u):
                self._search(u)

    def _has_free_near(self, start: int) -> bool:
        return any(v not in self._left_of for v in self._near(start, self._reach_ns))

    def _near(self, u: int, reach_ns: int) -> range:
        position = self._left_ns[u]
        first = bisect_left(self._right_ns, position - reach_ns)
        return range(first, bisect_right(self._right_ns, position + reach_ns))

    def _search(self, start: int) -> None:
        """Pair a call by an augmenting path to a free one near it."""
        goals = self._near(start, self._reach_ns)
        around = self._near(start, 2 * self._reach_ns)
        unseen = _Free(len(self._right))
        reached_from: dict[int, int] = {}
        queue = deque([start])
        while queue:
            u = queue.popleft()
            near = self._near(u, self._reach_ns)
            v = unseen.at_or_after(max(near.start, around.start))
            while v < min(near.stop, around.stop):
                if (v in self._left_of or v in goals) and self._fit(self._left[u], self._right[v]):
                    unseen.remove(v)
                    reached_from[v] = u
                    if v not in self._left_of:
                        self._turn(v, reached_from)
                        return
                    queue.append(self._left_of[v])
                v = unseen.at_or_after(v + 1)

    def _turn(self, v: int, reached_from: Mapping[int, int]) -> None:
        """Exchange the pairs along an augmenting path that ends at the free `v`."""
        while True:
            u = reached_from[v]
            previous = self._right_of.get(u)
            self._pair(u, v)
            if previous is None:
                return
            v = previous

    def _pair(self, u: int, v: int) -> None:
        self._right_of[u] = v
        self._left_of[v] = u
