"""`/prices`: the user's own prices, which outrank every other; and which price would bill a call.

Input: rows as `spantoll prices import` reads them, or a call as `spantoll price` does. Output: the
rows in force, what a change did, or what each source of prices alone would charge. Whoever may see
one customer only sees no prices: they are what the operator pays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameters
from pydantic import BaseModel, ConfigDict, Field

from spantoll.errors import StoreUnavailable
from spantoll.pipeline.price_changes import add_rows
from spantoll.pipeline.user_pricing import read_user_pricing
from spantoll.pricing import Priced, Unpriced, UserPricing, load_rate_card
from spantoll.pricing.own_prices import OWN_FIELDS, OwnPrice, read_own_price, write_own_price
from spantoll.pricing.price_line import UnreadableCall, describe_cost, read_call, usd
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.sources import price_by_source
from spantoll.storage.own_prices import PRICES
from spantoll.surfaces.rest.context import Context, Visible, check_unlimited
from spantoll.surfaces.rest.exact import ExactRoute
from spantoll.surfaces.rest.guard import Actor, require
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.models import NoParameters
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.price_schemas import PriceChangeAnswer, PricesAnswer, PriceTestAnswer
from spantoll.surfaces.rest.problem import refuse_value

__all__ = ["router"]

router = APIRouter(tags=["prices"], route_class=ExactRoute)

MOST_ROWS = 1_000
HEADERS = (*OWN_FIELDS, "origin")
Row = dict[str, Any]


class PriceRows(BaseModel):
    """Rows to add, all or none; with `replace` they end the rows that they overlap."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prices: list[Row] = Field(
        min_length=1,
        max_length=MOST_ROWS,
        examples=[
            [
                {
                    "provider": "openai",
                    "model": "gpt-4o",
                    "metric": "input",
                    "amount": "2.20",
                    "per": "1M",
                    "valid_from": "2026-11-01",
                }
            ]
        ],
    )
    replace: bool = False


class PriceTest(BaseModel):
    """A call, and rows to try beside those in force."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(max_length=64)
    model: str = Field(max_length=256)
    usage: dict[str, Any] = Field(examples=[{"input_tokens": 1_000_000, "output_tokens": 0}])
    context: dict[str, Any] = Field(default_factory=dict)
    prices: list[Row] = Field(default_factory=list, max_length=MOST_ROWS)


@router.get(
    "/prices",
    responses=describe_formats(PricesAnswer),
    dependencies=require("read"),
    name="get_prices",
)
def get_prices(
    request: Request,
    context: Context,
    visible: Visible,
    wanted: Annotated[NoParameters, Parameters()],
) -> Response:
    """List your own prices, of the ledger and of the configuration file."""
    check_unlimited(visible, "prices")
    rows = [_show(row) for row in sorted(read_user_pricing(context.engine).prices)]
    return write_answer(request, Answer({"prices": rows}, HEADERS, rows), wanted.format)


@router.post(
    "/prices",
    responses=describe_json(PriceChangeAnswer),
    dependencies=require("write"),
    name="add_prices",
)
def post_prices(request: Request, context: Context, actor: Actor, wanted: PriceRows) -> Response:
    """Add prices of your own; calls received a few seconds later are priced by them."""
    if context.store is None:
        raise StoreUnavailable("this server only reads")
    rows = read_rows(wanted.prices)
    try:
        done = add_rows(
            context.store,
            PRICES,
            rows,
            replace=wanted.replace,
            by=actor,
            now_ns=context.now_ns(),
        )
    except PriceDataError as error:
        raise refuse_value(error, "/prices") from None
    document = {
        "added": [_show(row) for row in done.added],
        "unchanged": done.unchanged,
        "ended": [_show(row) for row in done.ended],
    }
    return write_answer(request, Answer(document, (), ()), "json")


@router.post(
    "/prices/test",
    responses=describe_json(PriceTestAnswer),
    dependencies=require("read"),
    name="test_prices",
)
def compare_prices(
    request: Request, context: Context, visible: Visible, wanted: PriceTest
) -> Response:
    """Show which price would bill a call, and what each source alone would charge."""
    check_unlimited(visible, "prices")
    record = {
        "provider": wanted.provider,
        "request_model": wanted.model,
        "usage": wanted.usage,
        "context": wanted.context,
    }
    try:
        call = read_call(record, now_ns=context.now_ns())
    except UnreadableCall as error:
        raise refuse_value(error, "/usage") from None
    tried = UserPricing(tuple(read_rows(wanted.prices)))
    try:
        card = load_rate_card(user=read_user_pricing(context.engine).join(tried))
    except PriceDataError as error:
        raise refuse_value(error, "/prices") from None
    document = {
        "currency": "USD",
        "billed": describe_cost(card, call),
        "sources": [_show_answer(*each) for each in price_by_source(card, call)],
    }
    return write_answer(request, Answer(document, (), ()), "json")


def read_rows(rows: Sequence[Mapping[str, Any]]) -> list[OwnPrice]:
    """Read rows of a request. Raises ProblemError pointing to the row that is wrong."""
    read = []
    for index, row in enumerate(rows):
        texts = {name: _write_text(value) for name, value in row.items()}
        try:
            read.append(read_own_price(texts, f"row {index + 1} of the request"))
        except PriceDataError as error:
            raise refuse_value(error, f"/prices/{index}") from None
    return read


def _write_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)


def _show(row: OwnPrice) -> dict[str, str]:
    return {**write_own_price(row), "origin": row.position}


def _show_answer(source: str, answer: Priced | Unpriced) -> dict[str, Any]:
    if isinstance(answer, Unpriced):
        return {"source": source, "cost_usd": None, "status": "unpriced", "reason": answer.detail}
    return {
        "source": source,
        "cost_usd": usd(answer.cost_nano),
        "status": "exact" if answer.status == "priced" else answer.status,
        "reason": answer.reason,
    }
