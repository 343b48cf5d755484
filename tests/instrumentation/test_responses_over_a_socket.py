"""OpenAI's Responses API by its SDK, against a WebSocket server here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from websockets.sync.server import ServerConnection

from tests.support.websockets import serve_websockets

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}


def response(number: int, status: str) -> dict[str, Any]:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_780_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "status": status,
        "output": [],
        "service_tier": "default",
        "usage": None if status == "in_progress" else USAGE,
    }


@pytest.fixture
def socket() -> Iterator[str]:
    """The address of a server that answers each request, the second one not to its end."""

    def talk(connection: ServerConnection) -> None:
        for number, status in enumerate(("completed", "incomplete")):
            connection.recv()
            for kind in ("in_progress", status):
                event = {"type": f"response.{kind}", "response": response(number, kind)}
                connection.send(json.dumps(event | {"sequence_number": 0}))

    with serve_websockets(talk) as address:
        yield f"ws://{address}/v1"


EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "resp_0",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "gen_ai.response.finish_reasons": ("stop",),
    "openai.api.type": "responses",
    "openai.response.service_tier": "default",
    "spantoll.usage.status": "reported",
    "server.address": "127.0.0.1",
}
ENDED = ("response.completed", "response.incomplete")


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
@pytest.mark.parametrize("place", ["", "beta"])
def test_each_response_is_one_span(socket: str, spans: Any, billed: Any, place: str) -> None:
    with openai.OpenAI(api_key="none", websocket_base_url=socket) as client:
        owner = client.beta if place else client
        with owner.responses.connect() as connection:
            for _ in range(2):
                connection.response.create(model="gpt-4o-mini", input="Hello")
                while connection.recv().type not in ENDED:
                    pass

    found = [dict(span.attributes) for span in spans.all()]
    assert {key: found[0].get(key) for key in EXPECTED} == EXPECTED
    assert found[1]["gen_ai.response.finish_reasons"] == ("incomplete",)
    # 40 x 0.15 + 60 x 0.075 + 20 x 0.60 USD per million tokens.
    assert [record["cost_nano"] for record in billed()] == [22_500, 22_500]


async def test_each_response_of_an_async_client_is_one_span(socket: str, billed: Any) -> None:
    async with (
        openai.AsyncOpenAI(api_key="none", websocket_base_url=socket) as client,
        client.responses.connect() as connection,
    ):
        for _ in range(2):
            await connection.response.create(model="gpt-4o-mini", input="Hello")
            while (await connection.recv()).type not in ENDED:
                pass

    assert len(billed()) == 2
