"""`/customers/{customer}/statement`: what a customer is charged for a period, line by line.

Input: the parameters of `spantoll customers statement`. Output: the same lines as JSON, as rows or
as a page to print. Whoever may see one customer or tenant only sees no other, and no cost.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameters
from pydantic import BaseModel, ConfigDict, Field

from spantoll.errors import CustomerPriceError
from spantoll.surfaces.rest.context import Context, Visible, check_unlimited, find_limit
from spantoll.surfaces.rest.media import Answer, Page, write_answer
from spantoll.surfaces.rest.openapi import describe_page
from spantoll.surfaces.rest.parameters import Text
from spantoll.surfaces.rest.price_schemas import StatementAnswer
from spantoll.surfaces.rest.problem import Problem, ProblemError
from spantoll.surfaces.rest.statement_page import PAGE_HEADERS, render_statement
from spantoll.surfaces.statement import (
    list_statement_headers,
    plain_statement,
    read_period,
    read_period_statement,
)

__all__ = ["router"]

router = APIRouter(tags=["customers"])

DEFAULT_TENANT = "default"
Customer = Annotated[str, Path(min_length=1, max_length=128, description="Customer id.")]


class StatementParameters(BaseModel):
    """A period by its name, or from `from` (inclusive) to `to` (exclusive)."""

    model_config = ConfigDict(extra="forbid")

    period: Text | None = Field(None, description="2026-10, 2026-Q4 or 2026.")
    from_: Text | None = Field(None, alias="from", description="Inclusive, with `to`: 2026-11-01.")
    to: Text | None = Field(None, description="Exclusive, with `from`.")
    currency: str = Field(
        "USD",
        pattern="^[A-Za-z]{3}$",
        description="At the exchange rates you gave, of the day of each call.",
    )
    cost: bool = Field(False, description="Show cost and margin too.")
    tenant: str | None = Field(
        None, max_length=64, description="Of its records; `default`, or the one of the key."
    )
    tz: Text | None = Field(None, description="IANA time zone; the server's where it is absent.")
    format: Literal["json", "csv", "jsonl", "xlsx", "parquet", "html"] | None = Field(
        None, description="How the answer is written, where the header Accept does not say it."
    )


@router.get(
    "/customers/{customer:path}/statement",
    responses=describe_page(StatementAnswer),
    name="get_statement",
)
def get_statement(
    request: Request,
    context: Context,
    visible: Visible,
    customer: Customer,
    wanted: Annotated[StatementParameters, Parameters()],
) -> Response:
    """Show what a customer is charged for a period."""
    limit = find_limit(visible)
    tenant = wanted.tenant or limit.tenant_id or DEFAULT_TENANT
    if limit.customer_id not in (None, customer) or limit.tenant_id not in (None, tenant):
        raise ProblemError(404, f"this key sees no customer {customer!r} of the tenant {tenant!r}")
    if wanted.cost:
        check_unlimited(visible, "cost in a statement")
    tz = wanted.tz or context.tz
    period, parts = read_period(wanted.period, wanted.from_, wanted.to, tz, now_ns=context.now_ns())
    try:
        shown = read_period_statement(
            context.engine,
            customer,
            parts,
            period=period,
            tz=tz,
            currency=wanted.currency,
            tenant_id=tenant,
        )
    except CustomerPriceError as error:
        raise ProblemError(422, str(error), errors=[Problem(message=str(error))]) from None
    document = plain_statement(shown, cost=wanted.cost)
    headers = list_statement_headers(shown.statement, cost=wanted.cost)
    about = [
        *((name, str(document[name])) for name in ("customer", "period", "tz", "currency")),
        *(("note", note) for note in document["notes"]),
    ]
    answer = Answer(document, headers, document["lines"], about=about, has_costs=wanted.cost)
    page = Page(lambda: render_statement(shown, cost=wanted.cost), PAGE_HEADERS)
    return write_answer(request, answer, wanted.format, page=page)
