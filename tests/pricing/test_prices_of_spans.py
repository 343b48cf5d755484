"""Spans, shaped as their emitters write them, that were unpriced or priced at the wrong list."""

from __future__ import annotations

from typing import Any

import pytest

from spantoll.pricing import Priced, RateCard
from tests.semconv.spans import read_call

GATEWAY: dict[str, Any] = {
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.model.provider": "gateway",
    "ai.model.id": "anthropic/claude-sonnet-4.5",
    "ai.usage.inputTokens": 1000,
    "ai.usage.outputTokens": 0,
}

SPANS: dict[str, tuple[str, dict[str, Any], tuple[str, int]]] = {
    "langfuse 5 writes langchain's provider as JSON text": (
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.metadata.ls_provider": '"openai"',
            "langfuse.observation.usage_details": '{"input":1000,"output":0,"total":1000}',
        },
        ("priced", 2_500_000),
    ),
    "logfire names anthropic for a profile of bedrock": (
        "logfire.anthropic",
        {
            "gen_ai.system": "anthropic",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "gen_ai.response.model": "claude-sonnet-4-5-20250929",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 0,
        },
        ("priced", 3_300_000),
    ),
    "the AI SDK sends a model that is given as text to vercel's gateway": (
        "ai",
        GATEWAY | {"ai.response.providerMetadata": '{"gateway": {"generationId": "gen_1"}}'},
        ("priced", 3_000_000),
    ),
    "vercel's gateway reports what it charges": (
        "ai",
        GATEWAY | {"ai.response.providerMetadata": '{"gateway": {"cost": "0.0033"}}'},
        ("priced", 3_300_000),
    ),
    "vercel's gateway charges nothing with a key of one's own": (
        "ai",
        GATEWAY | {"ai.response.providerMetadata": '{"gateway": {"cost": "0"}}'},
        ("priced", 3_000_000),
    ),
    "the AI SDK calls vertex": (
        "ai",
        GATEWAY | {"ai.model.provider": "google.vertex.chat", "ai.model.id": "gemini-2.5-pro"},
        ("priced", 1_250_000),
    ),
    "foundry runs an agent": (
        "azure.ai.agents",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "microsoft.foundry",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 0,
        },
        ("priced", 2_500_000),
    ),
    "an emitter that is not known reports a call or a sum": (
        "somebody",
        {"llm.provider": "openai", "llm.model": "gpt-4o", "llm.usage.prompt_tokens": 1000},
        ("estimated", 2_500_000),
    ),
    "openai's SDK reports a model of groq without a host": (
        "openlit.instrumentation.openai",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "llama-3.3-70b-versatile",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 0,
        },
        ("estimated", 590_000),
    ),
}


@pytest.mark.parametrize("case", SPANS)
def test_a_span_is_priced_at_the_list_of_who_was_called(case: str, card: RateCard) -> None:
    scope, attributes, expected = SPANS[case]

    answer = card.price(read_call(scope, attributes, start_ns=1_790_000_000_000_000_000))

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano) == expected
