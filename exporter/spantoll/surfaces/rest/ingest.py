"""`POST /records` and `POST /events`: usage that no span reports.

Input: usage events, as JSON or in CloudEvents (one, or a batch). Output: the records they became,
after the commit. An event that was stored before, by its id, the id and source of its CloudEvent or
the header Idempotency-Key, is answered with that record and not stored again.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as WaitTimeout
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Body, Header, Request, Response
from pydantic import WithJsonSchema
from starlette.concurrency import run_in_threadpool

from spantoll.errors import EventError, RecordRejected, StoreUnavailable
from spantoll.pipeline.event_records import price_calls
from spantoll.pipeline.usage_event import ReadEvent, derive_ids, read_event
from spantoll.query import (
    Filter,
    Listed,
    RecordQuery,
    explain,
    list_records,
    plain_record,
)
from spantoll.records import UsageRecord
from spantoll.records.column_spec import Merge
from spantoll.records.record import COLUMNS
from spantoll.surfaces.rest.context import Context, RestContext
from spantoll.surfaces.rest.events import USAGE_EVENT, read_cloud_events
from spantoll.surfaces.rest.exact import ExactRoute
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.problem import Problem, ProblemError
from spantoll.surfaces.rest.schemas import StoredAnswer

__all__ = ["router", "seed_router"]

router = APIRouter(tags=["ingest"], route_class=ExactRoute)
seed_router = APIRouter(tags=["compatibility"], route_class=ExactRoute)

MOST_EVENTS = 1_000
"""Of one request: what is committed together, and read again for the answer."""
COMMIT_S = 10.0
"""Longer than the receiver waits for a database that is away."""
OWN = [
    name
    for name, spec in COLUMNS.items()
    if spec.merge is not Merge.DERIVED
    and spec.shown
    and name not in ("received_ns", "started_ns", "priced_ns")
]
"""Columns in which an event that is sent again equals the record it became."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="Identifies events that have no id of their own: sent again, they are not "
        "stored again.",
    ),
]
Event = Annotated[dict[str, Any], Body(), WithJsonSchema(USAGE_EVENT)]
CREATED: dict[int | str, dict[str, Any]] = {
    200: {"model": StoredAnswer, "description": "Every event was stored before."},
    201: {"model": StoredAnswer, "description": "Stored."},
}


class Identified(NamedTuple):
    """An event with the ids of its record."""

    event: Mapping[str, Any]
    ids: tuple[bytes, bytes]


@router.post("/records", responses=CREATED, status_code=201, name="add_record")
def add_record(
    request: Request, context: Context, event: Event, idempotency_key: IdempotencyKey = None
) -> Response:
    """Store one usage event: a call that no span reports."""
    if event.get("id") is not None:
        ids = derive_ids("event", _read_id(event["id"]))
    elif idempotency_key is not None:
        ids = derive_ids("idempotency-key", idempotency_key)
    else:
        ids = os.urandom(16), os.urandom(8)
    return store_events(request, context, [Identified(event, ids)])


@router.post(
    "/events",
    responses=CREATED,
    status_code=201,
    name="add_events",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": {"type": "object"}},
                "application/cloudevents-batch+json": {
                    "schema": {"type": "array", "items": {"type": "object"}}
                },
            },
        }
    },
)
async def add_events(request: Request, context: Context) -> Response:
    """Store usage events in CloudEvents 1.0: one, a batch, or one in binary mode."""
    found = read_cloud_events(request.headers, await request.body())
    if len(found) > MOST_EVENTS:
        raise ProblemError(413, f"more than {MOST_EVENTS} events")
    events = [
        Identified(each.event, derive_ids("cloudevent", each.source, each.id)) for each in found
    ]
    return await run_in_threadpool(store_events, request, context, events)


@seed_router.post("/usage", responses=CREATED, status_code=201, name="add_usage")
def add_usage(
    request: Request, context: Context, event: Event, idempotency_key: IdempotencyKey = None
) -> Response:
    """Store one usage event; the path of a usage tracker that SpanToll takes the place of."""
    return add_record(request, context, event, idempotency_key)


def store_events(request: Request, context: RestContext, events: Sequence[Identified]) -> Response:
    """Store events and answer with their records. Raises EventError, StoreUnavailable."""
    now_ns = context.now_ns()
    read = [_read(index, each, now_ns, len(events)) for index, each in enumerate(events)]
    batch = price_calls(
        context.rate_card, [each.call for each in read], received_ns=now_ns, source="rest"
    )
    before = _find(context, batch.records)
    for record in batch.records:
        if record[1:3] in before:
            _check_same(context, before[record[1:3]], record)
    new = [record for record in batch.records if record[1:3] not in before]
    if new:
        _commit(context, new, batch.rates, len(str(events)))
    stored = _find(context, batch.records)
    created = len({record[1:3] for record in new})
    document = {
        "currency": "USD",
        "created": created,
        "duplicates": len(read) - created,
        "ignored": sorted({pointer for each in read for pointer in each.ignored}),
        "records": [plain_record(stored[each[1:3]], context.links) for each in batch.records],
    }
    response = write_answer(request, Answer(document, (), ()), "json")
    response.status_code = 201 if new else 200
    return response


def _read(index: int, given: Identified, now_ns: int, count: int) -> ReadEvent:
    try:
        return read_event(given.event, given.ids, now_ns=now_ns)
    except EventError as error:
        if count == 1:
            raise
        raise EventError(str(error), pointer=f"/{index}/data{error.pointer}") from None


def _commit(
    context: RestContext, records: Sequence[UsageRecord], rates: Any, size_bytes: int
) -> None:
    if context.commit is None:
        raise StoreUnavailable("this server only reads")
    done = context.commit.submit(records, rates=rates, size_bytes=size_bytes)
    try:
        done.result(COMMIT_S)
    except RecordRejected as error:
        raise ProblemError(422, str(error)) from None
    except WaitTimeout:
        raise StoreUnavailable("not committed in time, please send again") from None


def _read_id(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        problem = Problem(pointer="/id", message="not a text of 1 to 255 characters")
        raise ProblemError(422, "the id cannot be read", errors=[problem])
    return value


def _find(
    context: RestContext, records: Sequence[UsageRecord]
) -> Mapping[tuple[bytes, bytes], Listed]:
    """Find the stored records of events, by trace and span id."""
    traces = tuple(dict.fromkeys(record.trace_id.hex() for record in records))
    wanted = RecordQuery(filters=(Filter("trace_id", traces),), limit=None, uncounted=True)
    listed = list_records(context.engine, wanted).records if traces else ()
    return {(each.record.trace_id, each.record.span_id): each for each in listed}


def _check_same(context: RestContext, listed: Listed, record: UsageRecord) -> None:
    """Raise ProblemError 409 unless an event is the stored one, sent again, maybe without time."""
    (found,) = explain(context.engine, str(listed.id), rate_card=context.rate_card)
    if any(getattr(found.facts, name) != getattr(record, name) for name in OWN):
        raise ProblemError(409, "another event was stored under this id before")
