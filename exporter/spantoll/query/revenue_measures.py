"""What customers were charged, and what is left of it after the cost.

Input: the columns of cost and revenue. Output: measures in `MEASURES`. A margin is of the calls
whose cost and revenue are both known.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Float, cast, func

from spantoll.query.aggregate import Aggregate, Part, sum_column, to_count, to_usd
from spantoll.query.measure import register_measure
from spantoll.storage.roll_up_sums import COMBINED

__all__ = ["REVENUE_MEASURES"]

REVENUE_MEASURES: Final = ("revenue_usd", "margin_usd", "margin_percent")
"""Measured together with `requests_without_revenue`, which says what they leave out."""

_MARGIN = tuple(Part("sum", COMBINED[name]) for name in ("margin_revenue_nano", "margin_cost_nano"))


@register_measure("USD")
def margin_usd() -> Aggregate:
    """Revenue less cost, of the calls of which both are known."""
    return Aggregate(
        _MARGIN,
        lambda revenue, cost: None if revenue is None else to_usd(int(revenue) - int(cost)),
        lambda revenue, cost: revenue - cost,
    )


@register_measure("percent")
def margin_percent() -> Aggregate:
    """The margin in percent of the revenue, of the calls whose cost and revenue are known."""
    return Aggregate(
        _MARGIN,
        lambda revenue, cost: (int(revenue) - int(cost)) * 100 / int(revenue) if revenue else None,
        lambda revenue, cost: cast(revenue - cost, Float) / func.nullif(revenue, 0),
    )


@register_measure("requests")
def requests_without_revenue() -> Aggregate:
    """Calls whose revenue is unknown."""
    return sum_column(COMBINED["requests_without_revenue"], to_count)
