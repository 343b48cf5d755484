"""A comparison of periods as plain values: what JSON and CSV carry.

Input: a `Growth`. Output: dictionaries. Each measure has its value now, `NAME_before`,
`NAME_change` (the difference) and `NAME_growth` (the difference as a share of before).
"""

from __future__ import annotations

from typing import Any

from spantoll.query.growth import Compared, Growth
from spantoll.query.plain import plain_value, plain_window

__all__ = ["growth_headers", "plain_growth"]


def plain_growth(growth: Growth) -> dict[str, Any]:
    """Show a comparison with its two periods."""
    query = growth.result.query
    return {
        "from": growth.result.start.isoformat() if growth.result.start else None,
        "to": growth.result.end.isoformat() if growth.result.end else None,
        "before_from": growth.before.start.isoformat() if growth.before.start else None,
        "before_to": growth.before.end.isoformat() if growth.before.end else None,
        "tz": query.tz,
        "window": query.window,
        "currency": "USD",
        "group_by": list(query.dimensions),
        "measures": list(query.measures),
        "rows": [_show(growth, each) for each in growth.rows],
        # windows have no one period before them
        "totals": _show(growth, growth.totals) if query.window == "total" else None,
        "notes": list(dict.fromkeys((*growth.result.notes, *growth.before.notes))),
    }


def growth_headers(growth: Growth) -> list[str]:
    """Name the columns of the rows, in order."""
    query = growth.result.query
    windows = [] if query.window == "total" else ["window_start", "window_end"]
    columns = [
        f"{name}{suffix}"
        for name in query.measures
        for suffix in ("", "_before", "_change", "_growth")
    ]
    states = [] if growth.totals.cost_states is None else ["cost_state", "cost_state_before"]
    return [*windows, *query.dimensions, *columns, *states]


def _show(growth: Growth, compared: Compared) -> dict[str, Any]:
    query = growth.result.query
    shown = plain_window(compared.window, query.tz)
    shown.update((name, plain_value(value)) for name, value in compared.dimensions.items())
    for name in query.measures:
        change = compared.change(name)
        shown[name] = plain_value(change.now)
        shown[f"{name}_before"] = plain_value(change.before)
        shown[f"{name}_change"] = plain_value(change.difference)
        shown[f"{name}_growth"] = change.ratio
    if compared.cost_states is not None:
        shown["cost_state"], shown["cost_state_before"] = compared.cost_states
    return shown
