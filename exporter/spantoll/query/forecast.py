"""What the current month will have cost when it ends: an estimate.

Input: the filters and the zone of a `Query`, and the present. Output: a `Forecast`. Rule: what the
month has cost until now, plus the mean cost of the last BASIS_DAYS whole days for each day that is
left, the rest of today as a part of a day. Without so many days since the first call it is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Engine

from spantoll.query.plain import plain_value
from spantoll.query.query import Query
from spantoll.query.result import Result, Row
from spantoll.query.run import run
from spantoll.query.times import subtract_period
from spantoll.query.windows import Window, find_zone, list_windows, to_local_time

__all__ = ["BASIS_DAYS", "FORECAST_HEADERS", "RULE", "Forecast", "forecast_month", "plain_forecast"]

BASIS_DAYS = 7
"""Each day of the week once: weekends cost less than other days."""
RULE = (
    f"what the month has cost until now, plus the mean cost of the last {BASIS_DAYS} whole days "
    "for each day that is left"
)
DAY_NS = 24 * 3600 * 10**9
NANO = Decimal("1e-9")


class Forecast(NamedTuple):
    """The cost of a month at its end, as far as it can be foreseen."""

    month: Window
    now_ns: int
    tz: str
    spent: Row
    """The month until now."""
    basis: Window
    """The whole days whose mean is taken."""
    days_left: Decimal
    """How much of the month is left, in days of 24 hours."""
    daily_cost_usd: Decimal | None
    """Their mean cost, rounded half-even to the nano-USD."""
    cost_usd: Decimal | None
    """The cost of the whole month; None where it cannot be foreseen."""
    reason: str
    """Why it cannot; empty where it is known."""
    lower_bound: bool
    """Whether calls without a cost, of the month or of the basis, are left out."""
    notes: Sequence[str]
    """What is not known because records are deleted."""


def forecast_month(engine: Engine, query: Query, *, now_ns: int) -> Forecast:
    """Foresee the cost of the month of `now_ns`, of the records that the filters of a query keep.

    Raises QueryError for an unknown filter, StoreUnavailable when the database cannot be read.
    """
    zone = find_zone(query.tz)
    (month,) = list_windows("month", start_ns=now_ns, end_ns=now_ns + 1, tz=zone)
    (today,) = list_windows("day", start_ns=now_ns, end_ns=now_ns + 1, tz=zone)
    basis = Window(
        subtract_period(f"{BASIS_DAYS}d", tz=zone, now_ns=today.start_ns), today.start_ns
    )
    asked = Query(measures=("cost_usd",), filters=query.filters, tz=query.tz)
    spent = run(engine, replace(asked, start_ns=month.start_ns, end_ns=now_ns))
    of_basis = run(engine, replace(asked, start_ns=basis.start_ns, end_ns=basis.end_ns))
    reason = explain_unknown(engine, spent=spent, of_basis=of_basis)
    days_left = Decimal(month.end_ns - now_ns) / DAY_NS
    daily_usd = cost_usd = None
    if not reason:
        of_days = of_basis.totals.known_cost_usd
        daily_usd = (of_days / BASIS_DAYS).quantize(NANO)
        cost_usd = (spent.totals.known_cost_usd + of_days * days_left / BASIS_DAYS).quantize(NANO)
    states = [each.totals.cost for each in (spent, of_basis)]
    return Forecast(
        month,
        now_ns,
        query.tz,
        spent.totals,
        basis,
        days_left,
        daily_usd,
        cost_usd,
        reason,
        lower_bound=any(state is not None and state.lower_bound for state in states),
        notes=tuple(dict.fromkeys((*spent.notes, *of_basis.notes))),
    )


def explain_unknown(engine: Engine, *, spent: Result, of_basis: Result) -> str:
    """Return why the cost of the month cannot be foreseen; empty where it can."""
    for result, when in ((spent, "this month"), (of_basis, f"the last {BASIS_DAYS} whole days")):
        if result.totals.requests and result.totals.measures["cost_usd"] is None:
            return f"no call of {when} has a price"
    before = replace(of_basis.query, start_ns=None, end_ns=of_basis.query.start_ns)
    if not run(engine, replace(before, measures=("requests",))).totals.requests:
        return f"there are fewer than {BASIS_DAYS} whole days since the first call"
    return ""


FORECAST_HEADERS = (
    *("from", "to", "now", "tz", "currency", "cost_usd", "cost_state", "basis_from", "basis_to"),
    *("daily_cost_usd", "days_left", "forecast_cost_usd", "lower_bound", "reason"),
)
"""Columns of a forecast, in order."""


def plain_forecast(forecast: Forecast) -> dict[str, Any]:
    """Show a forecast: the members of FORECAST_HEADERS, its rule and its notes."""
    zone = find_zone(forecast.tz)
    times = {
        "from": forecast.month.start_ns,
        "to": forecast.month.end_ns,
        "now": forecast.now_ns,
        "basis_from": forecast.basis.start_ns,
        "basis_to": forecast.basis.end_ns,
    }
    shown: dict[str, Any] = {
        name: to_local_time(ns, zone).isoformat() for name, ns in times.items()
    }
    state = forecast.spent.cost
    shown |= {
        "tz": forecast.tz,
        "currency": "USD",
        "cost_usd": plain_value(forecast.spent.measures["cost_usd"]),
        "cost_state": None if state is None else state.name,
        "daily_cost_usd": plain_value(forecast.daily_cost_usd),
        "days_left": round(float(forecast.days_left), 6),
        "forecast_cost_usd": plain_value(forecast.cost_usd),
        "lower_bound": forecast.lower_bound,
        "reason": forecast.reason or None,
    }
    ordered = {name: shown[name] for name in FORECAST_HEADERS}
    return {**ordered, "rule": RULE, "notes": list(forecast.notes)}
