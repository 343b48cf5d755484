"""A plain Python answer to a query, written from the documentation: slow, and obviously right.

Input: records and a `Query`. Output: the rows and totals that `spantoll.query.run` must give.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

from spantoll.query import Filter, Query, Window
from spantoll.query.windows import find_zone, list_windows
from spantoll.records import UsageRecord
from spantoll.records.record import COLUMNS

__all__ = ["MEASURES", "answer_query", "read_dimension"]

Records = Sequence[UsageRecord]
NANO = Decimal("1e-9")


def usd(nano: int | None) -> Decimal | None:
    return None if nano is None else Decimal(nano) * NANO


def add(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def calls(records: Records, *statuses: str) -> int:
    return sum(each.requests for each in records if each.status in statuses)


def priced(records: Records, *statuses: str) -> Records:
    return [each for each in records if each.pricing_status in statuses]


def with_cost(records: Records) -> Records:
    return priced(records, "priced", "free", "estimated", "partial")


def count_tokens(records: Records) -> int:
    return sum((each.input_tokens or 0) + (each.output_tokens or 0) for each in records)


def count(records: Records) -> int:
    return sum(each.requests for each in records)


def ratio(above: int, below: int | None) -> float | None:
    return above / below if below else None


def mean_ms(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / (len(known) * 10**6) if known else None


def percentile_ms(values: Iterable[int | None], percent: int) -> float | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    rank = max(1, -(-len(known) * percent // 100))
    return known[rank - 1] / 10**6


def mean_usd(nano: int | None, requests: int) -> Decimal | None:
    if nano is None or not requests:
        return None
    return (Decimal(nano) / requests).quantize(Decimal(1), ROUND_HALF_EVEN) * NANO


def saved(record: UsageRecord) -> int | None:
    cached = (record.cache_read_tokens or 0) + (record.cache_write_tokens or 0)
    if not record.input_tokens or record.input_cost_nano is None or record.cache_cost_nano is None:
        return None
    if record.input_audio_tokens or record.input_image_tokens:
        return None
    fresh = record.input_tokens - cached
    if fresh < 1 or cached < 1:
        return None
    return record.input_cost_nano * 1000 // fresh * cached // 1000 - record.cache_cost_nano


def speed(records: Records) -> float | None:
    timed = [each for each in records if None not in (each.output_tokens, each.duration_ns)]
    tokens, took = add(each.output_tokens for each in timed), add(e.duration_ns for e in timed)
    return float(Fraction(tokens * 10**9, took)) if took else None


def delay_ns(record: UsageRecord) -> int:
    return record.received_ns - record.started_ns - (record.duration_ns or 0)


def drift(records: Records) -> float | None:
    both = [
        (each.reported_cost_nano, listed)
        for each in records
        for listed in [
            each.catalogue_cost_nano if each.cost_source == "reported" else each.cost_nano
        ]
        if each.reported_cost_nano is not None and listed is not None
    ]
    reported, listed = sum(each for each, _ in both), sum(each for _, each in both)
    return (reported - listed) / listed if listed else None


MEASURES: dict[str, Callable[[Records], Any]] = (
    {
        spec.outside: lambda records, name=name, outside=spec.outside: (
            usd(add(getattr(each, name) for each in records))
            if outside.endswith("_usd")
            else add(getattr(each, name) for each in records)
        )
        for name, spec in COLUMNS.items()
        if spec.measure is not None and not spec.outside.endswith("_seconds")
    }
    | {
        "requests": count,
        "successes": lambda found: calls(found, "success"),
        "errors": lambda found: calls(found, "error", "timeout"),
        "timeouts": lambda found: calls(found, "timeout"),
        "cancelled": lambda found: calls(found, "cancelled"),
        "success_rate": lambda found: ratio(calls(found, "success"), count(found)),
        "error_rate": lambda found: ratio(calls(found, "error", "timeout"), count(found)),
        "timeout_rate": lambda found: ratio(calls(found, "timeout"), count(found)),
        "exact_requests": lambda found: count(priced(found, "priced")),
        "free_requests": lambda found: count(priced(found, "free")),
        "estimated_requests": lambda found: count(priced(found, "estimated")),
        "partial_requests": lambda found: count(priced(found, "partial")),
        "unpriced_requests": lambda found: count(priced(found, "unpriced")),
        "priced_requests": lambda found: count(with_cost(found)),
        "priced_share": lambda found: ratio(count(with_cost(found)), count(found)),
        "priced_token_share": lambda found: ratio(
            count_tokens(with_cost(found)), count_tokens(found)
        ),
        "exact_cost_usd": lambda found: usd(
            add(each.cost_nano for each in priced(found, "priced", "free")) or 0
        ),
        "estimated_cost_usd": lambda found: usd(
            add(each.cost_nano for each in priced(found, "estimated")) or 0
        ),
        "partial_cost_usd": lambda found: usd(
            add(each.cost_nano for each in priced(found, "partial")) or 0
        ),
        "cost_per_request_usd": lambda found: mean_usd(
            add(each.cost_nano for each in found),
            sum(each.requests for each in found if each.cost_nano is not None),
        ),
        "distinct_users": lambda found: len({each.user_id for each in found} - {None}),
        "distinct_customers": lambda found: len({each.customer_id for each in found} - {None}),
        "cache_hit_rate": lambda found: ratio(
            sum(each.cache_read_tokens or 0 for each in found if each.input_tokens is not None),
            add(each.input_tokens for each in found),
        ),
        "cache_savings_usd": lambda found: usd(add(map(saved, found))),
        "total_tokens": lambda found: add(
            value for each in found for value in (each.input_tokens, each.output_tokens)
        ),
        "tokens_per_second": speed,
        "ahead_records": lambda found: sum(delay_ns(each) < -(10**9) for each in found),
        "delayed_records": lambda found: sum(delay_ns(each) > 300 * 10**9 for each in found),
        "late_records": lambda found: sum(delay_ns(each) > 86_400 * 10**9 for each in found),
        "reported_cost_drift": drift,
        "latency_avg_ms": lambda found: mean_ms(each.duration_ns for each in found),
        "latency_min_ms": lambda found: percentile_ms((each.duration_ns for each in found), 0),
        "latency_max_ms": lambda found: percentile_ms((each.duration_ns for each in found), 100),
    }
    | {
        f"{prefix}_p{percent}_ms": lambda found, column=column, percent=percent: percentile_ms(
            (getattr(each, column) for each in found), percent
        )
        for prefix, column in (
            ("latency", "duration_ns"),
            ("time_to_first_chunk", "time_to_first_chunk_ns"),
        )
        for percent in (50, 90, 95, 99)
    }
)


def read_dimension(record: UsageRecord, name: str) -> Any:
    if name.startswith("attr."):
        value = json.loads(record.metadata or "{}").get(name.removeprefix("attr."))
        if isinstance(value, bool):
            return str(value).lower()
        return None if value is None else str(value)
    return getattr(record, name)


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, given: value == given,
    "^=": lambda value, given: value is not None and value.startswith(given),
    "<": lambda value, given: value is not None and value < given,
    "<=": lambda value, given: value is not None and value <= given,
    ">": lambda value, given: value is not None and value > given,
    ">=": lambda value, given: value is not None and value >= given,
}


def matches(record: UsageRecord, wanted: Filter) -> bool:
    value = read_dimension(record, wanted.field)
    found = any(COMPARE[wanted.operator](value, given) for given in wanted.values)
    return found is not wanted.negate


def answer_query(
    records: Records, query: Query
) -> tuple[Mapping[tuple[Any, ...], Mapping[str, Any]], Mapping[str, Any]]:
    """Return the measures by group (window and dimensions), and of all groups together."""
    found = [
        each
        for each in records
        if (query.uncounted or each.counted)
        and (query.start_ns is None or each.started_ns >= query.start_ns)
        and (query.end_ns is None or each.started_ns < query.end_ns)
        and all(matches(each, wanted) for wanted in query.filters)
    ]
    windows: Sequence[Window] = ()
    if query.window != "total" and found:
        times = sorted(each.started_ns for each in found)
        windows = list_windows(
            query.window,
            start_ns=times[0] if query.start_ns is None else query.start_ns,
            end_ns=times[-1] + 1 if query.end_ns is None else query.end_ns,
            tz=find_zone(query.tz),
        )
    groups: dict[tuple[Any, ...], list[UsageRecord]] = {}
    for each in found:
        window = None
        if windows:
            window = windows[bisect_right(windows, each.started_ns, key=lambda w: w.start_ns) - 1]
        key = (window, *(read_dimension(each, name) for name in query.dimensions))
        groups.setdefault(key, []).append(each)
    if not groups and query.window == "total" and not query.dimensions:
        groups[(None,)] = []
    return (
        {key: measure(group, query) for key, group in groups.items()},
        measure(found, query),
    )


def measure(records: Records, query: Query) -> Mapping[str, Any]:
    return {name: MEASURES[name](records) for name in query.measures}
