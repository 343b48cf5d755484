"""Read windows of a zone from buckets that are cut by them: days of Berlin from UTC days.

Input: a period, the windows that cover it, and a roll-up whose buckets may lie in two windows.
Output: a `Cut`, and the periods that are to be read otherwise. A day of a zone one hour ahead of
UTC is a UTC day, and its last hour of the UTC day before, without the last hour of its own: of the
buckets of 15 minutes, 4 of 96 are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spantoll.query.plan import ClosedSpan, Cut, Span, subtract_gaps
from spantoll.query.windows import Window
from spantoll.storage.roll_ups import RollUp

__all__ = ["cut_buckets"]


def cut_buckets(
    period: Span,
    covering: Sequence[Window],
    *,
    roll_up: RollUp,
    finer: RollUp | None,
    gaps: Sequence[Span],
) -> tuple[Cut | None, list[Span]]:
    """Divide a period into whole buckets of a roll-up, and what is read otherwise.

    Windows narrower than the buckets are not worth it: their parts are most of each bucket.
    """
    width_ns = roll_up.width_ns
    start_ns = covering[0].start_ns if period.start_ns is None else period.start_ns
    end_ns = covering[-1].end_ns if period.end_ns is None else period.end_ns
    inside = ClosedSpan(start_ns + -start_ns % width_ns, end_ns - end_ns % width_ns)
    if inside.start_ns >= inside.end_ns:
        return None, [period]
    valid, invalid = subtract_gaps(Span(*inside), gaps)
    spans = [span.close() for span in valid]
    parts = tuple(
        part
        for part in _list_parts(covering, width_ns)
        if any(span.start_ns <= part.start_ns and part.end_ns <= span.end_ns for span in spans)
    )
    if not spans or 2 * _sum_lengths(parts) > _sum_lengths(spans):
        return None, [period]
    before, after = Span(period.start_ns, inside.start_ns), Span(inside.end_ns, period.end_ns)
    outside = [span for span in (before, *invalid, after) if span.start_ns != span.end_ns]
    return Cut(roll_up, tuple(spans), finer, parts), outside


def _list_parts(covering: Sequence[Window], width_ns: int) -> Iterator[ClosedSpan]:
    """List the parts of buckets that are in another window than the middle of their bucket."""
    for window in covering:
        into_ns = window.start_ns % width_ns
        bucket_ns = window.start_ns - into_ns
        if 0 < into_ns <= width_ns // 2:
            yield ClosedSpan(bucket_ns, window.start_ns)
        elif into_ns:
            yield ClosedSpan(window.start_ns, bucket_ns + width_ns)


def _sum_lengths(spans: Sequence[ClosedSpan]) -> int:
    return sum(span.end_ns - span.start_ns for span in spans)
