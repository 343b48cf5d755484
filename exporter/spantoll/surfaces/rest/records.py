"""`/records`: calls, newest first, page by page; `/records/{id}`: why one costs what it costs.

Input: the parameters of `spantoll records` and `spantoll explain`. Output: `plain_records` and
`plain_explanation`; the next page is in `next_cursor` and in the header `Link`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameters

from spantoll.customers import compute_revenue
from spantoll.errors import QueryError
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.query import (
    RECORD_HEADERS,
    Explanation,
    Filter,
    Listed,
    RecordQuery,
    explain,
    list_records,
    parse_filters,
    parse_period,
    plain_explanation,
    plain_records,
)
from spantoll.query.windows import find_zone, to_local_time
from spantoll.surfaces.explained_revenue import plain_revenue_lines
from spantoll.surfaces.exports import describe_query
from spantoll.surfaces.rest.context import Context, RestContext, Visible
from spantoll.surfaces.rest.coverage import cover_records
from spantoll.surfaces.rest.hidden_costs import hides_costs
from spantoll.surfaces.rest.media import Answer, write_answer, write_reference
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.parameters import FILTERS, Filters, RecordParameters
from spantoll.surfaces.rest.problem import ProblemError
from spantoll.surfaces.rest.schemas import ExplanationAnswer, RecordsAnswer

__all__ = ["answer_records", "find_explanation", "router"]

router = APIRouter(tags=["records"])


@router.get(
    "/records", responses=describe_formats(RecordsAnswer), openapi_extra=FILTERS, name="get_records"
)
def get_records(
    request: Request,
    context: Context,
    visible: Visible,
    filters: Filters,
    wanted: Annotated[RecordParameters, Parameters()],
) -> Response:
    """List calls, newest first."""
    return answer_records(request, context, visible, wanted, filters)


def answer_records(
    request: Request,
    context: RestContext,
    visible: Sequence[Filter],
    wanted: RecordParameters,
    filters: Sequence[str],
) -> Response:
    """Answer with a page of records, of those that the key of the request may see."""
    period = wanted.read(context.tz)
    start_ns, end_ns = parse_period(**period, now_ns=context.now_ns())
    query = RecordQuery(
        filters=(*parse_filters([*wanted.where, *filters]), *visible),
        start_ns=start_ns,
        end_ns=end_ns,
        limit=wanted.limit,
        after=wanted.after,
        uncounted=wanted.uncounted,
    )
    page = list_records(context.engine, query)
    rows = plain_records(page.records, context.links)
    links = {}
    if page.cursor is not None:
        links["next"] = write_reference(request, after=page.cursor)
    document = {
        **_echo_period(query, tz=period["tz"]),
        "coverage": cover_records(page.records),
        "records": rows,
        "next_cursor": page.cursor,
        "has_more": page.cursor is not None,
    }
    about = describe_query(query, tz=period["tz"])
    answer = Answer(document, RECORD_HEADERS, rows, links, about)
    return write_answer(request, answer, wanted.format)


@router.get("/records/{record_id}", responses=describe_json(ExplanationAnswer), name="get_record")
def get_record(
    request: Request,
    context: Context,
    visible: Visible,
    record_id: Annotated[int, Path(ge=1, lt=10**18, description="`id` of a record.")],
) -> Response:
    """Explain a record: how it was read, counted and priced."""
    explained = find_explanation(context, visible, record_id)
    explanation = plain_explanation(explained, context.links)
    if hides_costs(visible):
        for name in ("facts", "lines"):  # of how the cost was computed
            del explanation[name]
    document = {
        "currency": "USD",
        **explanation,
        "revenue_lines": explain_revenue(context, visible, explained),
    }
    return write_answer(request, Answer(document, (), ()), "json")


def explain_revenue(
    context: RestContext, visible: Visible, explained: Explanation
) -> list[dict[str, Any]]:
    """Show what the customer of a record is charged, line by line.

    A key that is limited to a customer or tenant does not see by which customer prices.
    """
    record = explained.listed.record
    with context.engine.connect() as connection:
        book = read_customer_book(connection)
    lines = plain_revenue_lines(record, compute_revenue(record, book, rate=explained.rate))
    if not visible:
        return lines
    return [{**line, "customer_price": None, "discount": None} for line in lines]


def find_explanation(context: RestContext, visible: Visible, record_id: int) -> Explanation:
    """Explain a record that the key of the request may see. Raises ProblemError 404."""
    try:
        (explained,) = explain(context.engine, str(record_id), rate_card=context.rate_card)
    except QueryError:
        raise ProblemError(404, f"there is no record {record_id}") from None
    if not is_visible(explained.listed, visible):
        raise ProblemError(404, f"there is no record {record_id}")
    repeats = explained.repeats
    return explained._replace(
        repeats=repeats if repeats is not None and is_visible(repeats, visible) else None,
        repeated_by=[each for each in explained.repeated_by if is_visible(each, visible)],
    )


def is_visible(listed: Listed, visible: Visible) -> bool:
    """Return whether a record passes the filters that a key is limited to."""
    return all(getattr(listed.record, each.field) in each.values for each in visible)


def _echo_period(query: RecordQuery, *, tz: str) -> dict[str, str | None]:
    return {
        "from": _format_time(query.start_ns, tz),
        "to": _format_time(query.end_ns, tz),
        "tz": tz,
        "currency": "USD",
    }


def _format_time(ns: int | None, tz: str) -> str | None:
    return None if ns is None else to_local_time(ns, find_zone(tz)).isoformat()
