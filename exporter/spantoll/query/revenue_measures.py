"""What customers were charged, and what is left of it after the cost.

Input: the columns of cost and revenue. Output: measures in `MEASURES`. A margin is of the calls
whose cost and revenue are both known.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Float, case, cast, func

from spantoll.query.aggregate import Aggregate, Part, to_usd
from spantoll.query.measure import register_measure, sum_requests_if
from spantoll.records.columns import usage_record

__all__ = ["REVENUE_MEASURES"]

REVENUE_MEASURES: Final = ("revenue_usd", "margin_usd", "margin_percent")
"""Measured together with `requests_without_revenue`, which says what they leave out."""

r = usage_record.c

_are_known = r.cost_nano.is_not(None) & r.revenue_nano.is_not(None)


def _sum_known(column: ColumnElement[Any]) -> Part:
    return Part("sum", case((_are_known, column)))


@register_measure("USD")
def margin_usd() -> Aggregate:
    """Revenue less cost, of the calls of which both are known."""
    return Aggregate(
        (_sum_known(r.revenue_nano), _sum_known(r.cost_nano)),
        lambda revenue, cost: None if revenue is None else to_usd(int(revenue) - int(cost)),
        lambda revenue, cost: revenue - cost,
    )


@register_measure("percent")
def margin_percent() -> Aggregate:
    """The margin in percent of the revenue, of the calls whose cost and revenue are known."""
    return Aggregate(
        (_sum_known(r.revenue_nano), _sum_known(r.cost_nano)),
        lambda revenue, cost: (int(revenue) - int(cost)) * 100 / int(revenue) if revenue else None,
        lambda revenue, cost: cast(revenue - cost, Float) / func.nullif(revenue, 0),
    )


@register_measure("requests")
def requests_without_revenue() -> Aggregate:
    """Calls whose revenue is unknown."""
    return sum_requests_if(r.revenue_nano.is_(None))
