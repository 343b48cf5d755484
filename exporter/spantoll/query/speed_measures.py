"""How long calls took: means, extremes, percentiles, and tokens per second.

Input: the durations of records. Output: measures in `MEASURES`. Percentiles are by nearest rank,
over records; those of latency come from buckets 4 % wide unless a query asks for exact ones.
"""

from __future__ import annotations

from spantoll.query.aggregate import Aggregate, Part, divide_sums, find_extreme
from spantoll.query.measure import MEASURES, Measure, Percentile, count_known, register_measure
from spantoll.records.columns import usage_record
from spantoll.storage.roll_up_sums import COMBINED

r = usage_record.c

SECOND_NS = 1_000_000_000
PERCENTS = (50, 90, 95, 99)


@register_measure("ms")
def latency_avg_ms() -> Aggregate:
    """Mean duration of the calls that have one."""
    return divide_sums(r.duration_ns, count_known(r.duration_ns), 1_000_000)


@register_measure("ms")
def latency_min_ms() -> Aggregate:
    """Shortest duration."""
    return find_extreme("min", r.duration_ns, 1_000_000)


@register_measure("ms")
def latency_max_ms() -> Aggregate:
    """Longest duration."""
    return find_extreme("max", r.duration_ns, 1_000_000)


@register_measure("ms")
def time_to_first_chunk_avg_ms() -> Aggregate:
    """Mean time until a stream began to answer."""
    return divide_sums(r.time_to_first_chunk_ns, count_known(r.time_to_first_chunk_ns), 1_000_000)


@register_measure("ms")
def time_to_first_chunk_min_ms() -> Aggregate:
    """Shortest time until a stream began to answer."""
    return find_extreme("min", r.time_to_first_chunk_ns, 1_000_000)


@register_measure("ms")
def time_to_first_chunk_max_ms() -> Aggregate:
    """Longest time until a stream began to answer."""
    return find_extreme("max", r.time_to_first_chunk_ns, 1_000_000)


@register_measure("tokens/s")
def tokens_per_second() -> Aggregate:
    """Output tokens by the seconds their calls took, of calls that report both."""
    tokens, duration = COMBINED["timed_output_tokens"], COMBINED["timed_duration_ns"]
    return divide_sums(tokens, duration, times=SECOND_NS)


for _prefix, _column, _bucket, _help in (
    ("latency", r.duration_ns, r.latency_bucket, "Duration"),
    ("time_to_first_chunk", r.time_to_first_chunk_ns, None, "Time to the first chunk"),
):
    for _percent in PERCENTS:
        _name = f"{_prefix}_p{_percent}_ms"
        MEASURES[_name] = Measure(
            _name,
            "ms",
            f"{_help} that {_percent} % of the calls do not exceed.",
            Aggregate((Part("sum", count_known(_column)),), lambda ms: ms, lambda count: count),
            percentile=Percentile(_percent, _column, _bucket),
        )
