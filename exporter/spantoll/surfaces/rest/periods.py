"""`/periods`: closed periods with what was adjusted since, and closing one.

Input: the name of a period that is over and its zone. Output: the period as `spantoll periods list`
shows it; who closed it is in the audit. Closing takes the scope admin, because no period is ever
opened again. Whoever may see one customer or tenant only sees no periods.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameters
from pydantic import BaseModel, ConfigDict, Field

from spantoll.query import Query, plain_result, run
from spantoll.storage.adjustments import NO_ADJUSTMENTS
from spantoll.storage.periods import close_period
from spantoll.surfaces.periods import (
    PERIOD_HEADERS,
    list_adjusted_periods,
    parse_period_name,
    plain_period,
)
from spantoll.surfaces.rest.context import Context, Visible, check_unlimited, find_sql_store
from spantoll.surfaces.rest.guard import Actor, require
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.models import NoParameters
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.price_schemas import ClosedPeriodAnswer, PeriodsAnswer

__all__ = ["router"]

router = APIRouter(tags=["periods"])


class PeriodToClose(BaseModel):
    """A period that is over."""

    model_config = ConfigDict(extra="forbid")

    period: str = Field(
        max_length=16, description="2026-10, 2026-Q4 or 2026.", examples=["2026-10"]
    )
    tz: str | None = Field(
        None, max_length=64, description="IANA zone of its edges; the server's where it is absent."
    )


@router.get(
    "/periods",
    responses=describe_formats(PeriodsAnswer),
    dependencies=require("read"),
    name="get_periods",
)
def get_periods(
    request: Request,
    context: Context,
    visible: Visible,
    wanted: Annotated[NoParameters, Parameters()],
) -> Response:
    """List the closed periods, oldest first, with what was adjusted since."""
    check_unlimited(visible, "closed periods")
    rows = [plain_period(*each) for each in list_adjusted_periods(context.engine)]
    answer = Answer({"currency": "USD", "periods": rows}, PERIOD_HEADERS, rows)
    return write_answer(request, answer, wanted.format)


@router.post(
    "/periods",
    responses=describe_json(ClosedPeriodAnswer),
    dependencies=require("admin"),
    name="close_period",
)
def post_period(
    request: Request, context: Context, actor: Actor, wanted: PeriodToClose
) -> Response:
    """Close a period that is over: what comes later for it becomes an adjustment."""
    store, tz = find_sql_store(context), wanted.tz or context.tz
    window = parse_period_name(wanted.period, tz=tz)
    closed = close_period(
        store,
        wanted.period,
        tz=tz,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        by=actor,
        now_ns=context.now_ns(),
    )
    query = Query(start_ns=closed.start_ns, end_ns=closed.end_ns)
    totals = plain_result(run(context.engine, query))["totals"]
    document = {
        "currency": "USD",
        "closed": plain_period(closed, NO_ADJUSTMENTS),
        "totals": totals,
    }
    return write_answer(request, Answer(document, (), ()), "json")
