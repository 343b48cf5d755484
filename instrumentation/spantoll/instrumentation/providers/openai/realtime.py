"""OpenAI's Realtime API over the SDK's WebSocket: one span per response, one per transcription.

Input: the events that a connection parses
(platform.openai.com/docs/api-reference/realtime-server-events). Output: a result for
`response.done`, with text, audio, image and cached tokens, and for a transcription of what was
said, which another model makes at its own price. Bytes that the application reads and parses itself
(`recv_bytes`), and responses that a lost connection cuts off, report nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from weakref import WeakKeyDictionary

from spantoll.instrumentation.apis.openai_media import TRANSCRIPTION
from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
)
from spantoll.instrumentation.providers.openai.readings import finish_of_status, model_attribute
from spantoll.instrumentation.providers.openai.responses_socket import source_of_connection
from spantoll.instrumentation.reading import pick
from spantoll.semconv import attributes as keys

__all__ = ["REALTIME_READERS"]

DONE = "response.done"
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
SESSION = frozenset({"session.created", "session.updated"})
EVENTS = SESSION | {DONE, TRANSCRIBED}

RESPONSE = Call(
    "chat",
    response={
        keys.RESPONSE_ID: "id",
        keys.CONVERSATION_ID: "conversation_id",
        keys.RESPONSE_FINISH_REASONS: finish_of_status,
        keys.ERROR_TYPE: "status_details.error.code",
        keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
        keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
        keys.USAGE_CACHE_READ: "usage.input_token_details.cached_tokens",
        keys.USAGE_TEXT_INPUT: "usage.input_token_details.text_tokens",
        keys.USAGE_AUDIO_INPUT: "usage.input_token_details.audio_tokens",
        keys.USAGE_IMAGE_INPUT: "usage.input_token_details.image_tokens",
        keys.USAGE_TEXT_OUTPUT: "usage.output_token_details.text_tokens",
        keys.USAGE_AUDIO_OUTPUT: "usage.output_token_details.audio_tokens",
        **{
            f"spantoll.usage.cache_read.{kind}.input_tokens": (
                f"usage.input_token_details.cached_tokens_details.{kind}_tokens"
            )
            for kind in ("text", "audio", "image")
        },
    },
    constant={keys.OPENAI_API_TYPE: "realtime"},
)

_sessions: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Connection -> its session, as the last event about it reported."""


def _results(event: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    if event.type in SESSION:
        _sessions[source.client] = event.session
    elif event.type == DONE and isinstance(event.response.id, str):
        yield DeferredResult(
            RESPONSE,
            event.response.id,
            body=event.response,
            is_unique=True,
            attributes=model_attribute(_model_of_session(source.client)),
        )
    elif event.type == TRANSCRIBED and pick(event, "usage") is not None:
        yield DeferredResult(
            TRANSCRIPTION,
            f"{event.item_id} {event.content_index}",
            body=event,
            attributes=model_attribute(_model_of_transcription(source.client)),
        )


def _model_of_session(connection: Any) -> Any:
    """Return the model of a session: what it reports, else what the connection asked for."""
    query = parse_qs(urlsplit(connection._connection.request.path).query)
    return pick(_sessions.get(connection), "model") or query.get("model", [None])[0]


def _model_of_transcription(connection: Any) -> Any:
    session = _sessions.get(connection)
    # The second place is that of the beta API.
    return pick(session, "audio.input.transcription.model") or pick(
        session, "input_audio_transcription.model"
    )


REALTIME_READERS = tuple(
    DeferredReader(
        f"openai.resources.{place}:{kind}RealtimeConnection.parse_event",
        source_of_connection,
        has_results=lambda event: event.type in EVENTS,
        results=_results,
    )
    for place in ("realtime.realtime", "beta.realtime.realtime")
    for kind in ("", "Async")
)
