"""`/health`: how sure the numbers are, and what would make them surer.

Input: the parameters of the REST API, in the address. Output: how much of the cost is exact, the
models without a price, how far reported costs are from those of the price list, when spans arrived,
and what was received from each emitter. What no roll-up has is read of the end of a long period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from spantoll.query import (
    Filter,
    Row,
    Window,
    doubt_query,
    find_recent_start,
    health_query,
    measure_drift,
    run,
)
from spantoll.surfaces.dashboard.live import share_live
from spantoll.surfaces.dashboard.period import read_or_default
from spantoll.surfaces.dashboard.render import Page
from spantoll.surfaces.doubt_advice import advise_doubts
from spantoll.surfaces.rest.context import RestContext

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class Arrived(NamedTuple):
    """How many spans arrived in a range of delays after their call had ended."""

    when: str
    records: int
    share: float | None
    """Of all; None where there is none."""


@router.get("/health")
@share_live
def show_health(request: Request, context: RestContext, visible: Sequence[Filter]) -> Page:
    """Show how sure the numbers are, and what would make them surer."""
    view, problem = read_or_default(request, context, visible)
    counted = view.query("cost_usd")
    end_ns = view.now_ns if view.end_ns is None else view.end_ns
    start_ns, shortened = view.start_ns, ""
    if request.query_params.get("emitters") != "all":
        start_ns, shortened = find_recent_start(
            context.engine, view.start_ns, end_ns, most=context.most_read
        )
    recent = view
    if shortened and start_ns is not None:
        recent = view.limit_to(Window(start_ns, end_ns))
        recent = recent._replace(start_ns=start_ns, end_ns=view.end_ns)
    of_emitters = health_query(filters=view.filters, start_ns=start_ns, end_ns=view.end_ns)
    emitters = run(context.engine, of_emitters)
    doubts = run(context.engine, doubt_query(counted))
    return Page(
        "health.html",
        {
            "view": view,
            "problem": problem,
            "totals": run(context.engine, counted).totals,
            "doubts": doubts,
            "advice": advise_doubts(context.engine, doubts, load_card=lambda: context.rate_card),
            "recent": recent,
            "drift": measure_drift(context.engine, recent.query("cost_usd")),
            "arrivals": list_arrivals(emitters.totals),
            "emitters": emitters,
            "shortened": shortened,
            "shortened_from": view.show_time(start_ns) if start_ns else "",
        },
    )


def list_arrivals(totals: Row) -> list[Arrived]:
    """Return when the spans of all emitters arrived, the earliest first."""
    names = ("records", "ahead_records", "delayed_records", "late_records")
    records, ahead, delayed, late = (int(totals.measures[name] or 0) for name in names)
    counts = {
        "more than 1 s before the end of the call": ahead,
        "up to 5 minutes after it": records - ahead - delayed,
        "5 minutes to a day after it": delayed - late,
        "more than a day after it": late,
    }
    return [
        Arrived(when, count, count / records if records else None) for when, count in counts.items()
    ]
