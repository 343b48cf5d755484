"""`/customers`: what customers cost, what they are charged, and the statement of each month.

Input: the period of the address, or a customer and a month. Output: cost, revenue and margin by
customer; the lines of `spantoll customers statement`. Whoever may see one customer or tenant only
sees no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from spantoll.customers import describe_price
from spantoll.customers.statement import Statement
from spantoll.errors import SpantollError
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.pricing.exchange import USD
from spantoll.query import Filter, run
from spantoll.query.run import reading
from spantoll.storage.customers_statement import Part
from spantoll.surfaces.dashboard.downloads import Card, make_downloads
from spantoll.surfaces.dashboard.live import share_live
from spantoll.surfaces.dashboard.period import read_or_default
from spantoll.surfaces.dashboard.render import Page, render
from spantoll.surfaces.rest.context import Context, RestContext, Visible
from spantoll.surfaces.statement import format_total, read_month, read_period_statement

__all__ = ["router"]

MEASURES: Mapping[str, str] = {
    "requests": "Calls",
    "cost_usd": "Cost",
    "revenue_usd": "Revenue",
    "margin_usd": "Margin",
    "margin_percent": "Margin, %",
    "requests_without_revenue": "Calls without revenue",
}
"""Measures of the page, with what they are called there."""
USER_MEASURES: Mapping[str, str] = {
    name: MEASURES[name] for name in ("requests", "cost_usd", "revenue_usd")
}
"""Measures of the table of users."""
TOP_USERS = 10
"""Rows of the table of users; a link below it leads to all."""
LIMITS = ("customer_id", "tenant_id")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/customers")
@share_live
def show_customers(request: Request, context: RestContext, visible: Sequence[Filter]) -> Page:
    """Show cost, revenue and margin of each customer."""
    view, problem = read_or_default(request, context, visible)
    query = view.query(*MEASURES, by=["customer_id"], order=["-revenue_usd", "-cost_usd"])
    of_users = view.query(
        *USER_MEASURES, by=["user_id"], order=["-cost_usd", "-requests"], limit=TOP_USERS
    )
    cards = {"customers": Card("Customers", query), "users": Card("Users", of_users)}
    return Page(
        "customers.html",
        {
            "view": view,
            "problem": problem,
            "labels": MEASURES,
            "month": view.show_time((view.end_ns or view.now_ns) - 1)[:7],
            "result": run(context.engine, query),
            "users": run(context.engine, of_users),
            "user_labels": USER_MEASURES,
            "downloads": make_downloads(view, cards),
            "prices": () if visible else list_prices(context),
        },
    )


@router.get("/customers/{customer_id:path}")
def show_statement(
    request: Request,
    context: Context,
    visible: Visible,
    customer_id: Annotated[str, Path(max_length=128)],
    month: str = "",
    tenant: str = "default",
    currency: Annotated[str, Query(max_length=3)] = USD,
) -> HTMLResponse:
    """Show what a customer is charged for a month, line by line."""
    view, problem = read_or_default(request, context, visible)
    month = month or view.show_time(context.now_ns())[:7]
    if not may_see(visible, customer_id, tenant):
        reason = f"this key does not see the customer {customer_id}"
        return render(request, "missing.html", status=404, reason=reason)
    statement: Statement | None = None
    notes: Sequence[str] = ()
    try:
        start_ns, end_ns = read_month(month, view.tz, now_ns=context.now_ns())
        shown = read_period_statement(
            context.engine,
            customer_id,
            [Part("", start_ns, end_ns)],
            period=month,
            tz=view.tz,
            currency=currency,
            tenant_id=tenant,
        )
        statement, notes = shown.statement, shown.notes
    except SpantollError as error:
        problem = problem or str(error)
    return render(
        request,
        "statement.html",
        view=view,
        problem=problem,
        customer_id=customer_id,
        month=month,
        tenant=tenant,
        currency=currency.upper(),
        currencies=list_currencies(context),
        statement=statement,
        notes=notes,
        format_charge=format_total,
    )


def may_see(visible: Sequence[Filter], customer_id: str, tenant: str) -> bool:
    """Return whether a key with these limits may see a customer of a tenant."""
    wanted = dict(zip(LIMITS, (customer_id, tenant), strict=True))
    return all(wanted.get(limit.field) in limit.values for limit in visible)


def list_prices(context: RestContext) -> Sequence[str]:
    """Describe what customers pay, row by row."""
    with context.engine.connect() as connection:
        return [describe_price(row) for row in read_customer_book(connection).prices]


def list_currencies(context: RestContext) -> Sequence[str]:
    """List the currencies of statements: USD, and those that have an exchange rate."""
    with reading(context.engine) as connection:
        rates = read_customer_book(connection).exchange_rates
    return [USD, *sorted({rate.currency for rate in rates})]
