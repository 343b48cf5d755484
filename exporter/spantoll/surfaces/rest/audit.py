"""`/audit`: who changed what, newest first, for keys with the scope admin.

Input: a period. Output: changes of prices, of what customers pay, of keys, of records by hand, runs
of re-pricing and closed periods, as `spantoll db audit` lists them.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Query as Parameters

from spantoll.query import parse_period
from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage.audit_events import list_audit_events
from spantoll.surfaces.rest.context import Context
from spantoll.surfaces.rest.guard import require
from spantoll.surfaces.rest.media import Answer, write_answer
from spantoll.surfaces.rest.openapi import describe_formats
from spantoll.surfaces.rest.parameters import PeriodParameters
from spantoll.surfaces.rest.price_schemas import AuditAnswer

__all__ = ["router"]

router = APIRouter(tags=["audit"])

HEADERS = ("at", "by", "action", "record", "records", "why")


@router.get(
    "/audit",
    responses=describe_formats(AuditAnswer),
    dependencies=require("admin"),
    name="get_audit",
)
def get_audit(
    request: Request, context: Context, wanted: Annotated[PeriodParameters, Parameters()]
) -> Response:
    """List what was changed on purpose, newest first: who, when, what and why."""
    period = wanted.read(context.tz)
    start_ns, end_ns = parse_period(**period, now_ns=context.now_ns())
    zone = find_zone(period["tz"])
    rows = [
        {
            "at": to_local_time(each.at_ns, zone).isoformat(),
            "by": each.done_by,
            "action": each.action,
            "record": each.record_id,
            "records": each.records,
            "why": each.why,
        }
        for each in list_audit_events(context.engine, start_ns=start_ns, end_ns=end_ns)
    ]
    return write_answer(request, Answer({"events": rows}, HEADERS, rows), wanted.format)
