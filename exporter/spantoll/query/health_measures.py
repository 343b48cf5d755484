"""How well spans could be read, counted and priced: counts of stored records.

Input: nothing but the columns of a record. Output: measures in `MEASURES`, in records.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, literal, true

from spantoll.query.aggregate import Aggregate, sum_column, to_count
from spantoll.query.measure import MEASURES, Measure, register_measure
from spantoll.records.columns import usage_record

r = usage_record.c

SECOND_NS = 10**9
_delay_ns = r.received_ns - r.started_ns - func.coalesce(r.duration_ns, 0)
"""From the end of a call to the receipt of its span; negative where it ended later."""


class Arrival(NamedTuple):
    """A measure of when spans arrived: how many of them outside what is expected."""

    name: str
    help: str
    condition: ColumnElement[bool]


ARRIVALS = (
    # Clocks that NTP keeps differ by milliseconds (RFC 5905, section 6).
    Arrival(
        "ahead_records",
        "Stored spans that end more than 1 s after they were received: a clock is ahead.",
        _delay_ns < -SECOND_NS,
    ),
    # SDKs batch for 5 s, and the Collector sends again for 5 minutes (`max_elapsed_time`).
    Arrival(
        "delayed_records",
        "Stored spans received more than 5 min after they ended: sent late, or a clock is behind.",
        _delay_ns > 300 * SECOND_NS,
    ),
    # Beyond an outage: what is sent again from a file, imported, or of a wrong date.
    Arrival(
        "late_records",
        "Stored spans received more than a day after they ended.",
        _delay_ns > 86_400 * SECOND_NS,
    ),
)
"""Each counts those of the next one too, but the first."""


def _records_if(condition: ColumnElement[bool]) -> Aggregate:
    return sum_column(case((condition, 1), else_=0), to_count)


@register_measure("records")
def records() -> Aggregate:
    """Stored spans, whatever they stand for."""
    return sum_column(literal(1), to_count)


@register_measure("records")
def counted_records() -> Aggregate:
    """Stored spans that stand for a call of their own."""
    return _records_if(r.counted == true())


@register_measure("records")
def merged_records() -> Aggregate:
    """Stored spans that repeat the call of another one."""
    return _records_if(r.repeats_span.is_not(None))


@register_measure("records")
def unpriced_records() -> Aggregate:
    """Counted records without a cost."""
    return _records_if((r.counted == true()) & (r.pricing_status == "unpriced"))


@register_measure("records")
def assumed_records() -> Aggregate:
    """Counted records whose counters nothing proves: read by rule, not by arithmetic."""
    return _records_if((r.counted == true()) & (r.usage_quality == "assumed"))


@register_measure("records")
def inconsistent_records() -> Aggregate:
    """Counted records whose counters contradict each other."""
    return _records_if((r.counted == true()) & (r.usage_quality == "inconsistent"))


@register_measure("records")
def streams_without_usage() -> Aggregate:
    """Streamed calls that succeeded and never said what they used."""
    silent = (r.usage_quality == "missing") & (r.status == "success")
    return _records_if((r.counted == true()) & (r.stream == true()) & silent)


for _arrival in ARRIVALS:
    MEASURES[_arrival.name] = Measure(
        _arrival.name, "records", _arrival.help, _records_if(_arrival.condition)
    )
