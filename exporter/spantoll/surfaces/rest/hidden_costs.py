"""What a key that is limited to a customer does not see: costs, margins and prices of providers.

Input: the filters of a key, and what is asked or answered. Output: the same without costs, margins
and the prices they are made of. Such a key reads what the customer is charged: its revenue, tokens
and calls. Only the routes of SHOWN take it: a new one shows nothing until it is listed. What names
a cost in an order or a filter is refused, for rows in order of their cost, or those above one, say
what it is; members and columns of that kind are left out of every answer (`media.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import Request

from spantoll.query import Filter, Query
from spantoll.surfaces.rest.context import find_limit
from spantoll.surfaces.rest.problem import Problem, ProblemError

__all__ = ["check_costs", "hide_costs", "hide_measures", "hides_costs", "is_cost"]

COST = re.compile(
    r"cost|margin|saving|markup|discount|customer_price|price_set|rate(_id)?$"
    r"|^(?!revenue).*_usd|^assumptions$"
)
"""Names of measures, columns and members: costs, what they are computed from, what is added to
them, every other amount of money than revenue, and free text that may quote any of these."""
NOT_COST = re.compile(r"(success|error|timeout|hit)_rate$")
"""Shares of calls and tokens."""

SHOWN = frozenset(
    {"get_usage", "query_usage", "get_growth", "get_summary", "get_questions", "get_answer"}
    | {"get_records", "get_record", "export_records", "get_data_health"}
    | {"get_customers", "get_statement", "get_providers"}
)
"""Names of the routes that such a key may ask; the prices of others are those of the cost."""

NAMING = ("where", "order", "measure", "by")
"""Parameters whose values begin with the name of a measure, dimension or number."""
NAME = re.compile(r"-?([^!=<>^]*)")


def hides_costs(visible: Sequence[Filter]) -> bool:
    """Return whether a key with these filters sees no costs: one of a customer."""
    return find_limit(visible).customer_id is not None


def is_cost(name: str) -> bool:
    """Return whether a measure, column or member says something of costs."""
    return COST.search(name) is not None and NOT_COST.search(name) is None


async def check_costs(request: Request) -> None:
    """Refuse a key that sees no costs what shows or names them. Raises ProblemError 403."""
    if not hides_costs(request.scope.get("spantoll.filters", ())):
        return
    if request.scope["route"].name not in SHOWN:
        raise ProblemError(403, "a key that is limited to a customer sees neither costs nor prices")
    named = [*_list_names(request.query_params.multi_items()), *await _list_names_of_body(request)]
    found = [Problem(parameter=name, message="is not shown") for name in named if is_cost(name)]
    if found:
        raise ProblemError(403, "a key that is limited to a customer sees no costs", errors=found)


def _list_names(given: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Name what parameters are about: a parameter that is no other one is a filter."""
    for parameter, value in given:
        text = str(value) if parameter in NAMING else parameter
        found = NAME.match(text)
        yield found[1].strip() if found else text


async def _list_names_of_body(request: Request) -> Sequence[str]:
    """Name what a body of the same parameters is about; FastAPI has checked that it is JSON."""
    body = await request.json() if await request.body() else {}
    members = body if isinstance(body, Mapping) else {}
    lists = {name: value for name, value in members.items() if isinstance(value, list)}
    return [*_list_names([(name, each) for name, values in lists.items() for each in values])]


def hide_measures(query: Query, visible: Sequence[Filter]) -> Query:
    """Return a query that measures revenue in the place of what the filters of a key hide."""
    if not hides_costs(visible):
        return query
    measures = ["revenue_usd" if is_cost(name) else name for name in query.measures]
    order = [
        f"{'-' * name.startswith('-')}revenue_usd" if is_cost(name) else name
        for name in query.order
    ]
    return replace(query, measures=list(dict.fromkeys(measures)), order=list(dict.fromkeys(order)))


def hide_costs(value: Any) -> Any:
    """Return plain values without the members that say something of costs."""
    if isinstance(value, Mapping):
        return {name: hide_costs(each) for name, each in value.items() if not is_cost(name)}
    if isinstance(value, list):
        return [hide_costs(each) for each in value]
    return value
