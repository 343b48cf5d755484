"""OpenAI's Live API over the SDK's WebSockets: one span per session, one per delegated response.

Input: the events that a connection parses (developers.openai.com/api/docs/models/gpt-live-1).
Output: a result for `session.closed`, with the seconds that are billed, and one for each response
of the model that the session delegated to, which has its own price. Seconds of other events are
sums so far and are not read: a session whose connection is lost before it closes reports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
)
from spantoll.instrumentation.providers.openai.responses_socket import (
    read_ended_response,
    source_of_connection,
)
from spantoll.instrumentation.reading import Via, pick
from spantoll.instrumentation.values import whole_milliseconds
from spantoll.semconv import attributes as keys

__all__ = ["LIVE_READERS"]

CLOSED, DELEGATED = "session.closed", "response.event"

SESSION = Call(
    "chat",
    response={
        keys.CONVERSATION_ID: "session.id",
        keys.REQUEST_MODEL: "session.model",
        keys.RESPONSE_MODEL: "session.model",
        keys.SPANTOLL_AUDIO_MS: Via("usage.seconds", whole_milliseconds),
    },
    constant={keys.OUTPUT_TYPE: "speech"},
)


def _results(event: Any, _: DeferredSource) -> Iterator[DeferredResult]:
    if event.type == DELEGATED:
        yield from read_ended_response(pick(event, "event"))
    elif isinstance(pick(event, "session.id"), str):
        yield DeferredResult(SESSION, event.session.id, body=event, is_unique=True)


LIVE_READERS = tuple(
    DeferredReader(
        f"openai.resources.live.{place}Connection.parse_event",
        source_of_connection,
        has_results=lambda event: getattr(event, "type", None) in (CLOSED, DELEGATED),
        results=_results,
    )
    for module, kind in (("live", "Live"), ("forks", "Forks"), ("sideband", "Sideband"))
    for place in (f"{module}:{kind}", f"{module}:Async{kind}")
)
