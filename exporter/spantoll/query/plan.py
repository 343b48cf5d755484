"""From where a query is read: periods, each from one roll-up or from the records.

Input: periods, and what is known of them: gaps of roll-ups, the mark of retention. Output: a
`Plan`, whose periods are disjoint and together exactly the period of the query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from spantoll.query.windows import LAST_NS
from spantoll.storage.roll_ups import RollUp

__all__ = ["ClosedSpan", "Cut", "Plan", "Span", "leave_out_deleted", "subtract_gaps"]


class Span(NamedTuple):
    """A half-open period; None is the beginning or the end of the ledger."""

    start_ns: int | None
    end_ns: int | None

    def close(self) -> ClosedSpan:
        """Name both ends."""
        return ClosedSpan(self.start_ns or 0, LAST_NS if self.end_ns is None else self.end_ns)


class ClosedSpan(NamedTuple):
    """A half-open period with both ends."""

    start_ns: int
    end_ns: int


class Cut(NamedTuple):
    """Wide buckets of which some lie in two windows: UTC days, where days of a zone are asked for.

    A bucket counts to the window of its middle. What started in its other windows, the `parts`, is
    read from a finer source, added to the window in which it started, and subtracted from the one
    of the middle: sums of integers, so the answer is exact.
    """

    roll_up: RollUp
    """Of the wide buckets."""
    spans: tuple[ClosedSpan, ...]
    """Of whole wide buckets."""
    finer: RollUp | None
    """Of whose buckets each lies in one window; None: the records."""
    parts: tuple[ClosedSpan, ...]


class Plan(NamedTuple):
    """What is read from where; the periods are disjoint."""

    roll_ups: tuple[tuple[RollUp, tuple[Span, ...]], ...]
    records: tuple[Span, ...]
    missing: tuple[Span, ...] = ()
    """Periods whose records are deleted and that no roll-up answers for."""
    cut: Cut | None = None
    """Buckets that begin in one window and end in another."""
    subtracted: Span | None = None
    """The records from the end of the period to that of its last bucket, which is read whole."""
    pending_after: int | None = None
    """Records of higher ids are in no roll-up yet; None where every record is."""

    @property
    def reads_roll_ups(self) -> bool:
        """Whether anything is read from a roll-up."""
        return bool(self.roll_ups) or self.cut is not None

    def describe(self) -> list[str]:
        """Name the sources, each with the number of its periods."""
        counts: Counter[str] = Counter()
        if self.cut is not None:
            counts[self.cut.roll_up.name] += len(self.cut.spans)
        for roll_up, spans in self.roll_ups:
            counts[roll_up.name] += len(spans)
        if self.cut is not None and self.cut.parts:
            counts[self.cut.finer.name if self.cut.finer else "records"] += len(self.cut.parts)
        if records := len(self.records) + (self.subtracted is not None):
            counts["records"] += records
        if self.pending_after is not None:
            counts["new records"] += 1
        return [f"{name}: {count} period{'s' * (count > 1)}" for name, count in counts.items()]


def leave_out_deleted(plan: Plan, deleted_before_ns: int) -> Plan:
    """Read no records that started before the mark of retention: some are there, most are not."""
    kept: list[Span] = []
    missing: list[Span] = []
    for span in plan.records:
        if (span.start_ns or 0) >= deleted_before_ns:
            kept.append(span)
            continue
        end_ns = LAST_NS if span.end_ns is None else span.end_ns
        missing.append(Span(span.start_ns, min(end_ns, deleted_before_ns)))
        if end_ns > deleted_before_ns:
            kept.append(Span(deleted_before_ns, span.end_ns))
    cut = plan.cut
    if cut is not None and cut.finer is None:
        before = [Span(0, deleted_before_ns)]  # the mark is the beginning of a UTC day
        divided = [subtract_gaps(Span(*span), before) for span in cut.spans]
        missing += [span for _, deleted in divided for span in deleted]
        spans = tuple(span.close() for left, _ in divided for span in left)
        parts = tuple(part for part in cut.parts if part.start_ns >= deleted_before_ns)
        cut = cut._replace(spans=spans, parts=parts) if spans else None
    return plan._replace(records=tuple(kept), missing=tuple(missing), cut=cut)


def subtract_gaps(span: Span, gaps: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """Part a span into what no gap covers, and what is in one."""
    valid: list[Span] = []
    invalid: list[Span] = []
    start_ns = span.start_ns or 0
    end_ns = LAST_NS if span.end_ns is None else span.end_ns
    at_ns = start_ns
    for gap_start_ns, gap_end_ns in sorted((gap.start_ns or 0, gap.end_ns or 0) for gap in gaps):
        if gap_end_ns <= at_ns or gap_start_ns >= end_ns:
            continue
        if gap_start_ns > at_ns:
            valid.append(Span(at_ns, gap_start_ns))
        first_ns = max(at_ns, gap_start_ns)
        at_ns = min(gap_end_ns, end_ns)
        is_open = span.end_ns is None and at_ns == LAST_NS
        invalid.append(Span(first_ns, None if is_open else at_ns))
    if at_ns < end_ns:
        valid.append(Span(at_ns or None, span.end_ns))
    return valid, invalid
