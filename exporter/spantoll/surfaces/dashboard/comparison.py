"""Numbers of a page beside those of an earlier period.

Input: a `View` whose address names one (`against`), and a query. Output: its `Growth`, and each
change as a text that is understood without colours. A change from 0 has no percentage (`n/a`).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query import Compared, Growth, Query, measure_growth
from spantoll.query.measures import find_measure
from spantoll.surfaces.cells import format_amount
from spantoll.surfaces.dashboard.period import View

__all__ = ["compare", "describe_change", "describe_period"]

NOT_AVAILABLE = "n/a"
SHARES = ("ratio", "percent")
"""Units whose differences are percentage points."""


def compare(engine: Engine, view: View, query: Query) -> Growth:
    """Compare a query with the earlier period of the view; a period without an end ends now.

    Raises QueryError where the period has no beginning, and for what cannot be compared.
    """
    if query.start_ns is None:
        raise QueryError("a comparison needs a period that begins: choose one", field="from")
    end_ns = view.now_ns if query.end_ns is None else query.end_ns
    return measure_growth(engine, replace(query, end_ns=end_ns), against=view.against)


def describe_change(compared: Compared, name: str) -> str:
    """Write how a measure changed: arrow, difference, percentage, and what it was."""
    change = compared.change(name)
    difference = change.difference
    before = format_amount(compared.before, name, change.before)
    if difference is None:
        return f"{NOT_AVAILABLE}, was {before}"
    if not difference:
        return f"= unchanged, was {before}"
    arrow, sign = ("▲", "+") if difference > 0 else ("▼", "")
    if find_measure(name).unit in SHARES:
        scale = 100 if find_measure(name).unit == "ratio" else 1
        return f"{arrow} {sign}{Decimal(str(difference)) * scale:.1f} points, was {before}"
    share = NOT_AVAILABLE if change.ratio is None else f"{change.ratio:+.1%}"
    return f"{arrow} {sign}{format_amount(None, name, difference)} ({share}), was {before}"


def describe_period(view: View, growth: Growth) -> str:
    """Write which period the numbers are compared with, in the zone of the view."""
    query = growth.before.query
    if query.start_ns is None or query.end_ns is None:
        return ""
    return f"{view.show_time(query.start_ns)} to {view.show_time(query.end_ns)}"
