"""Names that look like a model's and are in no price list: none may be priced."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from spantoll.pricing import RateCard, Unpriced
from spantoll.semconv.call import ModelCall

MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4.1-mini"),
    ("openai", "o3"),
    ("openai", "gpt-5-nano"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-1-20250805"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("gcp.gemini", "gemini-2.5-pro"),
    ("gcp.vertex_ai", "gemini-2.0-flash"),
    ("gcp.vertex_ai", "claude-sonnet-4-5@20250929"),
    ("x_ai", "grok-4.3"),
    ("mistral_ai", "mistral-large-latest"),
    ("deepseek", "deepseek-chat"),
    ("cohere", "command-r-plus"),
    ("perplexity", "sonar-pro"),
    ("groq", "llama-3.3-70b-versatile"),
    ("azure.ai.openai", "gpt-4o"),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("aws.bedrock", "amazon.nova-pro-v1:0"),
    ("openrouter", "anthropic/claude-sonnet-4.5"),
]
MADE_UP = ["-v7", "-9999", "-2099-01-01", "-20991231", "-9b", "@20991231", "x", ":7"]
LOOKALIKES = [(provider, model + end) for (provider, model), end in product(MODELS, MADE_UP)]


@pytest.mark.parametrize(("provider", "model"), LOOKALIKES, ids="/".join)
def test_a_made_up_snapshot_is_not_priced_like_its_model(
    provider: str, model: str, card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    call = make_call(provider, model, input_tokens=1_000, output_tokens=100)

    answer = card.price(call)

    assert isinstance(answer, Unpriced), answer
    assert answer.reason == "unknown_model"


@pytest.mark.parametrize(("provider", "model"), MODELS, ids="/".join)
def test_the_model_itself_is_priced(
    provider: str, model: str, card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    call = make_call(provider, model, input_tokens=1_000, output_tokens=100)

    answer = card.price(call)

    assert not isinstance(answer, Unpriced), answer


def test_there_are_more_than_a_hundred_lookalikes() -> None:
    assert len(LOOKALIKES) > 100
