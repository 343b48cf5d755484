"""OpenAI's Agents API by its SDK: the usage of a session's turns."""

from __future__ import annotations

from typing import Any

import openai

from spantoll.instrumentation import attributes
from tests.instrumentation.scenes import exhaust, select_keys

MADE: dict[str, Any] = {
    "agent": {"model": "gpt-5.1"},
    "environment": {"type": "none"},
    "input": "Hello",
}
TURN = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.conversation.id": "ases_1",
    "gen_ai.request.model": "gpt-5.1",
    "gen_ai.response.id": "turn_ases_1",
    "gen_ai.agent.id": "agent_1",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 600,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.reasoning.output_tokens": 5,
    "openai.request.service_tier": "flex",
    "spantoll.usage.status": "reported",
}


def test_a_turn_is_one_call_streamed_or_listed(
    client: openai.OpenAI, spans: Any, billed: Any
) -> None:
    sessions = client.beta.agents.sessions
    sessions.retrieve("ases_1")
    exhaust(sessions.events.stream("ases_1"))
    exhaust(sessions.turns.list("ases_1"))

    streamed, listed = spans.all()
    assert select_keys(dict(streamed.attributes), TURN) == TURN
    assert streamed.context.span_id == listed.context.span_id
    # Half of 400 x 1.25, 600 x 0.125 and 20 x 10 USD per million tokens.
    assert [row["cost_nano"] for row in billed()] == [387_500]


def test_a_subagents_turn_has_no_model_and_is_not_its_agents(
    client: openai.OpenAI, spans: Any, billed: Any
) -> None:
    sessions = client.beta.agents.sessions
    sessions.retrieve("ases_1")
    exhaust(sessions.turns.list("ases_1"))
    exhaust(sessions.subagents.turns.list("sub_1", session_id="ases_1"))

    _, below = spans.all()
    assert "gen_ai.request.model" not in below.attributes
    # No answer reports the tier that served a turn: the price is that of the tier asked for.
    assert sorted(row["pricing_status"] for row in billed()) == ["estimated", "unpriced"]


def test_a_session_that_streams_from_the_start_has_its_turns(
    client: openai.OpenAI, spans: Any
) -> None:
    with attributes(customer_id="acme"):
        exhaust(client.beta.agents.sessions.create(**MADE, stream=True))

    made = next(span for span in spans.all() if span.name.startswith("create_agent_session"))
    turn = next(span for span in spans.all() if span is not made)
    assert made.attributes["gen_ai.conversation.id"] == "ases_made"
    assert turn.attributes["gen_ai.request.model"] == "gpt-5.1"
    assert turn.attributes["spantoll.customer_id"] == "acme"


async def test_turns_have_the_attribution_of_the_maker_of_their_session(
    async_client: openai.AsyncOpenAI, spans: Any
) -> None:
    sessions = async_client.beta.agents.sessions
    with attributes(customer_id="acme"):
        session = await sessions.create(**MADE)
    async for _ in await sessions.events.stream(session.id):
        pass

    made, turn = spans.all()
    assert turn.attributes["spantoll.customer_id"] == "acme"
    assert turn.attributes["gen_ai.usage.input_tokens"] == 1000
    assert [link.context.span_id for link in turn.links] == [made.context.span_id]


def test_a_list_of_sessions_names_the_models_of_their_turns(
    client: openai.OpenAI, spans: Any
) -> None:
    exhaust(client.beta.agents.sessions.list())
    assert spans.all() == ()

    client.beta.agents.sessions.turns.retrieve("turn_ases_listed", session_id="ases_listed")

    assert spans.attributes()["gen_ai.request.model"] == "gpt-5.1"
