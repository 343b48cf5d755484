"""Anthropic's managed agents: one span per model request of a session, one for its running time.

Input: the events of a session or thread that the application streams or lists, and the sessions it
makes or reads (beta `sessions` API). Output: a result for each `span.model_request_end`, and one
for a session that can run no more: the time it ran and its web searches, which are sums before. An
event does not carry its model: it is that of the agent, where this process made or read the session
or thread before, else it is left out.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.anthropic.readings import AGENT_REQUEST
from spantoll.instrumentation.reading import Via, pick
from spantoll.instrumentation.values import positive, whole_milliseconds
from spantoll.semconv import attributes as keys

__all__ = ["SESSION", "session_readers"]

SESSION = Call(
    "create_agent_session",
    request={keys.REQUEST_MODEL: ("agent.model.id", "agent.model")},
    response={keys.CONVERSATION_ID: "id"},
    billed=False,
    submits=keys.CONVERSATION_ID,
)
RUNNING_TIME = Call(
    "agent_session",
    response={
        keys.CONVERSATION_ID: "id",
        # What the runtime is priced on (BetaManagedAgentsSessionUsage.active_seconds).
        keys.SPANTOLL_USAGE_PREFIX + "session_ms": Via("usage.active_seconds", whole_milliseconds),
        keys.SPANTOLL_USAGE_PREFIX + "web_searches": Via(
            "usage.server_tool_use.web_search_requests", positive
        ),
    },
)
SESSION_VERBS = ("create", "retrieve", "update", "archive")
REQUEST_END = "span.model_request_end"
PAGES = re.compile(r"/v1/sessions(?:/([^/?]+)(?:/threads(?:/([^/?]+))?)?(/events)?)?(?:\?|$)")
"""URL of a page: of sessions, of the threads of a session, or of the events of either."""
MOST_MODELS = 10_000

_models: OrderedDict[str, str] = OrderedDict()
"""Session or thread id -> model of its agent, as far as this process has read it."""


def session_readers(server: Callable[[Any, Settings], Server]) -> tuple[DeferredReader, ...]:
    """Return the readers of both clients."""

    def events_source(events: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        session, thread = str(arguments["session_id"]), arguments.get("thread_id")
        found = server(events._client, settings)
        return _events_source(session, thread, found, streamed=True)

    def session_source(
        sessions: Any, arguments: dict[str, Any], settings: Settings
    ) -> DeferredSource:
        name = str(arguments.get("session_id") or "")
        return DeferredSource(server(sessions._client, settings), name, batch=False)

    def page_source(page: Any, _: dict[str, Any], settings: Settings) -> DeferredSource | None:
        place = PAGES.match(str(page._options.url))
        if place is None:
            return None
        return _events_source(place[1] or "", place[2], server(page._client, settings))

    resources = "anthropic.resources.beta.sessions"
    return tuple(
        reader
        for kind in ("", "Async")
        for reader in (
            *(
                DeferredReader(
                    f"{resources}.{place}:{kind}Events.stream",
                    events_source,
                    result_of_item=_result_of_event,
                )
                for place in ("events", "threads.events")
            ),
            *(
                DeferredReader(f"{resources}.{target}", session_source, results=_results_of_session)
                for target in (
                    *(f"sessions:{kind}Sessions.{verb}" for verb in SESSION_VERBS),
                    f"threads.threads:{kind}Threads.retrieve",
                )
            ),
            DeferredReader(
                f"anthropic.pagination:{kind or 'Sync'}PageCursor._get_page_items",
                page_source,
                results=_results_of_page,
            ),
        )
    )


def _events_source(
    session: str, thread: Any, server: Server, *, streamed: bool = False
) -> DeferredSource:
    model = _models.get(str(thread or session))
    attributes = {keys.CONVERSATION_ID: session} if session else {}
    if model is not None:
        attributes[keys.REQUEST_MODEL] = model
    return DeferredSource(server, session, batch=False, streamed=streamed, attributes=attributes)


def _result_of_event(event: Any) -> DeferredResult | None:
    name, ended = pick(event, "id"), pick(event, "processed_at")
    if pick(event, "type") != REQUEST_END or not isinstance(name, str):
        return None
    return DeferredResult(
        AGENT_REQUEST,
        name,
        body=event,
        is_unique=True,
        created_s=_unix_seconds(ended),
        error="_OTHER" if pick(event, "is_error") is True else None,
    )


def _unix_seconds(time: Any) -> int | None:
    return int(time.timestamp()) if isinstance(time, datetime) else None


def _results_of_session(session: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    """Keep the model of a session or thread; yield the running time of a session that ended."""
    name, model, kind = (pick(session, path) for path in ("id", "agent.model.id", "type"))
    if not isinstance(name, str) or kind not in ("session", "session_thread"):
        return
    if isinstance(model, str):
        _models[name] = model
        while len(_models) > MOST_MODELS:
            _models.popitem(last=False)
    archived = pick(session, "archived_at")
    if kind == "session" and (archived is not None or pick(session, "status") == "terminated"):
        yield DeferredResult(
            RUNNING_TIME,
            name,
            body=session,
            is_unique=True,
            created_s=_unix_seconds(archived or pick(session, "updated_at")),
            attributes={keys.REQUEST_MODEL: model} if isinstance(model, str) else {},
        )


def _results_of_page(items: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    for item in items:
        result = _result_of_event(item)
        if result is not None:
            yield result
        else:
            yield from _results_of_session(item, source)
