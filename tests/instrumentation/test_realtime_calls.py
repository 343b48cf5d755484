"""OpenAI's Realtime API and Gemini Live by their SDKs, against a WebSocket server here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from google import genai
from websockets.sync.server import ServerConnection

from tests.support.websockets import serve_websockets

USAGE = {
    "total_tokens": 150,
    "input_tokens": 110,
    "output_tokens": 40,
    "input_token_details": {
        "text_tokens": 30,
        "audio_tokens": 80,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 16, "audio_tokens": 48},
    },
    "output_token_details": {"text_tokens": 10, "audio_tokens": 30},
}
TRANSCRIPTION = {"model": "gpt-4o-mini-transcribe"}


def response(number: int, status: str = "completed") -> dict[str, Any]:
    return {
        "id": f"resp_realtime_{number}",
        "object": "realtime.response",
        "conversation_id": "conv_1",
        "status": status,
        "output": [],
        "usage": USAGE,
    }


def events() -> Iterator[dict[str, Any]]:
    session = {
        "type": "realtime",
        "model": "gpt-realtime",
        "audio": {"input": {"transcription": TRANSCRIPTION}},
    }
    yield {"type": "session.created", "event_id": "e0", "session": session}
    yield {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "e1",
        "item_id": "item_1",
        "content_index": 0,
        "transcript": "toll",
        "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17},
    }
    for number, status in enumerate(("completed", "cancelled")):
        delta = {"item_id": "i", "output_index": 0, "content_index": 0, "delta": "AAAA"}
        yield {"type": "response.output_audio.delta", "response_id": f"r{number}", **delta}
        yield {"type": "response.done", "event_id": "e", "response": response(number, status)}


@pytest.fixture
def realtime() -> Iterator[str]:
    """The address of a server that sends a session's events and closes."""

    def talk(connection: ServerConnection) -> None:
        for event in events():
            connection.send(json.dumps(event))

    with serve_websockets(talk) as address:
        yield f"ws://{address}/v1"


EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-realtime",
    "gen_ai.response.id": "resp_realtime_0",
    "gen_ai.conversation.id": "conv_1",
    "gen_ai.usage.input_tokens": 110,
    "gen_ai.usage.text.input_tokens": 30,
    "gen_ai.usage.audio.input_tokens": 80,
    "gen_ai.usage.cache_read.input_tokens": 64,
    "spantoll.usage.cache_read.audio.input_tokens": 48,
    "gen_ai.usage.output_tokens": 40,
    "gen_ai.usage.audio.output_tokens": 30,
    "gen_ai.response.finish_reasons": ("stop",),
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}


def drain(connection: Any) -> None:
    for _ in connection:
        pass


# The SDK connects in a way that websockets 17 deprecates.
@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_each_response_of_a_session_is_one_span(realtime: str, spans: Any) -> None:
    with (
        openai.OpenAI(api_key="none", websocket_base_url=realtime) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        drain(connection)

    transcribed, *responses = [dict(span.attributes) for span in spans.all()]
    assert {key: responses[0].get(key) for key in EXPECTED} == EXPECTED
    assert [found["gen_ai.response.finish_reasons"] for found in responses] == [
        ("stop",),
        ("error",),
    ]
    assert responses[1]["gen_ai.usage.output_tokens"] == 40
    assert transcribed["gen_ai.operation.name"] == "transcription"
    assert transcribed["gen_ai.request.model"] == "gpt-4o-mini-transcribe"
    assert transcribed["gen_ai.usage.input_tokens"] == 14


async def test_an_async_session_is_counted_alike(realtime: str, spans: Any, billed: Any) -> None:
    async with (
        openai.AsyncOpenAI(api_key="none", websocket_base_url=realtime) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        async for _ in connection:
            pass

    assert len(billed()) == 3


TURN = {
    "promptTokenCount": 522,
    "responseTokenCount": 42,
    "thoughtsTokenCount": 136,
    "totalTokenCount": 700,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 357},
        {"modality": "AUDIO", "tokenCount": 165},
    ],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 42}],
}


@pytest.fixture
def live() -> Iterator[str]:
    """The address of a server that answers two turns."""

    def talk(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(json.dumps({"setupComplete": {"sessionId": "session-1"}}))
        for _ in range(2):
            connection.recv()
            said = {"modelTurn": {"parts": [{"text": "toll"}]}}
            connection.send(json.dumps({"serverContent": said}))
            done = {"serverContent": {"turnComplete": True}, "usageMetadata": TURN}
            connection.send(json.dumps(done))

    with serve_websockets(talk) as address:
        yield f"ws://{address}"


async def test_each_turn_of_gemini_live_is_one_span(
    live: str, spans: Any, billed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = genai.types.HttpOptions(base_url=live)
    client = genai.Client(api_key="none", http_options=options)
    # The SDK speaks TLS only; this server has no certificate.
    client._api_client._websocket_ssl_ctx = {}
    monkeypatch.setattr(client._api_client, "_websocket_base_url", lambda *_: live)
    async with client.aio.live.connect(model="gemini-live-2.5-flash") as session:
        for _ in range(2):
            await session.send_realtime_input(text="Hello")
            async for _ in session.receive():
                pass
    await client.aio.aclose()
    client.close()

    expected = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-live-2.5-flash",
        "gen_ai.usage.input_tokens": 522,
        "gen_ai.usage.output_tokens": 178,
        "gen_ai.usage.reasoning.output_tokens": 136,
        "gen_ai.usage.audio.input_tokens": 165,
        "gen_ai.usage.audio.output_tokens": 42,
        "gen_ai.conversation.id": "session-1",
        "spantoll.usage.status": "reported",
    }
    found = [dict(span.attributes) for span in spans.all()]
    assert [{key: values.get(key) for key in expected} for values in found] == [expected] * 2
    assert len(billed()) == 2
