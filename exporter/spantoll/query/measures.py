"""What can be asked of a set of records: one aggregate per measure.

Input: the name of a measure. Output: a `Measure` with its unit and aggregate. The sums of columns
are declared with the columns (`records/record.py`); what combines columns is a function here, in
`speed_measures`, `health_measures` or `revenue_measures`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Float, String, case, cast, func, literal

from spantoll.pricing import PricingStatus
from spantoll.query import (  # noqa: F401  they register measures
    health_measures,
    revenue_measures,
    speed_measures,
)
from spantoll.query.aggregate import (
    Aggregate,
    Number,
    Part,
    count_distinct,
    divide_money,
    divide_sums,
    sum_column,
    to_count,
    to_exact_number,
    to_seconds,
    to_usd,
)
from spantoll.query.measure import (
    MEASURES,
    Measure,
    register_measure,
    sum_requests_if,
)
from spantoll.query.names import make_unknown_name_error
from spantoll.records.column_spec import Unit
from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS
from spantoll.storage.json_values import json_number
from spantoll.storage.roll_up_sums import COMBINED

__all__ = ["ALIASES", "MEASURES", "UNIT", "Measure", "find_measure"]

UNIT = "unit."
"""`unit.<name>`: a billing unit that has no column of its own, e.g. `unit.web_searches`."""

UNIT_NAME = re.compile(r"[\w.\-]{1,64}")

r = usage_record.c


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
    "margin": "margin_usd",
    "reported_cost": "reported_cost_usd",
    "revenue": "revenue_usd",
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


def _cost_if(*statuses: PricingStatus) -> Aggregate:
    cost = case((r.pricing_status.in_(statuses), func.coalesce(r.cost_nano, 0)), else_=0)
    return sum_column(cost, lambda nano: to_usd(nano or 0))


def _divide_priced_tokens(*sums: Any) -> Number:
    tokens, unpriced = to_count(sums[0]) + to_count(sums[1]), to_count(sums[2]) + to_count(sums[3])
    return (tokens - unpriced) / tokens if tokens else None


def _sum_reported_and_listed() -> tuple[Part, Part]:
    """Add up the reported costs, and those by the price list, of the calls that have both."""
    listed = case((r.cost_source == "reported", r.catalogue_cost_nano), else_=r.cost_nano)
    both = r.reported_cost_nano.is_not(None) & listed.is_not(None)
    return Part("sum", case((both, r.reported_cost_nano))), Part("sum", case((both, listed)))


@register_measure("requests")
def requests() -> Aggregate:
    """Model calls; an imported summary counts the calls it stands for."""
    return sum_column(r.requests, to_count)


@register_measure("requests")
def errors() -> Aggregate:
    """Calls that failed or timed out; cancelled ones are neither errors nor successes."""
    return sum_requests_if(r.status.in_(("error", "timeout")))


@register_measure("requests")
def timeouts() -> Aggregate:
    """Calls that timed out."""
    return sum_requests_if(r.status == "timeout")


@register_measure("requests")
def cancelled() -> Aggregate:
    """Calls the caller abandoned."""
    return sum_requests_if(r.status == "cancelled")


@register_measure("requests")
def successes() -> Aggregate:
    """Calls that succeeded."""
    return sum_requests_if(r.status == "success")


@register_measure("ratio")
def success_rate() -> Aggregate:
    """Successful calls as a share of all calls."""
    return divide_sums(case((r.status == "success", r.requests), else_=0), r.requests)


@register_measure("ratio")
def error_rate() -> Aggregate:
    """Calls that failed or timed out as a share of all calls."""
    failed = r.status.in_(("error", "timeout"))
    return divide_sums(case((failed, r.requests), else_=0), r.requests)


@register_measure("ratio")
def timeout_rate() -> Aggregate:
    """Calls that timed out as a share of all calls."""
    return divide_sums(case((r.status == "timeout", r.requests), else_=0), r.requests)


@register_measure("users")
def distinct_users() -> Aggregate:
    """Different users; calls that name none are not counted."""
    return count_distinct(r.user_id)


@register_measure("sessions")
def distinct_sessions() -> Aggregate:
    """Different sessions."""
    return count_distinct(r.session_id)


@register_measure("customers")
def distinct_customers() -> Aggregate:
    """Different customers."""
    return count_distinct(r.customer_id)


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
    return sum_column(COMBINED["requests_with_cost"], to_count)


@register_measure("ratio")
def priced_share() -> Aggregate:
    """Calls with a cost, exact or not, as a share of all calls."""
    return divide_sums(COMBINED["requests_with_cost"], r.requests)


@register_measure("ratio")
def priced_token_share() -> Aggregate:
    """Tokens of the calls with a cost as a share of all tokens."""
    unpriced = r.pricing_status == "unpriced"
    return Aggregate(
        # four sums, as of `unpriced_tokens`
        (
            *(Part("sum", each) for each in (r.input_tokens, r.output_tokens)),
            *(Part("sum", case((unpriced, each))) for each in (r.input_tokens, r.output_tokens)),
        ),
        _divide_priced_tokens,
        lambda a, b, c, d: (
            1
            - cast(func.coalesce(c, 0) + func.coalesce(d, 0), Float)
            / func.nullif(func.coalesce(a, 0) + func.coalesce(b, 0), 0)
        ),
    )


@register_measure("requests")
def exact_requests() -> Aggregate:
    """Calls whose cost is what the price row charges for what was reported."""
    return sum_requests_if(r.pricing_status == "priced")


@register_measure("requests")
def free_requests() -> Aggregate:
    """Calls that cost 0 by an explicit price of 0, or were not billed."""
    return sum_requests_if(r.pricing_status == "free")


@register_measure("requests")
def estimated_requests() -> Aggregate:
    """Calls whose cost may turn out higher or lower."""
    return sum_requests_if(r.pricing_status == "estimated")


@register_measure("requests")
def partial_requests() -> Aggregate:
    """Calls whose cost is known only in part, so a lower bound."""
    return sum_requests_if(r.pricing_status == "partial")


@register_measure("requests")
def unpriced_requests() -> Aggregate:
    """Calls whose cost is unknown."""
    return sum_requests_if(r.pricing_status == "unpriced")


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
    return Aggregate(
        _sum_reported_and_listed(),
        lambda reported, ours: None if ours is None else to_usd(int(reported) - int(ours)),
        lambda reported, ours: reported - ours,
    )


@register_measure("ratio")
def reported_cost_drift() -> Aggregate:
    """Reported cost less the cost by the price list, as a share of the latter."""
    return Aggregate(
        _sum_reported_and_listed(),
        lambda reported, ours: (int(reported) - int(ours)) / int(ours) if ours else None,
        lambda reported, ours: cast(reported - ours, Float) / func.nullif(ours, 0),
    )


@register_measure("USD", marks="~+")
def cost_per_request_usd() -> Aggregate:
    """Mean cost of the calls that have one, rounded half-even to the nano-USD."""
    return divide_money(r.cost_nano, COMBINED["requests_with_cost"])


@register_measure("ratio")
def cache_hit_rate() -> Aggregate:
    """Input tokens read from prompt caches as a share of all input tokens."""
    return divide_sums(COMBINED["cache_read_of_input"], r.input_tokens)


@register_measure("USD", marks="~")
def cache_savings_usd() -> Aggregate:
    """What prompt caches saved: cached tokens at the price of the fresh ones of the same call,
    less their cost; of calls that have both, and no audio or image input."""
    return sum_column(COMBINED["cache_savings_nano"], to_usd)


@register_measure("tokens")
def unpriced_tokens() -> Aggregate:
    """Tokens of the calls whose cost is unknown."""
    unpriced = r.pricing_status == "unpriced"
    return Aggregate(
        # two sums: the counters of one span may be noise whose sum exceeds 64 bits
        tuple(Part("sum", case((unpriced, each))) for each in (r.input_tokens, r.output_tokens)),
        lambda a, b: to_count(a) + to_count(b),
        lambda a, b: func.coalesce(a, 0) + func.coalesce(b, 0),
    )


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
