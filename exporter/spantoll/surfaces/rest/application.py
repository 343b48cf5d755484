"""The REST API as one ASGI application, which `spantoll up` mounts beside OTLP.

Input: a `RestContext`. Output: the application under /api/v1, with its OpenAPI document. Routes are
plain functions: FastAPI runs them in threads, so that no query blocks the event loop of OTLP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spantoll.surfaces.rest import (
    audit,
    compatibility,
    compatibility_models,
    customers,
    exports,
    forecast,
    ingest,
    models,
    owners,
    periods,
    prices,
    questions,
    records,
    reprice,
    statements,
    usage,
)
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.guard import Access, Guard, require
from spantoll.surfaces.rest.parameters import refuse_repeated
from spantoll.surfaces.rest.problem import PROBLEMS, Problems, add_problem_handlers
from spantoll.surfaces.rest.sessions import Sessions

__all__ = ["API", "make_application", "make_openapi"]

API = "/api/v1"
THREADS = 4
"""Queries at one time: fewer than the connections of a store for readers, and few enough that
decoding, which shares the interpreter, keeps most of it."""
DESCRIPTION = """What every LLM call costs, who it was for and why.

Money is a decimal string in USD, time is RFC 3339, what is not known is null."""


class HeadAnswers:
    """Answers HEAD as GET without its body (RFC 9110 section 9.3.2); FastAPI has no such routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)


class BoundedThreads:
    """Bounds the threads in which routes run, which are of the event loop that serves them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        current_default_thread_limiter().total_tokens = THREADS
        await self._app(scope, receive, send)


def make_application(
    context: RestContext,
    access: Access | None = None,
    *,
    pages: Callable[[FastAPI], None] | None = None,
) -> FastAPI:
    """Make the application that answers from a ledger, by default to this machine alone.

    `pages` adds those of the dashboard.
    """
    app = FastAPI(
        title="SpanToll",
        version="1",
        description=DESCRIPTION,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
    )
    app.state.context = context
    app.openapi = lambda: make_openapi(app)  # type: ignore[method-assign]  # as FastAPI documents
    single = Depends(refuse_repeated)
    for module in (usage, questions, forecast, records, exports, models, statements):
        app.include_router(module.router, prefix=API, dependencies=[*require("read"), single])
    for module in (prices, customers, owners, periods, reprice, audit):
        app.include_router(module.router, prefix=API, dependencies=[single])
    app.include_router(ingest.router, prefix=API, dependencies=require("ingest"))
    app.include_router(ingest.seed_router, dependencies=require("ingest"))
    app.include_router(compatibility.router, dependencies=require("read"))
    app.include_router(compatibility_models.router, dependencies=[*require("read"), single])
    access = access or Access()
    sessions = Sessions(context.engine, now_ns=context.now_ns)
    app.state.access = access
    app.state.sessions = sessions
    app.state.show_unavailable = None
    if pages is not None:
        pages(app)
    add_problem_handlers(app)
    app.add_middleware(BoundedThreads)
    app.add_middleware(HeadAnswers)
    app.add_middleware(Guard, access=access, sessions=sessions, has_pages=pages is not None)
    return app


def make_openapi(app: FastAPI) -> dict[str, Any]:
    """Make the OpenAPI document, with problem details for what FastAPI describes otherwise."""
    document = FastAPI.openapi(app)
    schemas = document["components"]["schemas"]
    if "Problems" not in schemas:
        problems = Problems.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problems.pop("$defs"))
        schemas["Problems"] = problems
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
    return document
