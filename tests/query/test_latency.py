from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from spantoll.query import Query, count_latencies, find_bucket_end_ms, parse_filters
from spantoll.records import UsageRecord
from spantoll.records.build import latency_bucket
from tests.query.conftest import Write

MS = 1_000_000
DURATIONS_MS = (0, 1, 2, 2, 40, 812, 812, 65_000)


@pytest.mark.parametrize("roll_ups", [True, False])
def test_each_bucket_has_as_many_records_as_it_holds(
    ledger: Write, record: Callable[..., UsageRecord], roll_ups: bool
) -> None:
    buckets = [latency_bucket(ms * MS) for ms in DURATIONS_MS]
    engine = ledger(
        *(
            record(duration_ns=ms * MS, latency_bucket=bucket, model="gpt-4o")
            for ms, bucket in zip(DURATIONS_MS, buckets, strict=True)
        ),
        record(duration_ns=None, latency_bucket=None, model="gpt-4o"),
        record(duration_ns=9 * MS, latency_bucket=latency_bucket(9 * MS), model="o3"),
    )
    query = Query(filters=parse_filters(["model=gpt-4o"]))

    counts = count_latencies(engine, replace(query, roll_ups=roll_ups))

    assert [tuple(count) for count in counts] == sorted(Counter(buckets).items())


@pytest.mark.parametrize("ms", [1, 1.04, 2, 999, 3_600_000])
def test_a_duration_is_within_the_ends_of_its_bucket(ms: float) -> None:
    bucket = latency_bucket(round(ms * MS))

    assert find_bucket_end_ms(bucket - 1) < ms * (1 + 1e-9)
    assert ms <= find_bucket_end_ms(bucket) * (1 + 1e-9)
