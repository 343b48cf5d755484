"""`/reprice`: price stored calls again, after showing what changes; undo, go on, list.

Input: a selection of records. Output: old and new costs by model, customer and day, or, without
`dry_run`, the run that changed them, which can be undone. An answer comes when all is done, or with
`Prefer: respond-async` (RFC 7240 section 4.1) at once: 202 and the address of the run. A run that
is interrupted goes on by `POST /reprice/{run}/resume`.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi import Query as Parameters
from pydantic import ConfigDict, Field
from starlette.background import BackgroundTask

from spantoll.errors import RepriceError, SpantollError
from spantoll.pipeline.reprice_run import (
    Begun,
    begin_repricing,
    finish_repricing,
    preview_repricing,
    resume_run,
    undo_run,
)
from spantoll.pipeline.user_pricing import load_user_card
from spantoll.query import parse_period
from spantoll.query.windows import find_zone
from spantoll.storage import SqlStore
from spantoll.storage.reprice import Run, Selection, count_selected, find_run, list_runs
from spantoll.surfaces.repricing import RUN_HEADERS, plain_preview, plain_run
from spantoll.surfaces.rest.context import Context, Visible, check_unlimited, find_sql_store
from spantoll.surfaces.rest.guard import Actor, require
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.models import NoParameters
from spantoll.surfaces.rest.openapi import describe_formats, describe_json
from spantoll.surfaces.rest.parameters import Period
from spantoll.surfaces.rest.price_schemas import RepricingAnswer, RunsAnswer
from spantoll.surfaces.rest.problem import ProblemError

__all__ = ["router"]

router = APIRouter(tags=["repricing"])
log = logging.getLogger(__name__)

ASYNCHRONOUS = "respond-async"
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": RepricingAnswer,
        "description": "The run has begun; `Location` is its address.",
    }
}
Prefer = Annotated[
    str | None,
    Header(max_length=256, description="`respond-async` answers before the records are priced."),
]

RunNumber = Annotated[int, Path(ge=1, lt=10**18, description="`run` of a run.")]


class RepriceRequest(Period):
    """Which stored calls to price again; what is absent selects all."""

    # `"dry_run": 0` must not change records.
    model_config = ConfigDict(extra="forbid", strict=True)

    provider: str | None = Field(None, max_length=64)
    model: str | None = Field(None, max_length=256)
    customer_id: str | None = Field(None, max_length=128)
    tenant_id: str | None = Field(None, max_length=64)
    pricing_status: Literal["priced", "free", "partial", "estimated", "unpriced"] | None = None
    dry_run: bool = Field(True, description="Only show what would change.")


@router.get(
    "/reprice",
    responses=describe_formats(RunsAnswer),
    dependencies=require("read"),
    name="get_runs",
)
def get_runs(
    request: Request,
    context: Context,
    visible: Visible,
    wanted: Annotated[NoParameters, Parameters()],
) -> Response:
    """List runs of re-pricing, newest first."""
    check_unlimited(visible, "runs of re-pricing")
    rows = [plain_run(each) for each in list_runs(context.engine)]
    answer = Answer({"currency": "USD", "runs": rows}, RUN_HEADERS, rows)
    return write_answer(request, answer, wanted.format)


@router.get(
    "/reprice/{run}",
    responses=describe_json(RepricingAnswer),
    dependencies=require("read"),
    name="get_run",
)
def get_run(request: Request, context: Context, visible: Visible, run: RunNumber) -> Response:
    """Show how far a run is."""
    check_unlimited(visible, "runs of re-pricing")
    try:
        return _answer_run(request, find_run(context.engine, run))
    except RepriceError as error:
        raise ProblemError(404, str(error)) from None


@router.post(
    "/reprice",
    responses=describe_json(RepricingAnswer) | ACCEPTED,
    dependencies=require("write"),
    name="reprice_calls",
)
def reprice_calls(
    request: Request,
    context: Context,
    actor: Actor,
    wanted: RepriceRequest,
    prefer: Prefer = None,
) -> Response:
    """Show what pricing stored calls again would change; change it with `dry_run` false."""
    store, now_ns = find_sql_store(context), context.now_ns()
    period = wanted.read(context.tz)
    start_ns, end_ns = parse_period(**period, now_ns=now_ns)
    selection = Selection(
        start_ns,
        end_ns,
        provider=wanted.provider,
        model=wanted.model,
        customer_id=wanted.customer_id,
        tenant_id=wanted.tenant_id,
        pricing_status=wanted.pricing_status,
    )
    card = load_user_card(context.engine)
    _, end_id = count_selected(context.engine, selection)
    if not wanted.dry_run:
        begun = begin_repricing(store, card, selection, end_id=end_id, by=actor, now_ns=now_ns)
        if _is_asynchronous(prefer):
            return _answer_begun(request, store, begun, now_ns=now_ns)
        return _answer_run(request, finish_repricing(store, begun, now_ns=now_ns))
    zone = find_zone(period["tz"])
    preview = preview_repricing(store, card, selection, end_id=end_id, tz=zone, now_ns=now_ns)
    return _answer(request, dry_run=True, preview=plain_preview(preview), run=None)


@router.post(
    "/reprice/{run}/undo",
    responses=describe_json(RepricingAnswer),
    dependencies=require("write"),
    name="undo_run",
)
def undo(request: Request, context: Context, actor: Actor, run: RunNumber) -> Response:
    """Give every record the price it had before a run; what has changed since is left alone."""
    store = find_sql_store(context)
    return _answer_run(request, undo_run(store, run, by=actor, now_ns=context.now_ns()))


@router.post(
    "/reprice/{run}/resume",
    responses=describe_json(RepricingAnswer),
    dependencies=require("write"),
    name="resume_run",
)
def resume(request: Request, context: Context, actor: Actor, run: RunNumber) -> Response:
    """Go on with a run, or with undoing it, that was interrupted."""
    store, card = find_sql_store(context), load_user_card(context.engine)
    return _answer_run(request, resume_run(store, card, run, by=actor, now_ns=context.now_ns()))


def _is_asynchronous(prefer: str | None) -> bool:
    preferences = (each.partition(";")[0].strip().lower() for each in (prefer or "").split(","))
    return ASYNCHRONOUS in preferences


def _answer_begun(request: Request, store: SqlStore, begun: Begun, *, now_ns: int) -> Response:
    """Answer with a run whose records are priced after the answer is sent."""
    response = _answer_run(request, begun.run)
    response.status_code = 202
    response.headers["Location"] = f"{request.url.path}/{begun.run.run_id}"
    response.headers["Preference-Applied"] = ASYNCHRONOUS
    response.background = BackgroundTask(_finish, store, begun, now_ns=now_ns)
    return response


def _finish(store: SqlStore, begun: Begun, *, now_ns: int) -> None:
    """Price the records of a run; its request is answered already, so that an error is logged."""
    try:
        finish_repricing(store, begun, now_ns=now_ns)
    except SpantollError as error:
        number = begun.run.run_id
        log.warning("run %d: %s; `spantoll reprice resume %d` goes on", number, error, number)


def _answer_run(request: Request, run: Run) -> Response:
    return _answer(request, dry_run=False, preview=None, run=plain_run(run))


def _answer(request: Request, **members: Any) -> Response:
    return write_answer(request, Answer({"currency": "USD", **members}, (), ()), "json")
