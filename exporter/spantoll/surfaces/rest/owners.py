"""`/owners`: the dated rules by which calls belong to teams, cost centres and customers.

Input: rules as `spantoll owners import` reads them. Output: the rules there are, or what a change
did. Whoever may see one customer or tenant only sees no rules: they name others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi import Query as Parameters
from pydantic import BaseModel, ConfigDict, Field

from spantoll.errors import OwnerRuleError
from spantoll.query.owner_rows import OWNER_FIELDS, read_owner_rows, write_owner_rows
from spantoll.query.run import reading
from spantoll.query.times import parse_time
from spantoll.query.windows import find_zone
from spantoll.storage.owner_rules import (
    OwnerRule,
    add_owner_rules,
    end_owner_rule,
    read_owner_rules,
)
from spantoll.surfaces.rest.context import Context, Visible, check_unlimited, find_sql_store
from spantoll.surfaces.rest.customers import EndOfPrice
from spantoll.surfaces.rest.exact import ExactRoute
from spantoll.surfaces.rest.guard import Actor, require
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.models import NoParameters
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.price_schemas import OwnerChangeAnswer, OwnersAnswer
from spantoll.surfaces.rest.problem import refuse_value

__all__ = ["router"]

router = APIRouter(tags=["owners"], route_class=ExactRoute)

MOST_ROWS = 1_000
Number = Annotated[int, Path(ge=1, lt=10**18, description="`id` of a rule.")]


class OwnerRows(BaseModel):
    """Rules to add, all or none."""

    model_config = ConfigDict(extra="forbid")

    owners: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MOST_ROWS,
        examples=[[{"kind": "team", "owner": "search", "where": "service_name^=search-"}]],
    )
    tz: str | None = Field(None, max_length=64, description="IANA zone of dates.")


@router.get(
    "/owners",
    responses=describe_formats(OwnersAnswer),
    dependencies=require("read"),
    name="get_owners",
)
def get_owners(
    request: Request,
    context: Context,
    visible: Visible,
    wanted: Annotated[NoParameters, Parameters()],
) -> Response:
    """List the rules of the ledger, those that have ended included."""
    check_unlimited(visible, "rules of owners")
    with reading(context.engine) as connection:
        rows = write_owner_rows(read_owner_rules(connection))
    return write_answer(request, Answer({"owners": rows}, OWNER_FIELDS, rows), wanted.format)


@router.post(
    "/owners",
    responses=describe_json(OwnerChangeAnswer),
    dependencies=require("write"),
    name="add_owners",
)
def post_owners(request: Request, context: Context, actor: Actor, wanted: OwnerRows) -> Response:
    """Add rules; one that overlaps another is refused. Answers change at once, no record does."""
    store, now_ns = find_sql_store(context), context.now_ns()
    zone = find_zone(wanted.tz or context.tz)
    try:
        rules = read_owner_rows(
            wanted.owners,
            parse_time=lambda text: parse_time(text, field="owners", tz=zone, now_ns=now_ns),
        )
        with store.transaction() as connection:
            added = add_owner_rules(connection, rules, now_ns=now_ns, by=actor)
    except OwnerRuleError as error:
        raise refuse_value(error, "/owners") from None
    return _answer_change(request, added, unchanged=len(rules) - len(added))


@router.post(
    "/owners/{number}/end",
    responses=describe_json(OwnerChangeAnswer),
    dependencies=require("write"),
    name="end_owner",
)
def post_end(
    request: Request, context: Context, actor: Actor, number: Number, wanted: EndOfPrice
) -> Response:
    """Give an open rule its end; ended where it begins, it never holds."""
    store, now_ns = find_sql_store(context), context.now_ns()
    end_ns = wanted.read(context)
    try:
        with store.transaction() as connection:
            ended = end_owner_rule(connection, number, end_ns=end_ns, now_ns=now_ns, by=actor)
    except OwnerRuleError as error:
        raise refuse_value(error, "/at") from None
    return _answer_change(request, [ended], unchanged=0)


def _answer_change(request: Request, changed: Sequence[OwnerRule], *, unchanged: int) -> Response:
    document = {"changed": write_owner_rows(changed), "unchanged": unchanged}
    return write_answer(request, Answer(document, (), ()), "json")
