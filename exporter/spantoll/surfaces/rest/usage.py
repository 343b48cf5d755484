"""`/usage`: sums of measures by dimensions and windows; `/health/data`: how sure they are.

Input: the parameters of `spantoll usage` and `spantoll health`. Output: `plain_result` with how
much is priced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameters

from spantoll.query import (
    Filter,
    Query,
    doubt_query,
    health_query,
    measure_drift,
    parse_filters,
    parse_period,
    plain_headers,
    plain_result,
    plain_rows,
    run,
)
from spantoll.surfaces.adjusted import plain_adjusted, read_adjusted
from spantoll.surfaces.exports import describe_result
from spantoll.surfaces.rest.context import Context, RestContext, Visible, find_limit
from spantoll.surfaces.rest.coverage import cover_result
from spantoll.surfaces.rest.kept_answers import SLOW_S, identify_request, write_kept_answer
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.openapi import describe_formats
from spantoll.surfaces.rest.parameters import (
    FILTERS,
    Filters,
    ScopeParameters,
    UsageParameters,
    UsageQuery,
)
from spantoll.surfaces.rest.schemas import HealthAnswer, UsageAnswer

__all__ = ["answer_query", "answer_usage", "answer_with_adjustments", "router"]

router = APIRouter(tags=["usage"])


@router.get(
    "/usage/query", responses=describe_formats(UsageAnswer), openapi_extra=FILTERS, name="get_usage"
)
def get_usage(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[UsageParameters, Parameters()],
) -> Response:
    """Add up measures by dimensions and windows."""
    return answer_usage(request, context, visible, wanted, filters, wanted.format)


@router.post("/usage/query", responses=describe_formats(UsageAnswer), name="query_usage")
def query_usage(
    request: Request, context: Context, visible: Visible, wanted: UsageQuery
) -> Response:
    """Add up measures by dimensions and windows; the same names in a JSON body."""
    return answer_usage(request, context, visible, wanted, (), None)


@router.get(
    "/health/data",
    responses=describe_formats(HealthAnswer),
    openapi_extra=FILTERS,
    name="get_data_health",
)
def get_data_health(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[ScopeParameters, Parameters()],
) -> Response:
    """Show per emitter how well its spans could be read, counted and priced."""
    period = wanted.read(context.tz)
    start_ns, end_ns = parse_period(**period, now_ns=context.now_ns())
    kept = (*parse_filters([*wanted.where, *filters]), *visible)
    query = replace(health_query(filters=kept, start_ns=start_ns, end_ns=end_ns), tz=period["tz"])
    counted = Query(measures=("cost_usd",), filters=kept, start_ns=start_ns, end_ns=end_ns)

    def make() -> Answer:
        doubts = plain_rows(run(context.engine, doubt_query(counted)))
        drift = measure_drift(context.engine, counted)
        return answer_query(
            context,
            query,
            covered=counted,
            doubts=doubts,
            drift=[] if drift is None else plain_rows(drift),
        )

    identity = identify_request(request, context, visible)
    return write_kept_answer(
        request, context, wanted, make, identity=identity, slower_than_s=SLOW_S
    )


def answer_usage(
    request: Request,
    context: RestContext,
    visible: Sequence[Filter],
    wanted: UsageQuery,
    filters: Sequence[str],
    format: str | None,
) -> Response:
    """Answer a usage query, of what the key of the request may see."""
    query = wanted.read_query(
        context,
        filters=filters,
        visible=visible,
        order=wanted.order,
        uncounted=wanted.uncounted,
        exact=wanted.exact,
        fill=wanted.fill,
        others=wanted.others,
    )
    return write_answer(request, answer_with_adjustments(context, query, visible), format)


def answer_with_adjustments(
    context: RestContext, query: Query, visible: Sequence[Filter]
) -> Answer:
    """Answer a query, with what closed periods keep out of its sums."""
    limit = find_limit(visible)
    adjusted = read_adjusted(
        context.engine, query, customer_id=limit.customer_id, tenant_id=limit.tenant_id
    )
    return answer_query(context, query, adjustments=plain_adjusted(*adjusted))


def answer_query(
    context: RestContext, query: Query, *, covered: Query | None = None, **also: object
) -> Answer:
    """Answer a query with how much is priced of it, or of the calls of the query `covered`.

    `also` are more members of the document.
    """
    result = run(context.engine, query)
    priced = result if covered is None else run(context.engine, covered)
    coverage = cover_result(context.engine, priced)
    document = {**plain_result(result), "coverage": coverage, **also}
    rows = plain_rows(result)
    return Answer(document, plain_headers(result), rows, about=describe_result(result))
