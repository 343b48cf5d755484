"""What the routes answer from.

Input: the open ledger, the rate card and settings of `spantoll up`. Output: `RestContext`, which
each route receives by the dependency `Context`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from sqlalchemy import Engine

from spantoll.errors import StoreUnavailable
from spantoll.pipeline import GroupCommit
from spantoll.pricing import RateCard
from spantoll.query import Filter, TraceUrl
from spantoll.query.cache import AnswerCache
from spantoll.query.recent import MOST_READ
from spantoll.storage import SqlStore, Store
from spantoll.surfaces.rest.problem import ProblemError

__all__ = ["Context", "RestContext", "Visible", "check_unlimited", "find_limit", "find_sql_store"]


@dataclass(frozen=True, slots=True)
class RestContext:
    """The ledger and what is needed to read it; the same for every request."""

    engine: Engine
    """For `spantoll.query` only."""
    rate_card: RateCard
    tz: str = "UTC"
    """IANA zone of answers to requests that name none."""
    links: TraceUrl | None = None
    """Where people look at traces."""
    commit: GroupCommit | None = None
    """The writer of records; None where nothing can be written."""
    store: Store | None = None
    """For prices; None where nothing can be written."""
    answers: AnswerCache = field(default_factory=lambda: AnswerCache(None, ttl_s=0))
    """For answers in real time, which may be some minutes old."""
    fiscal_start: int = 1
    """Month in which the quarters and years of pages begin that name none."""
    demo: bool = False
    """The calls are made up: pages say so."""
    most_read: int = MOST_READ
    """Records that a page reads for counts which no roll-up has."""
    now_ns: Callable[[], int] = field(default=time.time_ns)


async def get_context(request: Request) -> RestContext:
    """Return the context of the application that serves the request."""
    context: RestContext = request.app.state.context
    return context


async def get_visible(request: Request) -> Sequence[Filter]:
    """Return the filters that the key of the request is limited to; none without a limit."""
    filters: Sequence[Filter] = request.scope.get("spantoll.filters", ())
    return filters


class Limit(NamedTuple):
    """The customer and the tenant that a key is limited to; None for no limit."""

    customer_id: str | None
    tenant_id: str | None


def find_limit(visible: Sequence[Filter]) -> Limit:
    """Return what the filters of a key limit it to."""
    fixed = {each.field: str(each.values[0]) for each in visible}
    return Limit(fixed.get("customer_id"), fixed.get("tenant_id"))


def check_unlimited(visible: Sequence[Filter], what: str) -> None:
    """Refuse a key that sees one customer or tenant only. Raises ProblemError 403."""
    if visible:
        raise ProblemError(403, f"a key that is limited to a customer or tenant sees no {what}")


def find_sql_store(context: RestContext) -> SqlStore:
    """Return the ledger as one that can be changed. Raises StoreUnavailable."""
    if not isinstance(context.store, SqlStore):
        raise StoreUnavailable("this server only reads")
    return context.store


Context = Annotated[RestContext, Depends(get_context)]
Visible = Annotated[Sequence[Filter], Depends(get_visible)]
