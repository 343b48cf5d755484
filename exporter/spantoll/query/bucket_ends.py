"""Read the last bucket of a period whole, although the period ends within it: one that ends now.

Input: the end of a period. Output: the ends of the buckets in which it lies and after which few
records start before the bucket ends. Such a bucket is read from its roll-up, and those few records
are subtracted; the records of the bucket, a quarter of an hour or a day of ingest, are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from spantoll.query.plan import Span
from spantoll.query.windows import LAST_NS, Window
from spantoll.records.columns import usage_record
from spantoll.storage.roll_ups import ROLL_UPS, RollUp, has_roll_ups

__all__ = ["BucketEnd", "extend_to_bucket", "find_bucket_ends"]

MOST_SUBTRACTED = 1_000
"""Records: about as much work as the rows of a roll-up in a bucket."""

WIDTHS_NS = frozenset(each.width_ns for each in ROLL_UPS)

r = usage_record.c


class BucketEnd(NamedTuple):
    """The end of a bucket in which a period ends."""

    end_ns: int
    is_empty: bool
    """Whether no record starts between the end of the period and that of the bucket."""


def find_bucket_ends(
    connection: Connection, end_ns: int | None, deleted_before_ns: int
) -> list[BucketEnd]:
    """Find the ends of the buckets of a period's end before which few records start.

    Of a bucket before the mark of retention the records are deleted, not few; after it, ClickHouse
    has no roll-ups.
    """
    if end_ns is None or end_ns <= deleted_before_ns or not has_roll_ups(connection):
        return []
    found = []
    for bucket_end_ns in {end_ns + -end_ns % width_ns for width_ns in WIDTHS_NS}:
        if not end_ns < bucket_end_ns <= LAST_NS:
            continue
        later = select(r.id).where(r.started_ns >= end_ns, r.started_ns < bucket_end_ns)
        counted = later.limit(MOST_SUBTRACTED + 1).subquery()
        records = connection.scalar(select(func.count()).select_from(counted)) or 0
        if records <= MOST_SUBTRACTED:
            found.append(BucketEnd(bucket_end_ns, records == 0))
    return found


def extend_to_bucket(
    period: Span,
    sources: Sequence[RollUp],
    covering: Sequence[Window],
    bucket_ends: Sequence[BucketEnd],
) -> tuple[Span, Span | None]:
    """Let a period end with the widest bucket that can be read whole.

    Returns the period, and of which records the sums are to be subtracted.
    """
    if period.end_ns is None or not bucket_ends:
        return period, None
    is_empty = dict(bucket_ends)
    last_ns = covering[-1].end_ns if covering else LAST_NS
    for source in sources:
        end_ns = period.end_ns + -period.end_ns % source.width_ns
        starts_before = (period.start_ns or 0) <= end_ns - source.width_ns
        if end_ns in is_empty and end_ns <= last_ns and starts_before:
            later = None if is_empty[end_ns] else Span(period.end_ns, end_ns)
            return Span(period.start_ns, end_ns), later
    return period, None
