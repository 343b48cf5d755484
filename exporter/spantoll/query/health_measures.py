"""How well spans could be read, counted and priced: counts of stored records.

Input: nothing but the columns of a record. Output: measures in `MEASURES`, in records.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, literal, true

from spantoll.query.aggregate import Aggregate, sum_column, to_count
from spantoll.query.measure import register_measure
from spantoll.records.columns import usage_record

r = usage_record.c


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
