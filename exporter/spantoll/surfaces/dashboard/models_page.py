"""`/models`: what has a list price, and which price a model string gets.

Input: filters of the price list, or a model string as calls report it. Output: models with prices
of a million tokens; the price row of the string, found as it is for a call. No ledger is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from spantoll.errors import QueryError
from spantoll.pricing.browse import ListedModel
from spantoll.pricing.estimate import estimate_cost
from spantoll.pricing.lists import owners_of_provider
from spantoll.surfaces.dashboard.render import render
from spantoll.surfaces.rest.context import Context, RestContext
from spantoll.surfaces.rest.models import list_today

__all__ = ["router"]

MODELS = 200
"""Shown at most."""
LONGEST = 256
"""Characters of a model string."""
TESTED = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}
"""Usage of the call that a model string is tested with."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/models")
def show_models(request: Request, context: Context) -> HTMLResponse:
    """Browse the models that have a price, and test a model string."""
    given = request.query_params
    day, models = list_today(context)
    problem = ""
    try:
        found = list(filter_models(models, given))
    except QueryError as error:
        found, problem = list(models), str(error)
    return render(
        request,
        "models.html",
        day=day,
        models=found[:MODELS],
        count=len(found),
        providers=sorted({model.provider for model in models}),
        operations=sorted({model.operation for model in models}),
        modalities=sorted({kind for model in models for kind in model.modality}),
        given=given,
        provider=owners_of_provider(given.get("provider", ""))[0],
        problem=problem,
        tested=price_string(context, given.get("test", "").strip()[:LONGEST]),
    )


def filter_models(models: Sequence[ListedModel], given: Mapping[str, str]) -> Iterator[ListedModel]:
    """Yield the models that every filter keeps. Raises QueryError for a price that is no number.

    A model without a price of input tokens is not below any.
    """
    name, provider = given.get("name", "").lower(), given.get("provider", "")
    price_lists = owners_of_provider(provider)
    operation, modality = given.get("operation", ""), given.get("modality", "")
    most_usd = read_price(given.get("most", ""))
    for model in models:
        if (
            name in model.model.lower()
            and (not provider or model.provider in price_lists)
            and operation in ("", model.operation)
            and modality in ("", *model.modality)
            and (given.get("free") != "true" or model.free)
            and (most_usd is None or (model.input_usd is not None and model.input_usd <= most_usd))
        ):
            yield model


def read_price(text: str) -> Decimal | None:
    """Read USD per million tokens; None for nothing. Raises QueryError."""
    if not text.strip():
        return None
    try:
        price = Decimal(text.strip())
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite():
        raise QueryError(f"most: {text!r} is not a price in USD", field="most")
    return price


def price_string(context: RestContext, model: str) -> dict[str, Any] | None:
    """Price a call that reports a model string and no provider; None without one."""
    if not model:
        return None
    return estimate_cost(context.rate_card, model, now_ns=context.now_ns(), usage=dict(TESTED))
