"""`/usage/growth`, `/usage/summary`, `/questions` and `/adjustments`: what is asked most.

Input: the parameters of `spantoll growth`, `ask` and `periods adjustments`. Output: `plain_growth`,
the answer to the question of a name, or what closed periods keep out of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameters

from spantoll.query import (
    QUESTIONS,
    Filter,
    Scope,
    find_question,
    growth_headers,
    measure_growth,
    parse_filters,
    parse_period,
    plain_growth,
)
from spantoll.storage.adjustments import list_adjustments
from spantoll.storage.periods import list_periods
from spantoll.surfaces.adjusted import ADJUSTMENT_HEADERS, plain_adjustment
from spantoll.surfaces.rest.context import Context, RestContext, Visible, find_limit
from spantoll.surfaces.rest.coverage import cover_result
from spantoll.surfaces.rest.hidden_costs import hide_measures
from spantoll.surfaces.rest.kept_answers import SLOW_S, identify_request, write_kept_answer
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.models import NoParameters
from spantoll.surfaces.rest.openapi import describe_formats
from spantoll.surfaces.rest.parameters import (
    FILTERS,
    Filters,
    GrowthParameters,
    PeriodParameters,
    ScopeParameters,
)
from spantoll.surfaces.rest.schemas import (
    AdjustmentsAnswer,
    GrowthAnswer,
    QuestionsAnswer,
    UsageAnswer,
)
from spantoll.surfaces.rest.usage import answer_with_adjustments

__all__ = ["router"]

router = APIRouter(tags=["usage"])

REAL_TIME = ("real_time",)
"""Questions about the time until now, whose answers may be of `cache_s` seconds ago."""
SLOW = ("performance",)
"""Questions that read every record of a period: what takes longer than SLOW_S may be of `cache_s`
seconds ago."""
SUMMARY = "overall"
"""The question that `/usage/summary` answers."""
QuestionName = Annotated[str, Path(max_length=64, json_schema_extra={"enum": list(QUESTIONS)})]


@router.get(
    "/usage/growth",
    responses=describe_formats(GrowthAnswer),
    openapi_extra=FILTERS,
    name="get_growth",
)
def get_growth(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[GrowthParameters, Parameters()],
) -> Response:
    """Compare a period with an earlier one, or each window with the one before."""
    query = wanted.read_query(context, filters=filters, visible=visible)
    growth = measure_growth(context.engine, query, against=wanted.against)
    document = plain_growth(growth)
    coverage = cover_result(context.engine, growth.result)
    answer = Answer({**document, "coverage": coverage}, growth_headers(growth), document["rows"])
    return write_answer(request, answer, wanted.format)


@router.get(
    "/usage/summary",
    responses=describe_formats(UsageAnswer),
    openapi_extra=FILTERS,
    name="get_summary",
)
def get_summary(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[ScopeParameters, Parameters()],
) -> Response:
    """Add up calls, tokens, cost, outcomes, latency and who called."""
    return answer_question(request, context, SUMMARY, visible, wanted, filters)


@router.get("/questions", responses=describe_formats(QuestionsAnswer), name="get_questions")
def get_questions(request: Request, wanted: Annotated[NoParameters, Parameters()]) -> Response:
    """List the questions that have a name."""
    rows = [
        {
            "question": name,
            "answers": " ".join((question.__doc__ or "").removeprefix("Return ").split()),
        }
        for name, question in QUESTIONS.items()
    ]
    answer = Answer({"questions": rows}, ("question", "answers"), rows)
    return write_answer(request, answer, wanted.format)


@router.get(
    "/questions/{question}",
    responses=describe_formats(UsageAnswer),
    openapi_extra=FILTERS,
    name="get_answer",
)
def get_answer(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    question: QuestionName,
    wanted: Annotated[ScopeParameters, Parameters()],
) -> Response:
    """Answer a question by its name."""
    return answer_question(request, context, question, visible, wanted, filters)


def answer_question(
    request: Request,
    context: RestContext,
    question: str,
    visible: Sequence[Filter],
    wanted: ScopeParameters,
    filters: Sequence[str],
) -> Response:
    """Answer a question of what the key may see, until now where no end is given."""
    period = wanted.read(context.tz)
    now_ns = context.now_ns()
    start_ns, end_ns = parse_period(**period, now_ns=now_ns)
    scope = Scope(
        filters=(*parse_filters([*wanted.where, *filters]), *visible),
        start_ns=start_ns,
        end_ns=now_ns if end_ns is None else end_ns,
        tz=period["tz"],
    )
    query = hide_measures(find_question(question)(scope), visible)

    def make() -> Answer:
        return answer_with_adjustments(context, query, visible)

    name = question.replace("-", "_")
    identity: dict[str, Any]
    if name in REAL_TIME and end_ns is None:
        identity = {"question": name, "filters": scope.filters}
        identity |= {"start_ns": start_ns, "tz": scope.tz}
        return write_kept_answer(request, context, wanted, make, identity=identity)
    if name in SLOW:
        identity = identify_request(request, context, visible)
        return write_kept_answer(
            request, context, wanted, make, identity=identity, slower_than_s=SLOW_S
        )
    return write_answer(request, make(), wanted.format)


@router.get("/adjustments", responses=describe_formats(AdjustmentsAnswer), name="get_adjustments")
def get_adjustments(
    request: Request,
    context: Context,
    visible: Visible,
    wanted: Annotated[PeriodParameters, Parameters()],
) -> Response:
    """List what would have changed records of closed periods, by when it was booked."""
    start_ns, end_ns = parse_period(**wanted.read(context.tz), now_ns=context.now_ns())
    names = {each.period_id: each.name for each in list_periods(context.engine)}
    limit = find_limit(visible)
    found = list_adjustments(
        context.engine,
        booked_from_ns=start_ns,
        booked_to_ns=end_ns,
        customer_id=limit.customer_id,
        tenant_id=limit.tenant_id,
    )
    rows = [plain_adjustment(each, names) for each in found]
    document = {"currency": "USD", "adjustments": rows}
    return write_answer(request, Answer(document, ADJUSTMENT_HEADERS, rows), wanted.format)
