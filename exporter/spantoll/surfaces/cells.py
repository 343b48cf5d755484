"""Values as people read them in a table: money with its doubt, numbers, ratios.

Input: a value, with the `CostState` of its row where it is money. Output: text. `~` is an estimate,
`+` leaves something out, `-` is unknown.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spantoll.query import CostState, Number, Row

__all__ = [
    "UNKNOWN",
    "format_amount",
    "format_cost",
    "format_dollars",
    "format_measure",
    "format_number",
]

UNKNOWN = "-"


def format_measure(row: Row, name: str) -> str:
    """Format a measure of a row; money carries the marks of the row's cost."""
    return format_amount(row, name, row.measures[name])


def format_amount(row: Row | None, name: str, value: Number) -> str:
    """Format a value of a measure; money carries the marks of the row it belongs to, if any."""
    from spantoll.query.measures import find_measure
    from spantoll.query.revenue_measures import REVENUE_MEASURES

    measure = find_measure(name)
    if row is not None and measure.name in REVENUE_MEASURES and measure.unit == "USD":
        return _format_revenue(row, measure.name, value)
    if measure.unit == "USD" and (value is None or isinstance(value, Decimal)):
        state, marks = None if row is None else row.cost, measure.marks
        return format_dollars(
            value,
            estimated="~" in marks and state is not None and state.estimated,
            lower_bound="+" in marks and state is not None and state.lower_bound,
        )
    if measure.unit == "ratio" and value is not None:
        return f"{value:.1%}"
    return format_number(value)


def _format_revenue(row: Row, name: str, value: Number) -> str:
    """Format a sum of revenue or margin, `+` or `~` where calls are left out of it."""
    state = row.cost
    left_out = bool(row.measures["requests_without_revenue"])
    if state is not None:
        left_out = left_out or state.partial_requests > 0
    estimated = state is not None and state.estimated
    dollars = value if isinstance(value, Decimal) else None
    if name == "margin_usd":  # it may turn out higher or lower
        return format_dollars(dollars, estimated=estimated or left_out)
    return format_dollars(dollars, estimated=estimated, lower_bound=left_out)


def format_cost(state: CostState) -> str:
    """Format a cost with its marks: `~$12.40+`."""
    return format_dollars(state.cost_usd, estimated=state.estimated, lower_bound=state.lower_bound)


def format_dollars(
    value: Decimal | None, *, estimated: bool = False, lower_bound: bool = False
) -> str:
    """Format money to the cent, or to the places a small amount needs."""
    if value is None:
        return UNKNOWN
    places = 2 if abs(value) >= 1 or not value else min(9, 3 - value.adjusted())
    sign = "-" if value < 0 else ""
    amount = f"{sign}${abs(value):,.{places}f}"
    return f"{'~' if estimated else ''}{amount}{'+' if lower_bound else ''}"


def format_number(value: Any) -> str:
    """Format a number: thousands separated, few decimals, `-` for unknown."""
    if value is None:
        return UNKNOWN
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,f}"
