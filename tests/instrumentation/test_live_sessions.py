"""OpenAI's Live API by its SDK, against a WebSocket server here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from websockets.sync.server import ServerConnection

from tests.support.websockets import serve_websockets

SESSION = {"id": "live_1", "model": "gpt-live-1", "status": "active", "expires_at": 1_780_003_600}
DELEGATED = {
    "type": "response.completed",
    "response": {
        "id": "resp_1",
        "created_at": 1_780_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "status": "completed",
        "usage": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120},
    },
}
EVENTS = (
    {"type": "session.usage.updated", "event_id": "e1", "usage": {"seconds": 60.0}},
    {"type": "response.event", "event_id": "e2", "event": {"type": "response.in_progress"}},
    {"type": "response.event", "event_id": "e3", "event": DELEGATED},
    {
        "type": "session.closed",
        "event_id": "e4",
        "reason": "close_requested",
        "session": SESSION,
        "usage": {"seconds": 90.0},
    },
)
EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-live-1",
    "gen_ai.conversation.id": "live_1",
    "spantoll.usage.audio_ms": 90_000,
    "spantoll.usage.status": "reported",
}
# 100 x 0.15 + 20 x 0.60 USD per million tokens, and 90 s at 3 USD an hour.
COSTS = [27_000, 75_000_000]

pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")


@pytest.fixture
def live() -> Iterator[str]:
    """The address of a server that sends a session's events and closes."""

    def talk(connection: ServerConnection) -> None:
        for event in EVENTS:
            connection.send(json.dumps(event))

    with serve_websockets(talk) as address:
        yield f"ws://{address}/v1"


def test_a_session_and_what_it_delegates_are_billed(live: str, spans: Any, billed: Any) -> None:
    with (
        openai.OpenAI(api_key="none", websocket_base_url=live) as client,
        client.live.connect() as connection,
    ):
        seen = [connection.recv().type for _ in EVENTS]

    assert seen == [event["type"] for event in EVENTS]
    delegated, session = [dict(span.attributes) for span in spans.all()]
    assert {key: session.get(key) for key in EXPECTED} == EXPECTED
    assert delegated["gen_ai.response.id"] == "resp_1"
    assert sorted(record["cost_nano"] for record in billed()) == COSTS


async def test_an_async_session_is_billed_alike(live: str, billed: Any) -> None:
    async with (
        openai.AsyncOpenAI(api_key="none", websocket_base_url=live) as client,
        client.live.connect() as connection,
    ):
        for _ in EVENTS:
            await connection.recv()

    assert sorted(record["cost_nano"] for record in billed()) == COSTS


def test_a_session_that_two_connections_see_is_billed_once(live: str, billed: Any) -> None:
    with (
        openai.OpenAI(api_key="none", websocket_base_url=live) as client,
        client.live.connect() as primary,
        client.live.sideband.connect(session_id="live_1") as sideband,
    ):
        for _ in EVENTS:
            primary.recv()
            sideband.recv()

    assert sorted(record["cost_nano"] for record in billed()) == COSTS
