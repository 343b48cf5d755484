"""Mistral's realtime transcription and speech by its SDK, against a WebSocket server here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from mistralai.client import Mistral
from mistralai.extra.realtime import RealtimeSpeech, RealtimeTranscription
from websockets.sync.server import ServerConnection

from tests.support.websockets import serve_websockets

USAGE = {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42}


def transcribe(connection: ServerConnection) -> None:
    session = {
        "request_id": "req_1",
        "model": "voxtral-mini-transcribe-realtime",
        "audio_format": {"encoding": "pcm_s16le", "sample_rate": 16000},
    }
    connection.send(json.dumps({"type": "session.created", "session": session}))
    for message in connection:
        if json.loads(message)["type"] == "input_audio.end":
            break
    connection.send(json.dumps({"type": "transcription.text.delta", "text": "toll"}))
    done = {
        "type": "transcription.done",
        "model": "voxtral-mini-transcribe-realtime-2602",
        "text": "toll",
        "language": "en",
        "usage": {**USAGE, "prompt_audio_seconds": 7},
    }
    connection.send(json.dumps(done))


def speak(connection: ServerConnection) -> None:
    session = {
        "request_id": "req_2",
        "model": "voxtral-tts-realtime",
        "is_ref_audio": False,
        "streaming_mode": "responsive",
        "response_format": "pcm",
        "expressiveness": 1.0,
    }
    connection.send(json.dumps({"type": "session.created", "session": session}))
    for message in connection:
        if json.loads(message)["type"] == "input_text.end":
            break
    connection.send(json.dumps({"type": "speech.audio.delta", "audio_data": "AAAA"}))
    connection.send(json.dumps({"type": "speech.audio.done", "usage": USAGE}))


@pytest.fixture
def realtime() -> Iterator[str]:
    """The address of a server of both kinds of session."""

    def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        (transcribe if "transcriptions" in connection.request.path else speak)(connection)

    with serve_websockets(talk) as address:
        yield f"http://{address}"


async def audio() -> AsyncIterator[bytes]:
    yield b"\0\0"


async def transcribe_stream(url: str) -> None:
    with Mistral(api_key="none", server_url=url) as client:
        stream = RealtimeTranscription(client.sdk_configuration).transcribe_stream(
            audio(), "voxtral-mini-transcribe-realtime", timeout_ms=5000
        )
        async for _ in stream:
            pass


def test_a_realtime_transcription_is_one_span_with_its_seconds(realtime: str, spans: Any) -> None:
    asyncio.run(transcribe_stream(realtime))

    found = spans.attributes()
    expected = {
        "gen_ai.operation.name": "transcription",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "voxtral-mini-transcribe-realtime",
        "gen_ai.response.model": "voxtral-mini-transcribe-realtime-2602",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 30,
        "spantoll.usage.audio_ms": 7000,
        "spantoll.usage.status": "reported",
        "server.address": "127.0.0.1",
    }
    assert {key: found.get(key) for key in expected} == expected


def test_realtime_speech_reports_the_characters_that_were_sent(realtime: str, spans: Any) -> None:
    async def speak_words(url: str) -> None:
        with Mistral(api_key="none", server_url=url) as client:
            speech = RealtimeSpeech(client.sdk_configuration)
            async with await speech.connect("voxtral-tts-realtime", timeout_ms=5000) as connection:
                await connection.send_text("toll")
                await connection.flush("gate")
                await connection.end()
                async for event in connection:
                    if event.type == "speech.audio.done":
                        break

    asyncio.run(speak_words(realtime))

    found = spans.attributes()
    expected = {
        "gen_ai.operation.name": "speech",
        "gen_ai.request.model": "voxtral-tts-realtime",
        "gen_ai.usage.input_tokens": 12,
        "spantoll.usage.characters": 8,
        "spantoll.usage.status": "reported",
    }
    assert {key: found.get(key) for key in expected} == expected
