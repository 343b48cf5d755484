"""How many calls took how long: the distribution that percentiles of latency are ranks of.

Input: a `Query`, of which filters and period count. Output: the buckets that have calls, in
ascending order. They are those of `percentiles`: bucket b holds (1.04^(b-1), 1.04^b] ms, bucket 0
up to 1 ms. Read from roll-ups of latency where these have the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from spantoll.query.bucket_ends import find_bucket_ends
from spantoll.query.conditions import make_filter_conditions
from spantoll.query.percentiles import WIDTH
from spantoll.query.plan import Plan, Span, leave_out_deleted
from spantoll.query.query import Query
from spantoll.query.retention import answer_whole
from spantoll.query.roll_ups import make_plan, read_gaps
from spantoll.query.run import reading
from spantoll.query.statement import select_values
from spantoll.records.columns import usage_record
from spantoll.storage.roll_up_pending import read_pending_after

__all__ = ["LatencyCount", "count_latencies", "find_bucket_end_ms"]


class LatencyCount(NamedTuple):
    """The records of one bucket."""

    bucket: int
    records: int


def count_latencies(engine: Engine, query: Query) -> Sequence[LatencyCount]:
    """Count the records of each bucket; records without a duration are in none.

    Raises StoreUnavailable when the database cannot be read.
    """
    with reading(engine) as connection:
        return answer_whole(connection, partial(_count, connection, query))


def _count(connection: Connection, query: Query, deleted_before_ns: int) -> list[LatencyCount]:
    column = usage_record.c.latency_bucket
    period = Span(query.start_ns, query.end_ns)
    rolled = query.roll_ups and not query.uncounted
    gaps = read_gaps(connection, deleted_before_ns) if rolled else None
    plan = Plan((), (period,))
    if gaps is not None:
        plan = make_plan(
            period,
            needed=[column, *make_filter_conditions(query)],
            gaps=gaps,
            bucket_ends=find_bucket_ends(connection, query.end_ns, deleted_before_ns),
            pending_after=read_pending_after(connection),
        )
    plan = leave_out_deleted(plan, deleted_before_ns)
    rows = connection.execute(select_values(query, [], column, plan))
    return [LatencyCount(int(bucket), int(records)) for bucket, records in rows]


def find_bucket_end_ms(bucket: int) -> float:
    """Return the longest duration of a bucket in milliseconds."""
    return float(WIDTH**bucket)
