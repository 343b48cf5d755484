"""OpenAI's Responses API over the SDK's WebSocket: one span per response.

Input: the events that a connection parses (developers.openai.com/api/docs/guides/websocket-mode).
Output: a result for a response that has ended, completed or not, with the usage that its last event
has. Its id makes it one call with the same response read later by `responses.retrieve`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.provider import (
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Settings,
)
from spantoll.instrumentation.providers.openai.readings import RESPONSE
from spantoll.instrumentation.reading import pick

__all__ = ["RESPONSE_SOCKET_READERS", "read_ended_response", "source_of_connection"]

ENDED = frozenset({"response.completed", "response.incomplete", "response.failed"})


def source_of_connection(
    connection: Any, arguments: dict[str, Any], settings: Settings
) -> DeferredSource:
    """Return the source of what a WebSocket connection of the SDK receives."""
    host = connection._connection.request.headers.get("Host", "")
    server = server_of_url(f"https://{host}", settings, default="openai")
    return DeferredSource(server, host, batch=False, client=connection)


def _has_result(event: Any) -> bool:
    return getattr(event, "type", None) in ENDED


def read_ended_response(event: Any) -> Iterator[DeferredResult]:
    """Return the response of an event, an object or a mapping, if it is the last of a response."""
    response_id, created = pick(event, "response.id"), pick(event, "response.created_at")
    if pick(event, "type") in ENDED and isinstance(response_id, str):
        yield DeferredResult(
            RESPONSE,
            response_id,
            body=pick(event, "response"),
            is_unique=True,
            created_s=int(created) if isinstance(created, int | float) else None,
        )


RESPONSE_SOCKET_READERS = tuple(
    DeferredReader(
        f"openai.resources.{place}:{kind}ResponsesConnection.parse_event",
        source_of_connection,
        has_results=_has_result,
        results=lambda event, _: read_ended_response(event),
    )
    for place in ("responses.responses", "beta.responses.responses")
    for kind in ("", "Async")
)
