"""`/records/{id}`: one call, why it costs what it costs, and why its customer pays what it pays.

Input: the id of a record. Output: its price row with the arithmetic, the customer prices with
theirs, other reports of the same call, and the address of its trace.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from spantoll.customers import compute_revenue
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.query import CostState, Explanation, plain_explanation, to_usd
from spantoll.query.owners import read_assigning_rules
from spantoll.query.run import reading
from spantoll.surfaces.cells import format_dollars
from spantoll.surfaces.dashboard.owner_links import OwnerLinks, link_owners
from spantoll.surfaces.dashboard.period import read_or_default
from spantoll.surfaces.dashboard.render import render
from spantoll.surfaces.explained_revenue import plain_revenue_lines
from spantoll.surfaces.rest.context import Context, RestContext, Visible
from spantoll.surfaces.rest.problem import ProblemError
from spantoll.surfaces.rest.records import find_explanation

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class Charge(NamedTuple):
    """What the customer of a record is charged for it, as texts."""

    revenue: str
    margin: str
    reason: str
    """Why the revenue is unknown, or which customer prices made it where they are several."""
    lines: list[dict[str, Any]]
    """The arithmetic; none where the revenue is not what today's customer prices give."""
    outdated: bool
    """Today's customer prices would give another revenue."""


@router.get("/records/{record_id}")
def show_record(
    request: Request,
    context: Context,
    visible: Visible,
    record_id: Annotated[int, Path(ge=1, lt=10**18)],
) -> HTMLResponse:
    """Show one call, and why it costs what it costs."""
    try:
        explained = find_explanation(context, visible, record_id)
    except ProblemError as error:
        return render(request, "missing.html", status=error.code, reason=error.detail)
    view, problem = read_or_default(request, context, visible)
    return render(
        request,
        "record.html",
        view=view,
        problem=problem,
        explained=explained,
        plain=plain_explanation(explained, context.links),
        state=CostState.from_record(explained.listed.record),
        charge=explain_charge(context, explained),
        owners=list_owners(context, visible, record_id),
    )


def list_owners(context: RestContext, visible: Visible, record_id: int) -> list[OwnerLinks]:
    """Return the rules that assign a record; none to limited keys, as rules name others."""
    if visible:
        return []
    with reading(context.engine) as connection:
        return link_owners(read_assigning_rules(connection, record_id))


def explain_charge(context: RestContext, explained: Explanation) -> Charge | None:
    """Explain the revenue of a record; None where nobody is charged for it."""
    record = explained.listed.record
    if record.revenue_nano is None and not record.revenue_reason:
        return None
    with reading(context.engine) as connection:
        book = read_customer_book(connection)
    today = compute_revenue(record, book, rate=explained.rate)
    known = record.revenue_nano is not None and record.cost_nano is not None
    margin = (record.revenue_nano or 0) - (record.cost_nano or 0) if known else None
    return Charge(
        format_dollars(to_usd(record.revenue_nano)),
        format_dollars(to_usd(margin), estimated=record.pricing_status in ("estimated", "partial")),
        record.revenue_reason or "",
        plain_revenue_lines(record, today),
        record.revenue_nano != today.nano,
    )
