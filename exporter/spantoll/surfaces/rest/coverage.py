"""How much of what an answer is about is priced, estimated and unpriced.

Input: a `Result`, or listed records. Output: the members of `CostState` as JSON: money as decimal
strings, counts of calls, and the state in one word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from spantoll.query import CostState, Listed, Result, run, total_query

__all__ = ["cover_cost", "cover_records", "cover_result"]


def cover_result(engine: Engine, result: Result) -> dict[str, Any]:
    """Show the state of the cost of an answer; one without money is asked for its cost too."""
    state = result.totals.cost
    if state is None:
        state = run(engine, total_query(result.query, "cost_usd")).totals.cost
    return cover_cost(state)


def cover_cost(state: CostState | None) -> dict[str, Any]:
    """Show the state of a cost; nothing where there is none."""
    return _show(state) if state is not None else {}


def cover_records(listed: Sequence[Listed]) -> dict[str, Any]:
    """Show the state of the cost of listed records together."""
    states = [CostState.from_record(each.record) for each in listed]
    known = [state.cost_usd for state in states if state.cost_usd is not None]
    sums: dict[str, Any] = {
        field.name: sum(getattr(state, field.name) for state in states)
        for field in fields(CostState)
        if field.name != "cost_usd"
    }
    return _show(CostState(cost_usd=sum(known, Decimal(0)) if known else None, **sums))


def _show(state: CostState) -> dict[str, Any]:
    members = {field.name: getattr(state, field.name) for field in fields(CostState)}
    money = {
        name: f"{Decimal(value):f}"
        for name, value in members.items()
        if name.endswith("_usd") and value is not None
    }
    return {
        **members,
        **money,
        "cost_state": state.name,
        "estimated": state.estimated,
        "lower_bound": state.lower_bound,
    }
