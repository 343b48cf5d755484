"""Anthropic's managed agents by its SDK: the usage of their model requests and running time."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from spantoll.instrumentation import attributes
from tests.instrumentation.scenes import select_keys

REQUEST = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.conversation.id": "sesn_1",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.response.id": "sevt_1",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 50,
    "gen_ai.usage.cache_write.input_tokens": 10,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.usage.status": "reported",
}


@pytest.fixture
def claude(provider: Any) -> Any:
    with anthropic.Anthropic(api_key="none", base_url=provider.url) as client:
        yield client


def test_a_model_request_of_an_agent_is_one_call_streamed_or_listed(
    claude: Any, spans: Any, billed: Any
) -> None:
    claude.beta.sessions.retrieve("sesn_1")
    with claude.beta.sessions.events.stream("sesn_1") as stream:
        for _ in stream:
            pass
    for _ in claude.beta.sessions.events.list("sesn_1"):
        pass

    streamed, listed = spans.all()
    assert select_keys(dict(streamed.attributes), REQUEST) == REQUEST
    assert streamed.context.span_id == listed.context.span_id
    # 40 tokens at $3, 50 cached at $0.30, 10 written at $3.75, 20 at $15 per million.
    assert [row["cost_nano"] for row in billed()] == [472_500]


def test_an_agent_whose_session_was_never_read_has_no_model(claude: Any, spans: Any) -> None:
    with claude.beta.sessions.events.stream("sesn_unread") as stream:
        for _ in stream:
            pass

    found = spans.attributes()
    assert "gen_ai.request.model" not in found
    assert found["gen_ai.usage.input_tokens"] == 100


async def test_an_async_client_reads_the_events_of_a_thread_by_its_own_model(
    provider: Any, spans: Any
) -> None:
    async with anthropic.AsyncAnthropic(api_key="none", base_url=provider.url) as claude:
        threads = claude.beta.sessions.threads
        async for _ in threads.list("sesn_1"):
            pass
        async for _ in threads.events.list("sthr_1", session_id="sesn_1"):
            pass

    expected = REQUEST | {"gen_ai.request.model": "claude-haiku-4-5"}
    assert select_keys(spans.attributes(), expected) == expected


def test_a_session_that_ended_is_billed_for_its_running_time_once(
    claude: Any, spans: Any, billed: Any
) -> None:
    claude.beta.sessions.retrieve("sesn_1")
    assert spans.all() == ()

    claude.beta.sessions.archive("sesn_1")
    claude.beta.sessions.retrieve("sesn_ended")

    archived, ended = spans.all()
    expected = {
        "gen_ai.operation.name": "agent_session",
        "gen_ai.conversation.id": "sesn_1",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "spantoll.usage.units.session_ms": 90_500,
        "spantoll.usage.units.web_searches": 2,
        "spantoll.usage.status": "reported",
    }
    assert select_keys(dict(archived.attributes), expected) == expected
    assert ended.attributes["gen_ai.conversation.id"] == "sesn_ended"
    assert archived.context.span_id != ended.context.span_id
    # 2026-11-20T10:05:00Z, when the session was last changed.
    assert archived.end_time == 1_795_169_100_000_000_000
    # 90.5 s at $0.08 per hour, two searches at $10 per thousand.
    assert [row["cost_nano"] for row in billed()] == [22_011_111] * 2


def test_requests_of_a_session_have_the_attribution_of_its_maker(claude: Any, spans: Any) -> None:
    with attributes(customer_id="acme"):
        session = claude.beta.sessions.create(agent="agent_1", environment_id="env_1")
    with claude.beta.sessions.events.stream(session.id) as stream:
        for _ in stream:
            pass

    made, request = spans.all()
    assert made.attributes["gen_ai.operation.name"] == "create_agent_session"
    assert request.attributes["spantoll.customer_id"] == "acme"
    assert request.attributes["gen_ai.request.model"] == "claude-sonnet-4-5"
    assert [link.context.span_id for link in request.links] == [made.context.span_id]
