"""`/customers`: what each customer used, cost and paid; `/customers/prices`: what they pay.

Input: filters and a period, or rows as `spantoll customers import` reads them. Output: sums by
customer, the rows there are, or what a change did. Whoever may see one customer or tenant only sees
no rows: they show what the operator adds to its cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameters
from pydantic import BaseModel, ConfigDict, Field

from spantoll.customers import CustomerPrice
from spantoll.customers.rows import ROW_FIELDS, read_row, write_rows
from spantoll.errors import CustomerPriceError
from spantoll.pipeline.customer_book import read_customer_book, read_file_customers
from spantoll.query import Query, parse_filters, parse_period
from spantoll.query.times import parse_time
from spantoll.query.windows import find_zone
from spantoll.storage import add_customer_prices, end_customer_price
from spantoll.surfaces.rest.context import (
    Context,
    RestContext,
    Visible,
    check_unlimited,
    find_sql_store,
)
from spantoll.surfaces.rest.exact import ExactRoute
from spantoll.surfaces.rest.guard import Actor, require
from spantoll.surfaces.rest.hidden_costs import hide_measures
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.models import NoParameters
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.parameters import FILTERS, Filters, ScopeParameters
from spantoll.surfaces.rest.price_schemas import CustomerPriceChangeAnswer, CustomerPricesAnswer
from spantoll.surfaces.rest.problem import refuse_value
from spantoll.surfaces.rest.schemas import UsageAnswer
from spantoll.surfaces.rest.usage import answer_with_adjustments

__all__ = ["router"]

router = APIRouter(tags=["customers"], route_class=ExactRoute)

MOST_ROWS = 1_000
MEASURES = ("requests", "total_tokens", "cost_usd", "revenue_usd", "margin_usd")
Row = dict[str, Any]
Number = Annotated[int, Path(ge=1, lt=10**18, description="`id` of a row.")]


class CustomerPriceRows(BaseModel):
    """Rows to add, all or none."""

    model_config = ConfigDict(extra="forbid")

    prices: list[Row] = Field(
        min_length=1,
        max_length=MOST_ROWS,
        examples=[[{"customer": "acme", "provider": "openai", "markup_percent": "30"}]],
    )
    markup_unit: Literal["percent", "fraction"] | None = Field(
        None, description="What markups and discounts are in, whatever their member is called."
    )
    tz: str | None = Field(None, max_length=64, description="IANA zone of dates.")


class EndOfPrice(BaseModel):
    """When a row or rule ends."""

    model_config = ConfigDict(extra="forbid")

    at: str = Field(max_length=64, description="From when the row holds no longer.")
    tz: str | None = Field(None, max_length=64, description="IANA zone of a date.")

    def read(self, context: RestContext) -> int:
        """Return the time in nanoseconds. Raises QueryError for what is none."""
        zone = find_zone(self.tz or context.tz)
        return parse_time(self.at, field="at", tz=zone, now_ns=context.now_ns())


@router.get(
    "/customers",
    responses=describe_formats(UsageAnswer),
    openapi_extra=FILTERS,
    dependencies=require("read"),
    name="get_customers",
)
def get_customers(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[ScopeParameters, Parameters()],
) -> Response:
    """Add up calls, tokens, cost, revenue and margin by customer, the largest cost first."""
    period = wanted.read(context.tz)
    start_ns, end_ns = parse_period(**period, now_ns=context.now_ns())
    query = Query(
        measures=MEASURES,
        dimensions=("customer_id",),
        filters=(*parse_filters([*wanted.where, *filters]), *visible),
        start_ns=start_ns,
        end_ns=end_ns,
        tz=period["tz"],
        order=("-cost_usd",),
    )
    query = hide_measures(query, visible)
    return write_answer(request, answer_with_adjustments(context, query, visible), wanted.format)


@router.get(
    "/customers/prices",
    responses=describe_formats(CustomerPricesAnswer),
    dependencies=require("read"),
    name="get_customer_prices",
)
def get_customer_prices(
    request: Request,
    context: Context,
    visible: Visible,
    wanted: Annotated[NoParameters, Parameters()],
) -> Response:
    """List what customers pay, rows that have ended included."""
    check_unlimited(visible, "prices")
    with context.engine.connect() as connection:
        rows = write_rows(read_customer_book(connection).prices)
    return write_answer(request, Answer({"prices": rows}, ROW_FIELDS, rows), wanted.format)


@router.post(
    "/customers/prices",
    responses=describe_json(CustomerPriceChangeAnswer),
    dependencies=require("write"),
    name="add_customer_prices",
)
def post_customer_prices(
    request: Request, context: Context, actor: Actor, wanted: CustomerPriceRows
) -> Response:
    """Add rows of what customers pay; a row that overlaps another one is refused."""
    store, now_ns = find_sql_store(context), context.now_ns()
    prices = _read_rows(context, wanted)
    try:
        with store.transaction() as connection:
            added = add_customer_prices(
                connection, prices, now_ns=now_ns, by=actor, file=read_file_customers()
            )
    except CustomerPriceError as error:
        raise refuse_value(error, "/prices") from None
    return _answer_change(request, added, unchanged=len(prices) - len(added))


@router.post(
    "/customers/prices/{number}/end",
    responses=describe_json(CustomerPriceChangeAnswer),
    dependencies=require("write"),
    name="end_customer_price",
)
def post_end(
    request: Request, context: Context, actor: Actor, number: Number, wanted: EndOfPrice
) -> Response:
    """Give an open row its end; ended where it begins, it never holds."""
    store, now_ns = find_sql_store(context), context.now_ns()
    end_ns = wanted.read(context)
    try:
        with store.transaction() as connection:
            ended = end_customer_price(connection, number, end_ns=end_ns, now_ns=now_ns, by=actor)
    except CustomerPriceError as error:
        raise refuse_value(error, "/at") from None
    return _answer_change(request, [ended], unchanged=0)


def _read_rows(context: RestContext, wanted: CustomerPriceRows) -> Sequence[CustomerPrice]:
    zone, now_ns = find_zone(wanted.tz or context.tz), context.now_ns()

    def parse(text: str) -> int:
        return parse_time(text, field="prices", tz=zone, now_ns=now_ns)

    read = []
    for index, row in enumerate(wanted.prices):
        try:
            read.append(read_row(row, parse_time=parse, markup_unit=wanted.markup_unit))
        except CustomerPriceError as error:
            raise refuse_value(error, f"/prices/{index}") from None
    return read


def _answer_change(
    request: Request, changed: Sequence[CustomerPrice], *, unchanged: int
) -> Response:
    document: Mapping[str, Any] = {"changed": write_rows(changed), "unchanged": unchanged}
    return write_answer(request, Answer(document, (), ()), "json")
