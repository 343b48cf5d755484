"""Mistral's realtime transcription and speech over the SDK's WebSocket: one span per session.

Input: the text that the application sends and the events that a connection of
`mistralai.extra.realtime` reads. Output: a result for `transcription.done` and `speech.audio.done`,
the only events with usage: tokens and seconds of audio. Speech is billed by the character, which
the text that was sent has. A session that is left before its last event reports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Settings,
)
from spantoll.instrumentation.providers.mistral.readings import SPEECH, TRANSCRIPTION, USAGE
from spantoll.semconv import attributes as keys

__all__ = ["REALTIME_READERS"]

REALTIME_SPEECH = Call("speech", response=USAGE, constant=SPEECH.constant)
CALLS = {"transcription.done": TRANSCRIPTION, "speech.audio.done": REALTIME_SPEECH}
"""Type of an event with usage -> call."""


@dataclass(slots=True)
class _Session:
    """What one connection has sent and reported so far."""

    characters: int = 0
    """Sent since the last event with usage."""
    results: int = 0


_sessions: WeakKeyDictionary[Any, _Session] = WeakKeyDictionary()


def _count_characters(connection: Any, arguments: dict[str, Any], _: Settings) -> None:
    text = arguments.get("text")
    if isinstance(text, str):
        _sessions.setdefault(connection, _Session()).characters += len(text)


def _source(
    connection: Any, arguments: dict[str, Any], settings: Settings
) -> DeferredSource | None:
    event = arguments["ev"]
    if event.type not in CALLS:
        return None
    host = connection._websocket.request.headers.get("Host", "")
    server = server_of_url(f"https://{host}", settings, default="mistral_ai")
    return DeferredSource(server, connection.request_id, batch=False, client=(connection, event))


def _results(_: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    connection, event = source.client
    session = _sessions.setdefault(connection, _Session())
    attributes: dict[str, Any] = {keys.REQUEST_MODEL: connection.session.model}
    if session.characters:
        attributes[keys.SPANTOLL_CHARACTERS] = session.characters
    yield DeferredResult(CALLS[event.type], str(session.results), body=event, attributes=attributes)
    session.characters = 0
    session.results += 1


_REALTIME = "mistralai.extra.realtime"
REALTIME_READERS = (
    DeferredReader(
        # Every event of a connection goes through it, also those of `transcribe_stream`.
        f"{_REALTIME}.connection:RealtimeConnection._apply_session_updates",
        _source,
        results=_results,
    ),
    DeferredReader(
        f"{_REALTIME}.speech:RealtimeSpeechConnection._apply_session_updates",
        _source,
        results=_results,
    ),
    DeferredReader(f"{_REALTIME}.speech:RealtimeSpeechConnection.send_text", _count_characters),
    DeferredReader(f"{_REALTIME}.speech:RealtimeSpeechConnection.flush", _count_characters),
)
