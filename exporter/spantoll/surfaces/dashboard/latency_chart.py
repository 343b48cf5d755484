"""A histogram of latency, with lines where percentiles are.

Input: how many records are in each bucket of latency, and the percentiles of the same records.
Output: a `Chart` whose bars are equally wide in the logarithm of the latency: BUCKETS buckets of
4 % each, so that a bar ends about 1.4 times where it begins.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from spantoll.query import LatencyCount, find_bucket_end_ms
from spantoll.surfaces.dashboard.chart import Chart, Mark, Point, draw_bars
from spantoll.surfaces.dashboard.period import View

__all__ = ["PERCENTILES", "draw_latencies", "format_duration"]

BUCKETS = 9
"""In one bar."""
PERCENTILES: Mapping[str, str] = {
    "latency_p50_ms": "p50",
    "latency_p95_ms": "p95",
    "latency_p99_ms": "p99",
}
"""Measures that are marked, with the names of their lines."""
UNITS = ((60_000, "min"), (1_000, "s"))
"""Milliseconds of a unit."""


def draw_latencies(
    view: View, counts: Sequence[LatencyCount], percentiles: Mapping[str, float]
) -> Chart:
    """Draw how many calls took how long; `percentiles` are milliseconds by measure."""
    bins: Counter[int] = Counter()
    for count in counts:
        bins[-(-count.bucket // BUCKETS)] += count.records
    first, last = min(bins, default=0), max(bins, default=-1)
    points = [_make_point(view, number, bins[number]) for number in range(first, last + 1)]
    chart = draw_bars(points, of="Calls by latency")
    step = chart.width // max(1, len(points))
    marks = [
        Mark(round((_find_position(ms) - first) * step), PERCENTILES[name], format_duration(ms))
        for name, ms in percentiles.items()
    ]
    described = ", ".join(f"{mark.name} is {mark.text}" for mark in marks)
    summary = f"{chart.summary} {described}." if described else chart.summary
    return chart._replace(marks=marks, summary=summary)


def format_duration(ms: float) -> str:
    """Write milliseconds with three digits, in the largest unit that they reach."""
    size, unit = next(((size, unit) for size, unit in UNITS if ms >= size), (1, "ms"))
    amount = ms / size
    return f"{amount:,.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"


def _make_point(view: View, number: int, records: int) -> Point:
    """Return the bar of a bin; bin 0 is the bucket of up to 1 ms."""
    end_ms = find_bucket_end_ms(number * BUCKETS)
    filters = [f"latency_ms<={_round_down(end_ms)}"]
    label = f"up to {format_duration(end_ms)}"
    if number:
        begin_ms = find_bucket_end_ms((number - 1) * BUCKETS)
        filters.insert(0, f"latency_ms>{_round_down(begin_ms)}")
        label = f"{format_duration(begin_ms)} to {format_duration(end_ms)}"
    return Point(label, records, f"{records:,} calls", view.link("/records", *filters))


def _round_down(ms: float) -> str:
    """Write milliseconds as a filter reads them: to the nanosecond."""
    ns = int(ms * 1_000_000)
    return f"{ns // 1_000_000}.{ns % 1_000_000:06d}"


def _find_position(ms: float) -> float:
    """Return where a latency is on an axis on which the bin n is from n to n + 1."""
    return math.log(max(ms, 1)) / math.log(find_bucket_end_ms(BUCKETS)) + 1
