"""OpenAI's Agents API (beta `agents.sessions`): one span per turn of a session that has ended.

Input: the events that the application streams, and the turns it reads or lists
(developers.openai.com/api/docs/guides/agents-api/sessions). Output: a result per turn with usage,
of the root agent or a subagent, once however often it is read. A turn does not carry its model: it
is that of the session's agent, where this process made or read the session before, else it is left
out, as it is for a subagent, whose model no answer reports.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Server,
    Settings,
)
from spantoll.instrumentation.reading import pick
from spantoll.semconv import attributes as keys

__all__ = ["SESSION", "session_readers"]

CREATED = "agent.session.created"
SESSION = Call(
    "create_agent_session",
    request={keys.REQUEST_MODEL: "agent.model"},
    response={keys.CONVERSATION_ID: "id"},
    chunk={keys.CONVERSATION_ID: "session.id"},
    has_values=lambda event: event.type == CREATED,
    billed=False,
    submits=keys.CONVERSATION_ID,
)
TURN = Call(
    "chat",
    response={
        keys.RESPONSE_ID: "id",
        keys.CONVERSATION_ID: "session_id",
        "gen_ai.agent.id": "agent_id",
        keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
        keys.USAGE_CACHE_READ: "usage.input_tokens_details.cached_tokens",
        keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
        keys.USAGE_REASONING: "usage.output_tokens_details.reasoning_tokens",
    },
)
ENDED = frozenset({"completed", "failed", "cancelled"})
OBJECT_OF_SESSION, OBJECT_OF_TURN = "agent.session", "agent.session.turn"
OBJECTS = frozenset({OBJECT_OF_SESSION, OBJECT_OF_TURN})
PAGES = re.compile(r"/agents/sessions(?:/([^/?]+)(?:/subagents/[^/?]+)?/turns)?(?:\?|$)")
"""URL of a page: of sessions, or of the turns of one or of its subagent."""
MOST_SESSIONS = 10_000

_agents: OrderedDict[str, dict[str, str]] = OrderedDict()
"""Session id -> model and service tier of its agent, as far as this process has read them."""


def session_readers(server: Callable[[Any, Settings], Server]) -> tuple[DeferredReader, ...]:
    """Return the readers of both clients."""

    def source(resource: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return DeferredSource(
            server(resource._client, settings),
            str(arguments.get("session_id") or ""),
            batch=False,
            streamed=arguments.get("stream") is True,
        )

    def stream_source(events: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource:
        return source(events, {**arguments, "stream": True}, settings)

    def page_source(page: Any, _: dict[str, Any], settings: Settings) -> DeferredSource | None:
        place = PAGES.match(str(page._options.url))
        if place is None:
            return None
        return DeferredSource(server(page._client, settings), place[1] or "", batch=False)

    sessions = "openai.resources.beta.agents.sessions"
    return tuple(
        reader
        for kind in ("", "Async")
        for reader in (
            DeferredReader(
                f"{sessions}.events:{kind}Events.stream",
                stream_source,
                result_of_item=_result_of_event,
            ),
            *(
                DeferredReader(
                    f"{sessions}.{target}",
                    source,
                    results=lambda found, _: _results_of_page([found]),
                    result_of_item=_result_of_event,
                )
                for target in (
                    *(f"sessions:{kind}Sessions.{verb}" for verb in ("create", "retrieve")),
                    f"turns.turns:{kind}Turns.retrieve",
                    f"subagents.turns.turns:{kind}Turns.retrieve",
                )
            ),
            DeferredReader(
                f"openai.pagination:{kind or 'Sync'}CursorPage._get_page_items",
                page_source,
                has_results=lambda items: pick(items[0], "object") in OBJECTS if items else False,
                results=lambda found, _: _results_of_page(found),
            ),
        )
    )


def _result_of_event(event: Any) -> DeferredResult | None:
    if pick(event, "type") == CREATED:
        _keep_agent(pick(event, "session"))
    turn = pick(event, "turn")
    return _result_of_turn(turn) if turn is not None else None


def _results_of_page(items: Any) -> Iterator[DeferredResult]:
    for item in items:
        kind = pick(item, "object")
        if kind == OBJECT_OF_SESSION:
            _keep_agent(item)
        elif kind == OBJECT_OF_TURN:
            result = _result_of_turn(item)
            if result is not None:
                yield result


def _keep_agent(session: Any) -> None:
    name, model = pick(session, "id"), pick(session, "agent.model")
    tier = pick(session, "agent.service_tier")
    if isinstance(name, str) and isinstance(model, str):
        _agents[name] = {keys.REQUEST_MODEL: model}
        if isinstance(tier, str):
            _agents[name][keys.OPENAI_REQUEST_SERVICE_TIER] = tier
        while len(_agents) > MOST_SESSIONS:
            _agents.popitem(last=False)


def _result_of_turn(turn: Any) -> DeferredResult | None:
    name, status, ended_s = (pick(turn, field) for field in ("id", "status", "completed_at"))
    if status not in ENDED or pick(turn, "usage") is None or not isinstance(name, str):
        return None
    is_subagent = pick(turn, "subagent_id") is not None
    return DeferredResult(
        TURN,
        name,
        body=turn,
        is_unique=True,
        created_s=ended_s if isinstance(ended_s, int) else None,
        attributes={} if is_subagent else _agents.get(str(pick(turn, "session_id")), {}),
        error=str(pick(turn, "error.code") or "_OTHER") if status == "failed" else None,
    )
