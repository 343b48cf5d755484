"""`/usage/forecast`: what the current month will have cost when it ends, as an estimate.

Input: the parameters of `spantoll forecast`. Output: `plain_forecast`, with the coverage of the
month until now.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameters

from spantoll.query import (
    FORECAST_HEADERS,
    Query,
    forecast_month,
    parse_filters,
    plain_forecast,
)
from spantoll.surfaces.rest.context import Context, Visible
from spantoll.surfaces.rest.coverage import cover_cost
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.openapi import describe_formats
from spantoll.surfaces.rest.parameters import FILTERS, Filters, ForecastParameters
from spantoll.surfaces.rest.schemas import ForecastAnswer

__all__ = ["router"]

router = APIRouter(tags=["usage"])


@router.get(
    "/usage/forecast",
    responses=describe_formats(ForecastAnswer),
    openapi_extra=FILTERS,
    name="get_forecast",
)
def get_forecast(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[ForecastParameters, Parameters()],
) -> Response:
    """Estimate what the current month will have cost when it ends."""
    query = Query(
        filters=(*parse_filters([*wanted.where, *filters]), *visible), tz=wanted.tz or context.tz
    )
    forecast = forecast_month(context.engine, query, now_ns=context.now_ns())
    document = plain_forecast(forecast)
    answer = Answer(
        {**document, "coverage": cover_cost(forecast.spent.cost)}, FORECAST_HEADERS, [document]
    )
    return write_answer(request, answer, wanted.format)
