"""What can be asked of a set of records: one aggregate per measure.

Input: the name of a measure. Output: a `Measure` with its unit and aggregate. The sums of columns
are declared with the columns (`records/record.py`); what combines columns is a function here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, String, case, func, literal, true

from spantoll.pricing import PricingStatus
from spantoll.query.aggregate import (
    Aggregate,
    Number,
    Part,
    divide_sums,
    find_extreme,
    sum_column,
    to_count,
    to_exact_number,
    to_seconds,
    to_usd,
)
from spantoll.query.names import make_unknown_name_error
from spantoll.query.spelling import json_number
from spantoll.records.column_spec import Unit
from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS

__all__ = ["ALIASES", "MEASURES", "UNIT", "Measure", "find_measure"]

UNIT = "unit."
"""`unit.<name>`: a billing unit that has no column of its own, e.g. `unit.web_searches`."""

UNIT_NAME = re.compile(r"[\w.\-]{1,64}")

r = usage_record.c


class Measure(NamedTuple):
    """An aggregate with its name and unit."""

    name: str
    unit: str
    help: str
    aggregate: Aggregate
    marks: str = ""
    """The marks that an amount of it can carry: `~` estimated, `+` something is left out."""


MEASURES: dict[str, Measure] = {}

ALIASES: Mapping[str, str] = {
    "cached_tokens": "cache_read_tokens",
    "completion_tokens": "output_tokens",
    "cost": "cost_usd",
    "failed": "errors",
    "latency": "latency_avg_ms",
    "latency_avg": "latency_avg_ms",
    "latency_max": "latency_max_ms",
    "latency_min": "latency_min_ms",
    "prompt_tokens": "input_tokens",
    "reported_cost": "reported_cost_usd",
    "time_to_first_chunk": "time_to_first_chunk_avg_ms",
    "tokens": "total_tokens",
    "unpriced": "unpriced_requests",
}


def find_measure(name: str) -> Measure:
    """Look a measure up by name, alias or `unit.<name>`."""
    found = MEASURES.get(ALIASES.get(name, name))
    if found is not None:
        return found
    if name.startswith(UNIT) and UNIT_NAME.fullmatch(name.removeprefix(UNIT)):
        unit = name.removeprefix(UNIT)
        number = json_number(r.extra_units, literal(unit, String))
        part = Part("sum", number, whole=False)
        return Measure(name, unit, "", Aggregate((part,), to_exact_number, lambda value: value))
    raise make_unknown_name_error(
        name, field="measure", allowed=(*MEASURES, "unit.<name>"), aliases=ALIASES
    )


def _known(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((column.is_not(None), 1), else_=0)


def _requests_if(condition: ColumnElement[bool]) -> Aggregate:
    return sum_column(case((condition, r.requests), else_=0), to_count)


def _records_if(condition: ColumnElement[bool]) -> Aggregate:
    return sum_column(case((condition, 1), else_=0), to_count)


def _cost_if(*statuses: PricingStatus) -> Aggregate:
    cost = case((r.pricing_status.in_(statuses), func.coalesce(r.cost_nano, 0)), else_=0)
    return sum_column(cost, lambda nano: to_usd(nano or 0))


def register_measure(
    unit: str, *, marks: str = ""
) -> Callable[[Callable[[], Aggregate]], Callable[[], Aggregate]]:
    """Register a function as the measure of its name."""

    def register(function: Callable[[], Aggregate]) -> Callable[[], Aggregate]:
        name = function.__name__
        MEASURES[name] = Measure(name, unit, (function.__doc__ or "").strip(), function(), marks)
        return function

    return register


@register_measure("requests")
def requests() -> Aggregate:
    """Model calls; an imported summary counts the calls it stands for."""
    return sum_column(r.requests, to_count)


@register_measure("requests")
def errors() -> Aggregate:
    """Calls that failed or timed out; cancelled ones are neither errors nor successes."""
    return _requests_if(r.status.in_(("error", "timeout")))


@register_measure("requests")
def timeouts() -> Aggregate:
    """Calls that timed out."""
    return _requests_if(r.status == "timeout")


@register_measure("requests")
def cancelled() -> Aggregate:
    """Calls the caller abandoned."""
    return _requests_if(r.status == "cancelled")


@register_measure("ratio")
def success_rate() -> Aggregate:
    """Successful calls as a share of all calls."""
    return divide_sums(case((r.status == "success", r.requests), else_=0), r.requests)


@register_measure("tokens")
def total_tokens() -> Aggregate:
    """Input and output tokens together."""
    return Aggregate(
        (Part("sum", r.input_tokens), Part("sum", r.output_tokens)),
        lambda a, b: None if a is None and b is None else int(a or 0) + int(b or 0),
        lambda a, b: func.coalesce(a + b, a, b),
    )


@register_measure("requests")
def priced_requests() -> Aggregate:
    """Calls with a cost."""
    return _requests_if(r.cost_nano.is_not(None))


@register_measure("requests")
def exact_requests() -> Aggregate:
    """Calls whose cost is what the price row charges for what was reported."""
    return _requests_if(r.pricing_status == "priced")


@register_measure("requests")
def free_requests() -> Aggregate:
    """Calls that cost 0 by an explicit price of 0, or were not billed."""
    return _requests_if(r.pricing_status == "free")


@register_measure("requests")
def estimated_requests() -> Aggregate:
    """Calls whose cost may turn out higher or lower."""
    return _requests_if(r.pricing_status == "estimated")


@register_measure("requests")
def partial_requests() -> Aggregate:
    """Calls whose cost is known only in part, so a lower bound."""
    return _requests_if(r.pricing_status == "partial")


@register_measure("requests")
def unpriced_requests() -> Aggregate:
    """Calls whose cost is unknown."""
    return _requests_if(r.pricing_status == "unpriced")


@register_measure("USD")
def exact_cost_usd() -> Aggregate:
    """The part of the cost that is exact; free calls add 0."""
    return _cost_if("priced", "free")


@register_measure("USD", marks="~")
def estimated_cost_usd() -> Aggregate:
    """The part of the cost that is estimated."""
    return _cost_if("estimated")


@register_measure("USD", marks="+")
def partial_cost_usd() -> Aggregate:
    """The part of the cost that belongs to calls whose cost is known only in part."""
    return _cost_if("partial")


@register_measure("USD")
def reported_difference_usd() -> Aggregate:
    """Reported cost less the cost by the price list, of the calls that have both."""
    listed = case((r.cost_source == "reported", r.catalogue_cost_nano), else_=r.cost_nano)
    return sum_column(r.reported_cost_nano - listed, to_usd)


@register_measure("tokens")
def unpriced_tokens() -> Aggregate:
    """Tokens of the calls whose cost is unknown."""
    tokens = func.coalesce(r.input_tokens, 0) + func.coalesce(r.output_tokens, 0)
    return sum_column(case((r.pricing_status == "unpriced", tokens), else_=0), to_count)


@register_measure("ms")
def latency_avg_ms() -> Aggregate:
    """Mean duration of the calls that have one."""
    return divide_sums(r.duration_ns, _known(r.duration_ns), 1_000_000)


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
    return divide_sums(r.time_to_first_chunk_ns, _known(r.time_to_first_chunk_ns), 1_000_000)


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


SUM_TO_ANSWER: Mapping[Unit, Callable[[Any], Number]] = {
    Unit.NANO_USD: to_usd,
    Unit.MILLISECONDS: to_seconds,
}
"""How a sum becomes the answer where it is not the answer itself."""

COST_MARKS: Mapping[str, str] = dict.fromkeys(
    ("cost_nano", "input_cost_nano", "output_cost_nano", "cache_cost_nano", "other_cost_nano"),
    "~+",
)
"""The marks of sums of columns. A reported cost is as it was reported, whatever the price."""

for _name, _spec in COLUMNS.items():
    if _spec.measure is not None and _spec.unit is not None:
        _sum = sum_column(r[_name], SUM_TO_ANSWER.get(_spec.unit))
        MEASURES[_spec.outside] = Measure(
            _spec.outside, _spec.unit.label, _spec.measure, _sum, COST_MARKS.get(_name, "")
        )
