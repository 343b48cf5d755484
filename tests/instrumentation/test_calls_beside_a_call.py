"""Requests to other models that an answer reports and its totals leave out: a span for each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from loopback_provider import LoopbackProvider
from websockets.sync.server import ServerConnection

from tests.instrumentation.scenes import exhaust
from tests.support.websockets import serve_websockets

ADVISED: dict[str, Any] = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello #input=100 #output=20 #advised=400"}],
}
DRAWN = "Hello #input=100 #output=20 #drawn=1000"
EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-opus-5",
    "gen_ai.response.model": "claude-opus-5",
    "gen_ai.usage.input_tokens": 400,
    "gen_ai.usage.output_tokens": 9,
    "gen_ai.response.id": None,
    "spantoll.usage.status": "reported",
}
IMAGE = {
    "gen_ai.operation.name": "image_generation",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-image-1",
    "gen_ai.usage.input_tokens": 50,
    "gen_ai.usage.output_tokens": 1000,
    "gen_ai.usage.image.output_tokens": 1000,
}


@pytest.fixture
def claude(provider: LoopbackProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="none", base_url=provider.url, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("stream", [False, True])
def test_an_advisor_is_a_call_of_its_own(
    claude: anthropic.Anthropic, spans: Any, billed: Any, stream: bool
) -> None:
    with spans.provider.get_tracer("app").start_as_current_span("work") as work:
        answer = claude.beta.messages.create(**ADVISED, stream=stream)
        if stream:
            exhaust(answer)

    found = {span.attributes.get("gen_ai.request.model"): span for span in spans.all()}
    advisor = found["claude-opus-5"]
    assert {key: advisor.attributes.get(key) for key in EXPECTED} == EXPECTED
    assert advisor.parent == work.get_span_context()
    assert [link.context for link in advisor.links] == [found["claude-sonnet-4-6"].context]
    # 100 x 3 + 20 x 15, and 400 x 5 + 9 x 25 USD per million tokens.
    assert {record["request_model"]: record["cost_nano"] for record in billed()} == {
        "claude-sonnet-4-6": 600_000,
        "claude-opus-5": 2_225_000,
    }


@pytest.mark.parametrize("stream", [False, True])
def test_images_that_a_response_draws_are_a_call_of_their_own(
    client: openai.OpenAI, spans: Any, billed: Any, stream: bool
) -> None:
    answer = client.responses.create(
        model="gpt-4o-mini", input=DRAWN, tools=[{"type": "image_generation"}], stream=stream
    )
    if stream:
        exhaust(answer)

    image, response = sorted(spans.all(), key=lambda span: span.name != "image_generation")
    assert {key: image.attributes.get(key) for key in IMAGE} == IMAGE
    assert response.attributes["gen_ai.usage.output_tokens"] == 20
    # 100 x 0.15 + 20 x 0.60, and 50 x 5 + 1,000 x 40 USD per million tokens.
    assert sorted(record["cost_nano"] for record in billed()) == [27_000, 40_250_000]


WRITTEN = "Hello #input=100 #output=20 #svg=1000"


def test_the_model_that_writes_an_image_as_svg_is_a_call_of_its_own(
    client: openai.OpenAI, spans: Any, billed: Any
) -> None:
    client.images.generate(model="gpt-image-1", prompt=WRITTEN)

    found = {span.attributes["gen_ai.request.model"]: span for span in spans.all()}
    assert found["gpt-image-1"].attributes["gen_ai.usage.output_tokens"] == 20
    assert found["gpt-5.1"].attributes["gen_ai.usage.output_tokens"] == 1000
    assert [link.context for link in found["gpt-5.1"].links] == [found["gpt-image-1"].context]
    # 50 x 1.25 + 1,000 x 10, and 100 x 5 + 20 x 40 USD per million tokens.
    assert sorted(record["cost_nano"] for record in billed()) == [1_300_000, 10_062_500]


@pytest.mark.parametrize("stream", [False, True])
def test_svg_that_a_response_has_written_is_a_call_of_its_own(
    client: openai.OpenAI, spans: Any, billed: Any, stream: bool
) -> None:
    answer = client.responses.create(
        model="gpt-4o-mini", input=WRITTEN, tools=[{"type": "image_generation"}], stream=stream
    )
    if stream:
        exhaust(answer)

    found = {span.attributes["gen_ai.request.model"]: span for span in spans.all()}
    assert found["gpt-5.1"].attributes["gen_ai.usage.reasoning.output_tokens"] == 5
    assert sorted(record["cost_nano"] for record in billed()) == [27_000, 10_062_500]


RESPONSE = {
    "id": "resp_drawn",
    "created_at": 1_780_000_000,
    "model": "gpt-4o-mini-2024-07-18",
    "status": "completed",
    "output": [],
    "tools": [{"type": "image_generation", "model": "gpt-image-1"}],
    "usage": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120},
    "tool_usage": {"image_gen": {"input_tokens": 50, "output_tokens": 1000}},
}


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_reading_a_result_twice_makes_the_same_two_spans(spans: Any) -> None:
    def talk(connection: ServerConnection) -> None:
        for _ in range(2):
            connection.send(json.dumps({"type": "response.completed", "response": RESPONSE}))

    with (
        serve_websockets(talk) as address,
        openai.OpenAI(api_key="none", websocket_base_url=f"ws://{address}/v1") as client,
        client.responses.connect() as connection,
    ):
        connection.recv()
        connection.recv()

    ids = [span.context.span_id for span in spans.all()]
    assert (len(ids), len(set(ids)), ids[:2]) == (4, 2, ids[2:])
    assert len({span.context.trace_id for span in spans.all()}) == 1
    assert {span.start_time for span in spans.all()} == {1_780_000_000_000_000_000}
